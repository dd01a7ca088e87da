"""Which of the tuned settings mattered, and how far so few tries can tell."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import create_trial

from nsh_core import Config
from study.analysis.judged import judged
from study.analysis.statistics import ALPHA
from study.analysis.tables import VALUED
from study.execution.side_by_side import side_by_side
from study.plan.budget import Tuning
from study.plan.quiet import quiet
from study.plan.sampling import round_of

Values = npt.NDArray[np.float64]

# PED-ANOVA asks what sets the best quarter of the tries apart, and Optuna advises five tries there at least.
BEST = 0.25
FEWEST = 20
WAYS = {"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}
_TREES = 64
_RESAMPLES = 100
_PERMUTATIONS = 999


@dataclass(frozen=True)
class Tries:
    """The tries of an arm that came to a value, over all of its tunings.

    Attributes:
        settings: Dotted names of what was searched.
        points: [n, settings], logarithms.
        values: [n] of the objective, validation mAP unless another is chosen; of a pruned try that at which it was
            stopped.
        rounds: [n], of tries in one round the same number.
    """

    settings: list[str]
    points: Values
    values: Values
    rounds: npt.NDArray[np.int64]


def tries_by_arm(trials: pd.DataFrame, tune: Tuning) -> dict[str, Tries]:
    """The tries of each arm that was tuned; final trials are none.

    Args:
        trials: As in Tables.
        tune: The budget.
    """
    found = {}
    for arm, own in trials[trials.phase == "tuning"].groupby("arm", sort=False):
        settings = list(dict.fromkeys(name for text in own.tuned for name in json.loads(text)))
        points, values, rounds = [], [], []
        worth = judged(own, tune).value
        for number, tuning in own.groupby(tune.tuning_of(own.seed)):
            for place, (text, runs) in enumerate(tuning.groupby("tuned", sort=False)):
                point = _point(settings, json.loads(str(text)), runs.config.iloc[0])
                # A setting that is off, as a weight of 0, has no place on the logarithmic scale of its range.
                if runs.state.isin(VALUED).all() and min(point, default=0.0) > 0:
                    points.append(point)
                    values.append(worth[runs.index].mean())
                    rounds.append((number, round_of(place)))
        if points:
            _, numbers = np.unique(rounds, axis=0, return_inverse=True)
            found[str(arm)] = Tries(settings, np.log(points), np.array(values, dtype=float), numbers)
    return found


def _point(settings: list[str], tuned: dict[str, float], config: str) -> list[float]:
    """What each setting was, those that a try left alone too."""
    if len(tuned) < len(settings):
        default = Config.model_validate_json(config)
        tuned = {name: float(default.value_of(name)) for name in settings} | tuned
    return [tuned[name] for name in settings]


def importances(trials: pd.DataFrame, tune: Tuning) -> pd.DataFrame:
    """Importance of tuned settings in each arm with at least FEWEST tries, by fANOVA and PED-ANOVA.

    Arms are never mixed: each has its own tries over its own space, taken on the logarithmic scale of its ranges.

    fANOVA (Hutter et al. 2014): the share of the variance of the objective, over the ranges that were tried, which a
    setting explains by itself. PED-ANOVA (Watanabe et al. 2023): the share of the variance of being among the best
    quarter of the tries, over the tries as they were made. What is missing to 1 is noise, and settings acting together.

    Args:
        trials: As in Tables.
        tune: The budget.

    Returns:
        arm, tries, setting; of each of WAYS its share, its `_low` and `_high`, the middle 95% of shares in resampled
        tries, and `_first`, in how many of these no setting has a larger one; p, of no effect, see dependence_p.
    """
    tried = tries_by_arm(trials, tune)
    found = side_by_side(lambda arm: _of_arm(arm, tried[arm]), list(tried))
    rows = [rows for rows in found if rows is not None]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["arm", "tries", "setting"])


def _of_arm(arm: str, tries: Tries) -> pd.DataFrame | None:
    """The rows of an arm; none where there is nothing to tell."""
    moved = np.ptp(tries.points, axis=0) > 0
    if len(tries.values) < FEWEST or not moved.any() or not np.ptp(tries.values):
        return None
    points = tries.points[:, moved]
    names = [name for name, moves in zip(tries.settings, moved, strict=True) if moves]
    columns: dict[str, object] = {"arm": arm, "tries": len(tries.values), "setting": names}
    shares = fanova(points, tries.values), ped_anova(points, tries.values)
    for way, (share, resampled) in zip(WAYS, shares, strict=True):
        low, high = np.quantile(resampled, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
        first = (resampled == resampled.max(axis=1, keepdims=True)).mean(axis=0)
        columns |= {way: share, f"{way}_low": low, f"{way}_high": high, f"{way}_first": first}
    return pd.DataFrame(columns | {"p": dependence_p(points, tries.values, tries.rounds)})


def fanova(points: Values, values: Values) -> tuple[Values, Values]:
    """Shares by fANOVA's random forest, and those of its trees, each of which is grown on tries drawn with replacement.

    Args:
        points: [n, settings].
        values: [n].

    Returns:
        [settings], and [trees, settings].
    """
    # It brings scikit-learn, which most studies have no use for.
    from optuna.importance import FanovaImportanceEvaluator

    study = _study_of(points, values)
    trees = np.array([_shares(study, FanovaImportanceEvaluator(n_trees=1, seed=seed)) for seed in range(_TREES)])
    return trees.mean(axis=0), trees


def ped_anova(points: Values, values: Values) -> tuple[Values, Values]:
    """Shares by PED-ANOVA, and those among the tries that a bootstrap sample holds.

    A try counts once there: densities of repeated points are no densities.

    Args:
        points: [n, settings].
        values: [n].

    Returns:
        [settings], and [resamples, settings].
    """
    rng = np.random.default_rng(0)
    samples = (np.unique(rng.integers(0, len(values), len(values))) for _ in range(_RESAMPLES))
    resampled = np.array([_ped_anova(points[sample], values[sample]) for sample in samples])
    return _ped_anova(points, values), resampled


def _ped_anova(points: Values, values: Values) -> Values:
    from optuna.importance import PedAnovaImportanceEvaluator

    best = np.mean(values >= np.sort(values)[-int(np.ceil(BEST * len(values)))])
    if best == 1:
        return np.zeros(points.shape[1])
    # Optuna gives the variance of the chance to be among the best, given the setting alone.
    shares = _shares(_study_of(points, values), PedAnovaImportanceEvaluator(target_quantile=BEST)) / (best * (1 - best))
    return np.minimum(shares, 1)


def _study_of(points: Values, values: Values) -> optuna.Study:
    """Tries as Optuna wants them: it copies each, which takes as long as what is made of them."""
    low, high = points.min(axis=0), points.max(axis=0)
    spans: dict[str, BaseDistribution] = {
        str(place): FloatDistribution(*ends) for place, ends in enumerate(zip(low, high, strict=True))
    }
    with quiet(), warnings.catch_warnings(action="ignore"):
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            create_trial(params=dict(zip(spans, point, strict=True)), distributions=spans, value=value)
            for point, value in zip(points.tolist(), values.tolist(), strict=True)
        )
    return study


def _shares(study: optuna.Study, evaluator: Any) -> Values:
    """Importance of each setting as Optuna gives it, not made to sum to 1; all 0 where nothing varies."""
    from optuna.importance import get_param_importances

    names = list(study.get_trials(deepcopy=False)[0].params)
    with quiet(), warnings.catch_warnings(action="ignore"):
        try:
            shares = get_param_importances(study, evaluator=evaluator, normalize=False)
        except RuntimeError:
            return np.zeros(len(names))
    return np.array([shares.get(name, 0.0) for name in names])


def dependence_p(points: Values, values: Values, rounds: npt.NDArray[np.int64]) -> Values:
    """The p of a setting without any effect on the values, adjusted for the number of settings.

    The statistic is the share of the variance of the ranks that a parabola over the setting explains. It is held
    against its maximum over all settings where the values of each round change places at random. Values of different
    rounds must not: a sampler that learns moves all settings while it finds better values, those without effect too.

    Args:
        points: [n, settings].
        values: [n].
        rounds: [n].

    Returns:
        [settings].
    """
    from scipy.stats import rankdata  # at half a second, which studies without tuning save

    order = np.argsort(rounds, kind="stable")
    points, ranks, rounds = points[order], rankdata(values[order]), rounds[order]
    drawn = np.random.default_rng(0).random((_PERMUTATIONS, len(ranks)))
    permuted = ranks[np.lexsort((drawn, np.broadcast_to(rounds, drawn.shape)))]
    centred = np.vstack([ranks, permuted]) - ranks.mean()
    explained = []
    for setting in points.T:
        parabola = np.stack([setting, setting**2], axis=1)
        basis, _ = np.linalg.qr(parabola - parabola.mean(axis=0))
        explained.append(((centred @ basis) ** 2).sum(axis=1) / (centred**2).sum(axis=1))
    found, by_chance = np.array(explained)[:, 0], np.array(explained)[:, 1:].max(axis=0)
    # Equal up to rounding is as large.
    return (1 + (by_chance >= found[:, None] - 1e-9).sum(axis=1)) / (1 + _PERMUTATIONS)
