"""What tuning would have given with a smaller budget."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pandas as pd

from nsh_core.measures import SELECTION
from study.analysis.results import Results
from study.analysis.statistics import expected_best


def expected_by_budget(results: Results) -> pd.DataFrame:
    """Best validation mAP expected of b tuning trials, drawn with replacement from all (Dodge et al. 2019).

    A pruned trial counts with the mAP at which it was stopped, a failed one with 0.

    Args:
        results: Of a tuned study.

    Returns:
        Rows b = 1, 2, ... up to the trials of one tuning, a column an arm.
    """
    trials = results.tables.trials
    over = trials[(trials.phase == "tuning") & trials.state.isin(["complete", "pruned", "failed"])]
    columns = {arm: expected_best(group[SELECTION].fillna(0.0))[0] for arm, group in over.groupby("arm", sort=False)}
    table = pd.DataFrame({arm: pd.Series(values) for arm, values in columns.items()})
    table.index = pd.RangeIndex(1, len(table) + 1, name="trials")
    return table.iloc[: results.spec.tune.trials] if results.spec.tune else table


def found_by_budget(results: Results, arm: str) -> pd.Series:
    """Best validation mAP that the search of an arm had found after b trials, mean over its tunings.

    Args:
        results: Of a tuned study.
        arm: With tuning trials.

    Returns:
        Values by b = 1, 2, ...
    """
    trials = results.tables.trials
    own = trials[(trials.phase == "tuning") & (trials.arm == arm)]
    best = own[SELECTION].fillna(0.0).groupby(own.seed).cummax()
    return best.groupby(own.groupby("seed").cumcount() + 1).mean()


def leaders(results: Results, table: pd.DataFrame) -> list[str]:
    """For each group of arms a sentence: who is expected to lead at which budget.

    Args:
        results: Of a tuned study.
        table: As expected_by_budget gives it.
    """
    sentences = []
    for label, group in results.spec.groups().items():
        names = {arm.name: arm.name_in_group for arm in group if arm.name in table}
        if len(names) < 2:
            continue
        leading = [str(arm) for arm in table[list(names)].idxmax(axis=1)]
        parts, first = [], 1
        for arm, run in groupby(leading):
            last = first + len(list(run)) - 1
            parts.append(f"{names[arm]} with {first}" + (f" to {last}" if last > first else ""))
            first = last + 1
        start = f"{label}: " if label else ""
        flips = "" if len(parts) > 1 else " The ranking's head does not depend on the budget."
        sentences.append(f"{start}best expected validation {results.map_name}: {', '.join(parts)} trials.{flips}")
    return sentences


def shown_budgets(count: int) -> list[int]:
    """1, 2, 4, ... and the whole budget.

    Args:
        count: The whole budget, in trials; 0 shows none.
    """
    return sorted({*(2 ** np.arange(int(np.log2(count)) + 1)).tolist(), count}) if count else []
