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
from study.analysis.statistics import compare_paired, holm, mean_interval, seeds_needed
from study.execution.queue import TrialQueue, trial_key
from study.execution.trial import facts_of
from study.plan.planning import Plan, PlannedTrial

OVER = ("complete", "pruned")
COMPARED = ("val_map", "test_map", "val_map_expected", "test_map_expected")
MEASUREMENTS = (
    *("val_map", "test_map", "val_map_expected", "test_map_expected"),
    *("val_map_all", "test_map_all", "val_map_all_expected", "test_map_all_expected"),
    *("val_precision", "test_precision", "val_recall", "test_recall"),
    *("val_precision_radius_2", "test_precision_radius_2"),
    "test_map_class_order",
    *("final_loss", "final_sorted_nce", "final_anchor"),
    *("bit_balance", "bit_correlation", "bit_entropy", "effective_codes", "dead_bits", "sorter_fidelity"),
    *("train_seconds", "total_seconds", "peak_memory_mb", "peak_cuda_mb"),
)


@dataclass(frozen=True)
class Tables:
    """trials: a row a planned trial. curves: long, arm, seed, curve, x, value. summary and comparisons: see below.

    Tuning trials are rows of `trials` alone.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame


def build_tables(queue: TrialQueue) -> Tables:
    """Tables of the plan's trials in their present state, in the plan's order."""
    latest = queue.latest()
    pairs = [(trial, latest.get(trial_key(trial, queue.fingerprint))) for trial in queue.plan.trials]
    trials = pd.DataFrame([_row(queue.plan, planned, trial) for planned, trial in pairs])
    done = complete(trials)
    points = [
        point
        for planned, trial in pairs
        if trial is not None and not planned.tuning
        for point in _curve_points(planned, trial)
    ]
    return Tables(
        trials,
        pd.DataFrame(points, columns=["arm", "seed", "curve", "x", "value"]),
        summarize(done),
        compare(done, queue.plan.spec.references()),
    )


def complete(trials: pd.DataFrame) -> pd.DataFrame:
    """The final trials that are complete."""
    return trials[(trials.state == "complete") & (trials.phase == "final")]


def _row(plan: Plan, planned: PlannedTrial, trial: FrozenTrial | None) -> dict[str, Any]:
    attributes = {} if trial is None else facts_of(trial)
    provenance = json.loads(attributes.get("provenance", "{}"))
    failed = trial is not None and trial.state == TrialState.FAIL
    row: dict[str, Any] = {
        "study": plan.key,
        "arm": planned.arm,
        "seed": planned.seed,
        "phase": planned.phase,
        "state": "missing" if trial is None else trial.state.name.lower().replace("fail", "failed"),
        "failure": attributes.get("failure", "") if failed else "",
        "dataset": plan.dataset,
        "bits": planned.config.code_length,
    }
    row |= {f"factor_{factor}": label for factor, label in planned.levels.items()}
    row |= {name: attributes.get(name) for name in MEASUREMENTS}
    row |= {name: attributes.get(name) for name in ("stacked", "sorter_form")}
    row["nearest"] = attributes.get("nearest")
    row["trial"] = None if trial is None else trial.number
    row["tuned"] = json.dumps(planned.tuned)
    row["config_hash"] = planned.config.digest()
    row["codes_sha256"] = attributes.get("codes_sha256")
    row["commit"] = provenance.get("commit")
    row["config"] = planned.config.model_dump_json()
    return row


def _curve_points(planned: PlannedTrial, trial: FrozenTrial) -> list[dict[str, Any]]:
    points = []
    facts = facts_of(trial)
    for record in json.loads(facts.get("history", "[]")):
        for name, value in record.items():
            if name != "epoch":
                points.append({"curve": name, "x": record["epoch"], "value": value})
    for name, values in json.loads(facts.get("curves", "{}")).items():
        points += [{"curve": name, "x": float(radius), "value": value} for radius, value in enumerate(values)]
    return [{"arm": planned.arm, "seed": planned.seed} | point for point in points]


def summarize(trials: pd.DataFrame) -> pd.DataFrame:
    """arm, metric, n, mean, sd, ci_low, ci_high of complete trials, arms and metrics in their order."""
    rows = []
    for arm, group in trials.groupby("arm", sort=False):
        for metric in MEASUREMENTS:
            values = group[metric].dropna().to_numpy(float)
            if len(values):
                low, high = mean_interval(values)
                deviation = values.std(ddof=1) if len(values) > 1 else np.nan
                rows.append((arm, metric, len(values), values.mean(), deviation, low, high))
    return pd.DataFrame(rows, columns=["arm", "metric", "n", "mean", "sd", "ci_low", "ci_high"])


def compare(trials: pd.DataFrame, references: Mapping[str, str], metrics: Sequence[str] = COMPARED) -> pd.DataFrame:
    """Each arm against its reference arm on the seeds they share; references: by arm.

    Holm's adjustment is over the arms that share a reference, for each metric alone. seeds_needed: how many would tell
    a difference of that effect size apart in that family, none beyond 1000.
    """
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
    """Writes trials and curves as parquet, trials, summary and comparisons as csv."""
    for name, frame in (("trials", tables.trials), ("curves", tables.curves)):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_atomically(folder / f"{name}.parquet", buffer.getvalue())
    for name, frame in (
        ("trials", tables.trials),
        ("summary", tables.summary),
        ("comparisons", tables.comparisons),
    ):
        write_atomically(folder / f"{name}.csv", frame.to_csv(index=False))
