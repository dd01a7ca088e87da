"""Which label-free quantity ranks configurations as validation mAP does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from nsh_core.measures import RESULT, Measure, Place, measures
from study.analysis.statistics import CONFIDENCE

_RESAMPLES = 1999


def rank_correlations(trials: pd.DataFrame) -> pd.DataFrame:
    """How each label-free quantity, and validation mAP beside them, ranks arms as test mAP does.

    Args:
        trials: Complete final trials, of which means over seeds are taken.

    Returns:
        quantity, arms, rho, ci_low, ci_high, chosen, test_map, loses: one row a quantity that varies, in the
        catalogue's order. rho: Spearman's rank correlation over arms between the quantity, signed so that more is
        better, and test mAP, with its 95% bootstrap interval over arms. chosen: the arm with the best quantity,
        test_map its test mAP, loses: how much below the best arm's.
    """
    quantities = [one for one in measures(Place.LABEL_FREE) if one.name in trials]
    means = trials.groupby("arm", sort=False)[[*(one.name for one in quantities), RESULT]].mean()
    rows = []
    for one in quantities:
        both = means[[one.name, RESULT]].dropna()
        signed, test = one.sign * both[one.name].to_numpy(float), both[RESULT].to_numpy(float)
        if len(both) < 3 or np.ptp(signed) == 0 or np.ptp(test) == 0:
            continue
        low, high = _interval(signed, test)
        best = int(signed.argmax())
        rho = float(stats.spearmanr(signed, test).statistic)
        rows.append((one.name, len(both), rho, low, high, both.index[best], test[best], test.max() - test[best]))
    return pd.DataFrame(rows, columns=["quantity", "arms", "rho", "ci_low", "ci_high", "chosen", RESULT, "loses"])


def called(measure: Measure, map_name: str) -> str:
    """What a quantity is called where those that need labels stand beside those that do not.

    Args:
        measure: Of the catalogue.
        map_name: mAP@k as it is written.
    """
    return measure.title(map_name, 0) + (" (uses labels)" if measure.needs_labels else "")


def _interval(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """95% percentile bootstrap interval of the rank correlation; resamples in which nothing varies count as 0."""
    rng = np.random.default_rng(0)
    picked = rng.integers(0, len(x), (_RESAMPLES, len(x)))
    ranks = (stats.rankdata(values[picked], axis=1) for values in (x, y))
    first, second = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    rho = np.divide((first * second).sum(axis=1), scale, out=np.zeros(_RESAMPLES), where=scale > 0)
    low, high = np.quantile(rho, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
