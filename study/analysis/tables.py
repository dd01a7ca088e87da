"""Tables of a study: one row a trial, and what follows from them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from optuna.trial import FrozenTrial

from nsh_core.errors import TRAINING_FAILURES
from nsh_core.measures import MEASURES
from nsh_core.metrics.per_query import from_text
from study.analysis.columns import PER_QUERY
from study.analysis.comparisons import compare, summarize
from study.analysis.csv_files import csv_text, read_csv
from study.analysis.generation import Generation
from study.execution.cost import COST
from study.execution.queue import TrialQueue
from study.execution.records import TrialFacts, state_of
from study.plan.spec import StudySpec
from study.plan.trials import PlannedTrial

COST_FILE = "cost.csv"
VALUED = ("complete", "pruned")
DAMAGED = "damaged: its record is not what was written; the same command trains it again"
# What every version's trials table has, beside measures.
_STRUCTURE = ("arm", "seed", "phase", "state", "failure", "bits", "tuned")


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
        cost: See study.execution.cost; empty where it was not measured.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    per_query: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    cost: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COST))


def build_tables(queue: TrialQueue) -> Tables:
    """Tables of the plan's trials in their present state, in the plan's order.

    Args:
        queue: Of the study.
    """
    latest, plan = queue.latest(), queue.plan
    study = {"key": plan.key, "dataset": plan.dataset}
    # In columns, as there may be very many trials.
    columns: dict[str, list[Any]] = {}
    points, by_query = _Points(), []
    for planned, key in zip(plan.trials, queue.keys, strict=True):
        trial = latest.get(key)
        facts = _facts(trial)
        for name, value in _row(study, planned, trial, facts, key).items():
            columns.setdefault(name, []).append(value)
        if not planned.tuning:
            points.add(planned, facts)
            if facts.ap:
                ap = {kind: from_text(text) for kind, text in facts.ap.items()}
                by_query.append({"arm": planned.arm.name, "seed": planned.seed} | ap)
    # What a table was made of takes as much memory as the table.
    trials = pd.DataFrame({name: columns.pop(name) for name in tuple(columns)})
    return tables_of(trials, points.frame(), pd.DataFrame(by_query, columns=list(PER_QUERY)), plan.spec)


def tables_of(trials: pd.DataFrame, curves: pd.DataFrame, per_query: pd.DataFrame, spec: StudySpec) -> Tables:
    """The tables that follow from those of trials.

    Args:
        trials: As in Tables.
        curves: As in Tables.
        per_query: As in Tables.
        spec: The study.
    """
    done = complete(trials)
    summary, comparisons = summarize(done, per_query), compare(done, spec.contrasts, per_query)
    return Tables(trials, curves, per_query, summary, comparisons)


def over(trials: pd.DataFrame) -> pd.Series:
    """Which trials have a result: complete and pruned ones, and tries of tuning whose training failed by itself.

    A sampler that looks at the bounds of a range finds settings that collapse; that is what such a try says of them.

    Args:
        trials: As in Tables.
    """
    return trials.state.isin(VALUED) | ((trials.phase == "tuning") & failed_in_training(trials))


def failed_in_training(trials: pd.DataFrame) -> pd.Series:
    """Which trials were ended by what training came to: one code for all, or numbers that are none.

    Args:
        trials: As in Tables.
    """
    return trials.failure.fillna("").str.partition(":")[0].isin(TRAINING_FAILURES)


def complete(trials: pd.DataFrame) -> pd.DataFrame:
    """The final trials that are complete.

    Args:
        trials: As in Tables.
    """
    return trials[(trials.state == "complete") & (trials.phase == "final")]


def _facts(trial: FrozenTrial | None) -> TrialFacts:
    if trial is None:
        return TrialFacts()
    return TrialFacts.whole(trial) or TrialFacts(failure=DAMAGED)


def _row(
    study: Mapping[str, str], planned: PlannedTrial, trial: FrozenTrial | None, facts: TrialFacts, key: str
) -> dict[str, Any]:
    state = "missing" if trial is None else state_of(trial)
    if facts.failure == DAMAGED:
        state = "failed"
    return {
        "study": study["key"],
        "arm": planned.arm.name,
        "seed": planned.seed,
        "phase": planned.phase,
        "state": state,
        "failure": facts.failure if state == "failed" else "",
        "dataset": study["dataset"],
        "bits": planned.config.code_length,
        **{f"factor_{factor}": label for factor, label in planned.arm.levels.items()},
        **{name: facts.measures.get(name) for name in MEASURES.names()},
        "stacked": facts.stacked,
        "sorter_form": facts.sorter_form,
        "nearest": json.dumps(facts.nearest) if facts.codes_sha256 is not None else None,
        "trial": None if trial is None else trial.number,
        "tuned": json.dumps(planned.tuned),
        "config_hash": key.partition("-")[0],
        "codes_sha256": facts.codes_sha256,
        "provenance": json.dumps(facts.provenance) if facts.provenance else None,
        "config": planned.config.model_dump_json(),
    }


class _Points:
    """The points of all curves, of which there may be millions, in columns."""

    def __init__(self) -> None:
        self._arms: list[str] = []
        self._seeds: list[int] = []
        self._curves: list[npt.NDArray[np.int64]] = []
        self._x: list[npt.NDArray[np.float64]] = []
        self._values: list[npt.NDArray[np.float64]] = []
        # Each name of a curve with its place among them, and those of all points of a trial: most trials share theirs.
        self._names: dict[str, int] = {}
        self._places: dict[tuple[str, ...], npt.NDArray[np.int64]] = {}

    def add(self, planned: PlannedTrial, facts: TrialFacts) -> None:
        """Those of a trial: its history, then its curves by Hamming radius."""
        names: list[str] = []
        x: list[float] = []
        values: list[float | None] = []
        for record in facts.history:
            own = [name for name in record if name != "epoch"]
            names += own
            x += [record["epoch"]] * len(own)
            values += [record[name] for name in own]
        for name, curve in facts.curves.items():
            names += [name] * len(curve)
            x += range(len(curve))
            values += curve
        if names:
            self._arms.append(planned.arm.name)
            self._seeds.append(planned.seed)
            self._curves.append(self._places_of(tuple(names)))
            self._x.append(np.array(x, float))
            self._values.append(np.array(values, float))

    def _places_of(self, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
        if names not in self._places:
            self._places[names] = np.array([self._names.setdefault(name, len(self._names)) for name in names])
        return self._places[names]

    def frame(self) -> pd.DataFrame:
        """As in Tables."""
        counts = [len(own) for own in self._x]
        places = np.concatenate([*self._curves, np.array([], int)])
        return pd.DataFrame(
            {
                "arm": _taken(self._arms, np.repeat(np.arange(len(counts)), counts)),
                "seed": np.repeat(np.array(self._seeds, int), counts),
                "curve": _taken(list(self._names), places),
                "x": np.concatenate([*self._x, []]),
                "value": np.concatenate([*self._values, []]),
            }
        )


def _taken(texts: list[str], places: npt.NDArray[np.int64]) -> Any:
    """Texts at places as a column, of which pandas looks at each text once."""
    return pd.Series(texts).take(places).array


def write_tables(tables: Tables, files: Generation) -> None:
    """Writes trials, curves and AP by query as parquet, trials, summary and comparisons as csv.

    Args:
        tables: Of the study.
        files: Of its results.

    Raises:
        UserError: The folder cannot be written into.
    """
    for name, frame in (("trials", tables.trials), ("curves", tables.curves), ("per_query", tables.per_query)):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        files.write(f"{name}.parquet", buffer.getvalue())
    for name, frame in (
        ("trials", tables.trials),
        ("summary", tables.summary),
        ("comparisons", tables.comparisons),
    ):
        files.write(f"{name}.csv", csv_text(frame))


def read_tables(folder: Path, spec: StudySpec) -> Tables:
    """Reads the trials that write_tables wrote; summary and comparisons follow from them.

    Args:
        folder: Of the results.
        spec: The study.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is damaged, or of a version that knew less of a trial.
    """
    trials, per_query = pd.read_parquet(folder / "trials.parquet"), folder / "per_query.parquet"
    missing = set(_STRUCTURE) - set(trials)
    if missing:
        raise ValueError(f"written by another version, without {', '.join(sorted(missing))}")
    for name in MEASURES.names():
        if name not in trials:
            trials[name] = np.nan
    frames = [
        trials,
        pd.read_parquet(folder / "curves.parquet"),
        pd.read_parquet(per_query) if per_query.exists() else pd.DataFrame(columns=list(PER_QUERY)),
        read_cost(folder),
    ]
    trials, curves, by_query, cost = (frame.assign(arm=frame.arm.replace(spec.former_names)) for frame in frames)
    return replace(tables_of(trials, curves, by_query, spec), cost=cost)


def read_cost(folder: Path) -> pd.DataFrame:
    """What study.execution.cost measured; empty where nothing was.

    Args:
        folder: Of the results.

    Raises:
        ValueError: The file is damaged.
    """
    path = folder / COST_FILE
    return read_csv(path, ["arm", "host"]) if path.exists() else pd.DataFrame(columns=COST)
