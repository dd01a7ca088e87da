"""Tables of a study: one row a trial, a summary of each arm, comparisons with the reference arm."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from nsh_core.files import write_atomically
from nsh_core.measures import Place, measures
from nsh_core.metrics.per_query import from_text
from study.analysis.statistics import compare_paired, holm, mean_interval, seeds_needed
from study.execution.queue import TrialQueue, trial_key
from study.execution.records import TrialFacts
from study.plan.spec import StudySpec
from study.plan.trials import Plan, PlannedTrial

OVER = ("complete", "pruned")
_PER_QUERY = ["arm", "seed", "val", "test"]
# What every version's trials table has, beside measures.
STRUCTURE = ("arm", "seed", "phase", "state", "failure", "bits", "tuned")


@dataclass(frozen=True)
class Tables:
    """The tables of a study.

    Attributes:
        trials: A row a planned trial, tuning trials among them.
        curves: Long: arm, seed, curve, x, value of final trials.
        per_query: A row a complete final trial: arm, seed, val and test, the AP of each query [Q] in half precision;
            none of trials that an earlier version ran.
        summary: See summarize.
        comparisons: See compare.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    per_query: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame


def build_tables(queue: TrialQueue) -> Tables:
    """Tables of the plan's trials in their present state, in the plan's order.

    Args:
        queue: Of the study.
    """
    latest = queue.latest()
    rows, points, by_query = [], [], []
    for planned in queue.plan.trials:
        trial = latest.get(trial_key(planned, queue.fingerprint))
        facts = TrialFacts() if trial is None else TrialFacts.of(trial)
        rows.append(_row(queue.plan, planned, trial, facts))
        if not planned.tuning:
            points += _curve_points(planned, facts)
            if facts.ap:
                ap = {kind: from_text(text) for kind, text in facts.ap.items()}
                by_query.append({"arm": planned.arm.name, "seed": planned.seed} | ap)
    trials = pd.DataFrame(rows)
    done = complete(trials)
    return Tables(
        trials,
        pd.DataFrame(points, columns=["arm", "seed", "curve", "x", "value"]),
        pd.DataFrame(by_query, columns=_PER_QUERY),
        summarize(done),
        compare(done, references_of(queue.plan.spec)),
    )


def complete(trials: pd.DataFrame) -> pd.DataFrame:
    """The final trials that are complete.

    Args:
        trials: As in Tables.
    """
    return trials[(trials.state == "complete") & (trials.phase == "final")]


def references_of(spec: StudySpec) -> dict[str, str]:
    """For each arm that is compared the arm that it is compared with; a reference arm is its own.

    Args:
        spec: The study.
    """
    return {arm.name: arm.reference for arm in spec.arms if arm.reference is not None}


def _row(plan: Plan, planned: PlannedTrial, trial: FrozenTrial | None, facts: TrialFacts) -> dict[str, Any]:
    failed = trial is not None and trial.state == TrialState.FAIL
    return {
        "study": plan.key,
        "arm": planned.arm.name,
        "seed": planned.seed,
        "phase": planned.phase,
        "state": "missing" if trial is None else trial.state.name.lower().replace("fail", "failed"),
        "failure": facts.failure if failed else "",
        "dataset": plan.dataset,
        "bits": planned.config.code_length,
        **{f"factor_{factor}": label for factor, label in planned.arm.levels.items()},
        **{one.name: facts.measures.get(one.name) for one in measures()},
        "stacked": facts.stacked,
        "sorter_form": facts.sorter_form,
        "nearest": json.dumps(facts.nearest) if facts.codes_sha256 is not None else None,
        "trial": None if trial is None else trial.number,
        "tuned": json.dumps(planned.tuned),
        "config_hash": planned.config.digest(),
        "codes_sha256": facts.codes_sha256,
        "commit": facts.provenance.get("commit"),
        "config": planned.config.model_dump_json(),
    }


def _curve_points(planned: PlannedTrial, facts: TrialFacts) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = []
    for record in facts.history:
        for name, value in record.items():
            if name != "epoch":
                points.append({"curve": name, "x": record["epoch"], "value": value})
    for name, values in facts.curves.items():
        points += [{"curve": name, "x": float(radius), "value": value} for radius, value in enumerate(values)]
    return [{"arm": planned.arm.name, "seed": planned.seed} | point for point in points]


def summarize(trials: pd.DataFrame) -> pd.DataFrame:
    """Each arm's mean of each measure.

    Args:
        trials: Complete final trials.

    Returns:
        arm, metric, n, mean, sd, ci_low, ci_high; arms and measures in their order.
    """
    rows = []
    for arm, group in trials.groupby("arm", sort=False):
        for metric in [one.name for one in measures() if one.name in group]:
            values = group[metric].dropna().to_numpy(float)
            if len(values):
                low, high = mean_interval(values)
                deviation = values.std(ddof=1) if len(values) > 1 else np.nan
                rows.append((arm, metric, len(values), values.mean(), deviation, low, high))
    return pd.DataFrame(rows, columns=["arm", "metric", "n", "mean", "sd", "ci_low", "ci_high"])


def compare(trials: pd.DataFrame, references: Mapping[str, str], metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Each arm against its reference arm on the seeds they share.

    Args:
        trials: Complete final trials.
        references: By arm.
        metrics: Names of measures; none: those that the catalogue compares.

    Returns:
        arm, reference, metric, n, difference, ci_low, ci_high, p, p_holm, effect_size, seeds_needed. Holm's adjustment
        is over the arms that share a reference, for each measure alone. seeds_needed: how many would tell a difference
        of that effect size apart in that family, none beyond 1000.
    """
    if metrics is None:
        metrics = [one.name for one in measures(Place.COMPARED) if one.name in trials]
    columns = [
        "arm", "reference", "metric", "n", "difference", "ci_low", "ci_high", "p", "p_holm", "effect_size",
        "seeds_needed",
    ]  # fmt: skip
    rows = []
    for metric in metrics:
        table = trials.pivot(index="seed", columns="arm", values=metric)
        for arm in trials.arm.unique():
            reference = references.get(arm, arm)
            if arm == reference or reference not in table:
                continue
            both = table[[arm, reference]].dropna()
            if both.empty:
                continue
            result = compare_paired(both[arm].to_numpy(float), both[reference].to_numpy(float))
            estimates = (result.difference, result.low, result.high, result.p)
            rows.append((arm, reference, metric, len(both), *estimates, np.nan, result.effect_size, None))
    frame = pd.DataFrame(rows, columns=columns)
    for _, family in frame.groupby(["metric", "reference"]):
        frame.loc[family.index, "p_holm"] = holm(family["p"].to_numpy(float))
        needed = [seeds_needed(effect, len(family)) for effect in family.effect_size]
        frame.loc[family.index, "seeds_needed"] = pd.array(needed, dtype="Int64")
    return frame


def write_tables(tables: Tables, folder: Path) -> None:
    """Writes trials, curves and AP by query as parquet, trials, summary and comparisons as csv.

    Args:
        tables: Of the study.
        folder: Of its results.

    Raises:
        UserError: The folder cannot be written into.
    """
    for name, frame in (("trials", tables.trials), ("curves", tables.curves), ("per_query", tables.per_query)):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_atomically(folder / f"{name}.parquet", buffer.getvalue())
    for name, frame in (
        ("trials", tables.trials),
        ("summary", tables.summary),
        ("comparisons", tables.comparisons),
    ):
        write_atomically(folder / f"{name}.csv", frame.to_csv(index=False))


def read_tables(folder: Path) -> Tables:
    """Reads what write_tables wrote.

    Args:
        folder: Of the results.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged.
    """
    per_query = folder / "per_query.parquet"
    return Tables(
        pd.read_parquet(folder / "trials.parquet"),
        pd.read_parquet(folder / "curves.parquet"),
        pd.read_parquet(per_query) if per_query.exists() else pd.DataFrame(columns=_PER_QUERY),
        pd.read_csv(folder / "summary.csv", dtype={"arm": str}),
        pd.read_csv(folder / "comparisons.csv", dtype={"arm": str, "reference": str}),
    )
