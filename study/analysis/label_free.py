"""Which label-free quantity ranks configurations as validation mAP does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from study.analysis.statistics import CONFIDENCE

# Quantities known without labels, each with the sign that makes more of it better.
DIRECTIONS = {
    "val_map": 1,
    "final_loss": -1,
    "final_sorted_nce": -1,
    "final_anchor": -1,
    "bit_balance": -1,
    "bit_correlation": -1,
    "bit_entropy": 1,
    "effective_codes": 1,
    "dead_bits": -1,
    "sorter_fidelity": 1,
}
LABELS = {
    "val_map": "validation mAP (uses labels)",
    "final_loss": "loss",
    "final_sorted_nce": "SortedNCE",
    "final_anchor": "NT-Xent anchor",
    "bit_balance": "bit balance",
    "bit_correlation": "bit correlation",
    "bit_entropy": "bit entropy",
    "effective_codes": "effective number of codes",
    "dead_bits": "share of dead bits",
    "sorter_fidelity": "sorter fidelity",
}
_RESAMPLES = 1999


def rank_correlations(trials: pd.DataFrame) -> pd.DataFrame:
    """quantity, arms, rho, ci_low, ci_high, chosen, test_map, loses: one row a quantity that varies, in a fixed order.

    trials: complete final trials, of which means over seeds are taken. rho: Spearman's rank correlation over arms
    between the quantity, signed so that more is better, and test mAP, with its 95% bootstrap interval over arms.
    chosen: the arm with the best quantity, test_map its test mAP, loses: how much below the best arm's.
    """
    means = trials.groupby("arm", sort=False)[[*DIRECTIONS, "test_map"]].mean()
    rows = []
    for quantity, sign in DIRECTIONS.items():
        both = means[[quantity, "test_map"]].dropna()
        signed, test = sign * both[quantity].to_numpy(float), both.test_map.to_numpy(float)
        if len(both) < 3 or np.ptp(signed) == 0 or np.ptp(test) == 0:
            continue
        low, high = _interval(signed, test)
        best = int(signed.argmax())
        rho = float(stats.spearmanr(signed, test).statistic)
        rows.append((quantity, len(both), rho, low, high, both.index[best], test[best], test.max() - test[best]))
    return pd.DataFrame(rows, columns=["quantity", "arms", "rho", "ci_low", "ci_high", "chosen", "test_map", "loses"])


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
