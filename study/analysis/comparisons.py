"""Summaries of arms and their contrasts, over seeds and over queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nsh_core.measures import RESULT, SELECTION, Place, measures
from study.analysis.columns import COMPARISONS, SEEDS, SUMMARY
from study.analysis.crossed import Crossed, crossed
from study.analysis.power import seeds_needed
from study.analysis.statistics import compare_paired, holm, mean_interval, skewness
from study.plan.contrast import Contrast

# The columns of a per-query table that measures are means of.
_BY_QUERY = {RESULT: "test", SELECTION: "val"}


class ByQuery:
    """Values of a measure by arm, seed and query.

    Args:
        per_query: As in Tables.
        metric: Name of the measure.
    """

    def __init__(self, per_query: pd.DataFrame, metric: str) -> None:
        self._values: dict[tuple[str, int], npt.NDArray[np.float16]] = {}
        if metric in _BY_QUERY:
            keys = zip(per_query.arm, per_query.seed, strict=True)
            self._values = dict(zip(keys, per_query[_BY_QUERY[metric]], strict=True))

    def of(self, arm: str, seeds: Iterable[int]) -> npt.NDArray[np.float64] | None:
        """The values [S, Q] of an arm on seeds; none where they are not known."""
        rows = [self._values.get((arm, seed)) for seed in seeds]
        known = [row for row in rows if row is not None]
        return np.stack(known).astype(float) if known and len(known) == len(rows) else None


def values_of(trials: pd.DataFrame, per_query: pd.DataFrame, arms: Sequence[str]) -> npt.NDArray[np.float64]:
    """Test mAP of arms on the seeds that all of them have: by query where AP of all is known.

    Args:
        trials: Complete final trials, some of each arm.
        per_query: As in Tables.
        arms: Their names.

    Returns:
        [A, S, Q], or [A, S]; S may be 0.
    """
    table = trials.pivot(index="seed", columns="arm", values=RESULT)[list(arms)].dropna()
    by_query = ByQuery(per_query, RESULT)
    known = [values for arm in arms if (values := by_query.of(arm, table.index)) is not None]
    return np.stack(known) if len(known) == len(arms) else table.to_numpy(float).T


def summarize(trials: pd.DataFrame, per_query: pd.DataFrame) -> pd.DataFrame:
    """Each arm's mean of each measure.

    Args:
        trials: Complete final trials.
        per_query: As in Tables.

    Returns:
        The columns of study.analysis.columns.SUMMARY, arms and measures in their order.
    """
    rows = []
    by_query = {name: ByQuery(per_query, name) for name in _BY_QUERY}
    columns = {one.name: trials[one.name].to_numpy(float) for one in measures() if one.name in trials}
    seeds = trials.seed.to_numpy()
    places = trials.reset_index(drop=True).groupby("arm", sort=False).indices
    for arm, own in places.items():
        for metric, column in columns.items():
            known = own[~np.isnan(column[own])]
            values = column[known]
            if len(values):
                deviation = values.std(ddof=1) if len(values) > 1 else np.nan
                queries = by_query[metric].of(str(arm), seeds[known]) if metric in by_query else None
                # AP of single queries is kept in half precision, its mean is not.
                both = replace(crossed(values if queries is None else queries), mean=values.mean())
                ends = *mean_interval(values), both.se_queries, *both.interval()
                rows.append((arm, metric, len(values), values.mean(), deviation, *ends))
    return pd.DataFrame(rows, columns=list(SUMMARY))


def compare(
    trials: pd.DataFrame,
    contrasts: Sequence[Contrast],
    per_query: pd.DataFrame,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Pairs of arms on the seeds, and the queries, that they share.

    A family of tests, over which Holm's adjustment runs, is the contrasts of a question within a group, for each
    measure alone.

    Args:
        trials: Complete final trials.
        contrasts: The pairs.
        per_query: As in Tables.
        metrics: Names of measures; none: those that the catalogue compares.

    Returns:
        The columns of study.analysis.columns.COMPARISONS.
    """
    if metrics is None:
        metrics = [one.name for one in measures(Place.COMPARED) if one.name in trials]
    rows, families = [], dict[tuple[str, str], list[Contrast]]()
    for one in contrasts:
        families.setdefault((one.question, one.group), []).append(one)
    for metric in metrics:
        pivot = trials.pivot(index="seed", columns="arm", values=metric)
        table = {str(arm): values for arm, values in zip(pivot, pivot.to_numpy(float).T, strict=True)}
        by_query = ByQuery(per_query, metric)
        for family in families.values():
            known = [
                one
                for one in (_compared(one, metric, pivot.index.to_numpy(int), table, by_query) for one in family)
                if one is not None
            ]
            adjusted = holm(np.array([estimate.p for _, estimate in known]))
            for (row, estimate), p in zip(known, adjusted, strict=True):
                count = int(row["n"])
                needed = seeds_needed(estimate, count, len(known)) if count > 1 else (None, None, None)
                rows.append(row | {"tests": len(known), "p_holm": p} | dict(zip(SEEDS, needed, strict=True)))
    return pd.DataFrame(rows, columns=list(COMPARISONS)).astype(dict.fromkeys(SEEDS, "Int64"))


def _skewness(values: npt.NDArray[np.float64]) -> float:
    return skewness(values) if len(values) >= 5 and np.ptp(values) > 0 else np.nan


def _compared(
    contrast: Contrast,
    metric: str,
    seeds: npt.NDArray[np.int64],
    table: Mapping[str, npt.NDArray[np.float64]],
    by_query: ByQuery,
) -> tuple[dict[str, Any], Crossed] | None:
    """The row of a contrast, but for its family, and its difference; none where the two share no seed."""
    if contrast.arm not in table or contrast.reference not in table:
        return None
    pair = np.stack([table[contrast.arm], table[contrast.reference]])
    both = ~np.isnan(pair).any(axis=0)
    if not both.any():
        return None
    values, reference = pair[:, both]
    one, other = (by_query.of(name, seeds[both]) for name in (contrast.arm, contrast.reference))
    estimate = crossed(values - reference if one is None or other is None else one - other)
    paired = compare_paired(values, reference)
    estimate = replace(estimate, mean=paired.difference)
    low, high = estimate.interval()
    varies = len(values) > 2 and values.std() > 0 and reference.std() > 0
    row = {
        "question": contrast.question, "group": contrast.group, "arm": contrast.arm, "reference": contrast.reference,
        "metric": metric, "n": len(values), "difference": paired.difference,
        "ci_low": paired.low, "ci_high": paired.high, "se_seeds": estimate.se_seeds, "se_queries": estimate.se_queries,
        "se": estimate.se, "degrees": estimate.degrees, "both_low": low, "both_high": high, "p_flips": paired.p,
        "p": estimate.p, "correlation": np.corrcoef(values, reference)[0, 1] if varies else np.nan,
        "effect_size": paired.effect_size, "skewness": _skewness(values - reference),
    }  # fmt: skip
    return row, estimate
