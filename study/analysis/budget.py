"""What tuning would have given with a smaller budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.analysis.crossed import chosen_p
from study.analysis.judged import judged
from study.analysis.results import Results
from study.analysis.statistics import ALPHA, expected_best
from study.analysis.tables import VALUED, over

Curve = npt.NDArray[np.float64]

_OVER = (*VALUED, "failed")


def tuning_of(results: Results, tried: pd.DataFrame) -> pd.Series:
    """Which tuning of its arm each tuning trial is of, from 0.

    Args:
        results: Of a tuned study.
        tried: Some of its tuning trials.
    """
    assert results.spec.tune is not None
    return results.spec.tune.tuning_of(tried.seed)


def expected_by_budget(results: Results) -> dict[str, Curve]:
    """Best value expected of b tries of a tuning, drawn with replacement from all (Dodge et al. 2019).

    That is validation mAP, unless tries are judged by another objective. A pruned trial counts with the mAP at which it
    was stopped, one that failed or breaks a constraint with 0.

    Args:
        results: Of a tuned study.

    Returns:
        By arm [T, B]: a row a tuning whose tries are over, b = 1..B. None of an arm without any result.
    """
    trials = results.tables.trials
    curves = {}
    for arm, own in trials[trials.phase == "tuning"].groupby("arm", sort=False):
        tunings = [group for _, group in own.groupby(tuning_of(results, own)) if group.state.isin(_OVER).all()]
        tried = [_worth(results, group).groupby(group.tuned, sort=False).mean() for group in tunings]
        whole = max(map(len, tried), default=0)
        values = [one for one in tried if len(one) == whole]
        if values and over(own).any():
            curves[str(arm)] = np.stack([expected_best(one)[0] for one in values])
    return curves


def found_by_budget(results: Results, arm: str) -> pd.Series:
    """Best value that the search of an arm had found after b trials, mean over its tunings.

    Args:
        results: Of a tuned study.
        arm: With tuning trials.

    Returns:
        Values by b = 1, 2, ...
    """
    trials = results.tables.trials
    own = trials[(trials.phase == "tuning") & (trials.arm == arm)]
    tries = _worth(results, own).groupby([tuning_of(results, own), own.tuned], sort=False).mean()
    best = tries.groupby(level=0).cummax()
    return best.groupby(tries.groupby(level=0).cumcount() + 1).mean()


def _worth(results: Results, tried: pd.DataFrame) -> pd.Series:
    assert results.spec.tune is not None
    found = judged(tried, results.spec.tune)
    return found.value.where(found.feasible).fillna(0.0)


def leaders(results: Results, curves: Mapping[str, Curve]) -> list[str]:
    """For each group of arms a sentence: who leads at which budget, where repeated tunings show that anyone does.

    What learns from labels is left out. An arm leads where all others of its group are told apart from it over tunings;
    see study.analysis.crossed.chosen_p.

    Args:
        results: Of a tuned study.
        curves: As expected_by_budget gives them.
    """
    sentences = []
    for label, group in results.spec.groups().items():
        known = set(curves) - set(results.ceilings)
        names = {arm.name: arm.name_in_group for arm in group if arm.name in known}
        if len(names) < 2:
            continue
        start = f"{label}: " if label else ""
        tunings = min(len(curves[arm]) for arm in names)
        most = min(curves[arm].shape[1] for arm in names)
        if tunings < 2:
            sentences.append(f"{start}Each arm was tuned once: nothing tells which of them would lead at which budget.")
            continue
        values = np.stack([curves[arm][:tunings, :most] for arm in names])
        parts = []
        for tries in shown_budgets(most):
            here = values[:, :, tries - 1]
            best = int(here.mean(axis=1).argmax())
            others = np.delete(chosen_p(here, best), best)
            leads = f"{list(names.values())[best]} leads" if (others < ALPHA).all() else "no arm is shown to lead"
            parts.append((tries, leads))
        runs = [(leads, [tries for tries, _ in run]) for leads, run in groupby(parts, lambda part: part[1])]
        told = "; ".join(f"with {_span(tries)} {leads}" for leads, tries in runs)
        sentences.append(f"{start}{told[:1].upper()}{told[1:]}, over {tunings} tunings.")
    return sentences


def _span(tries: Sequence[int]) -> str:
    text = f"{tries[0]}" if len(tries) == 1 else f"{tries[0]} to {tries[-1]}"
    return f"{text} {'try' if list(tries) == [1] else 'tries'}"


def shown_budgets(count: int) -> list[int]:
    """1, 2, 4, ... and the whole budget.

    Args:
        count: The whole budget, in trials; 0 shows none.
    """
    return sorted({*(2 ** np.arange(int(np.log2(count)) + 1)).tolist(), count}) if count else []
