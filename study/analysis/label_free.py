"""Which label-free quantity ranks configurations as validation mAP does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from nsh_core.measures import MEASURES, RESULT, Measure, Place, measures
from study.analysis.seeds import CONFIDENCE

Values = npt.NDArray[np.float64]

_RESAMPLES = 1999


def rank_correlations(trials: pd.DataFrame) -> pd.DataFrame:
    """How each label-free quantity, and validation mAP beside them, ranks arms as test mAP does.

    Args:
        trials: Complete final trials, of which means over seeds are taken.

    Returns:
        One row a quantity that varies, in the catalogue's order: quantity, arms; rho, Spearman's rank correlation over
        arms between the quantity, signed so that more is better, and test mAP, and its interval ci_low, ci_high;
        chosen, the arms with the best quantity, and test_map, their mean; loses, how much that is below the best arm's;
        gains, how much above the mean of all arms, which is what a random pick gives. Intervals are 95%, by a bootstrap
        of arms, and gains_p is p by it of no gain. Arms that the quantity does not tell apart are drawn together: one
        that only a factor of three levels moves is seen at three values, whatever the number of arms.
    """
    means = trials.groupby("arm", sort=False)[[*_quantities(trials), RESULT]].mean()
    rows = []
    for one in _quantities(trials):
        both = means[[one, RESULT]].dropna()
        signed, test = _signed(both[one]), both[RESULT].to_numpy(float)
        if len(both) < 3 or np.ptp(signed) == 0 or np.ptp(test) == 0:
            continue
        tied = both.index[signed == signed.max()]
        once = np.ones((1, len(test)))
        [rho], [(chosen, loses, gains)] = _rank_correlation(signed, test, once), _picks(signed, test, once)
        drawn = _drawn(signed)
        again = _picks(signed, test, drawn)
        ends = _ends(_rank_correlation(signed, test, drawn)), _ends(again[:, 1]), _ends(again[:, 2])
        below = float((again[:, 2] <= 0).mean())
        p = min(1.0, 2 * max(min(below, 1 - below), 1 / (1 + _RESAMPLES)))
        rows.append((one, len(both), rho, *ends[0], list(tied), chosen, loses, *ends[1], gains, *ends[2], p))
    columns = ["quantity", "arms", "rho", "ci_low", "ci_high", "chosen", RESULT]
    return pd.DataFrame(rows, columns=[*columns, *_with_ends("loses"), *_with_ends("gains"), "gains_p"])


def within_levels(trials: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Rank correlations among arms that share the level of a factor, mean over its levels.

    A loss is on another scale at another temperature, and a term that a factor cannot move is constant at each level of
    the others: over all arms both show in no other way.

    Args:
        trials: As for rank_correlations, with a column factor_F for each factor F.
        factors: Of the study.

    Returns:
        Rows of quantities, columns of factors; NaN where the quantity does not vary at any level.
    """
    from scipy.stats import spearmanr

    names = [f"factor_{factor}" for factor in factors]
    means = trials.groupby("arm", sort=False).agg(
        {**dict.fromkeys(_quantities(trials), "mean"), RESULT: "mean", **dict.fromkeys(names, "first")}
    )
    table = pd.DataFrame(index=_quantities(trials), columns=list(factors), dtype=float)
    for factor, name in zip(factors, names, strict=True):
        for one in table.index:
            found = []
            for _, group in means[[one, RESULT, name]].dropna().groupby(name, sort=False):
                signed, test = _signed(group[one]), group[RESULT].to_numpy(float)
                if len(group) > 2 and np.ptp(test) > 0 and _varies(signed):
                    found.append(float(spearmanr(signed, test).statistic))
            table.loc[one, factor] = np.mean(found) if found else np.nan
    return table.dropna(how="all")


def called(measure: Measure, map_name: str) -> str:
    """What a quantity is called where those that need labels stand beside those that do not.

    Args:
        measure: Of the catalogue.
        map_name: mAP@k as it is written.
    """
    return measure.title(map_name, 0) + (" (uses labels)" if measure.needs_labels else "")


def _quantities(trials: pd.DataFrame) -> list[str]:
    return [one.name for one in measures(Place.LABEL_FREE) if one.name in trials]


def _signed(values: pd.Series) -> Values:
    """Values of the quantity that the series is named after, more being better."""
    return MEASURES[str(values.name)].sign * values.to_numpy(float)


def _varies(values: Values) -> bool:
    """Whether values differ by more than their rounding."""
    return bool(np.ptp(values) > 1e-9 * np.abs(values).max())


def _drawn(quantity: Values) -> Values:
    """How often each arm is in each bootstrap sample of the values of a quantity [A]: [R, A]."""
    values, place = np.unique(quantity, return_inverse=True)
    picked = np.random.default_rng(0).multinomial(len(values), np.full(len(values), 1 / len(values)), _RESAMPLES)
    return picked[:, place].astype(float)


def _picks(quantity: Values, test: Values, times: Values) -> Values:
    """Test mAP of the arms with the best quantity, mean over ties; how much below the best, above the mean of all.

    Args:
        quantity: [A], more is better.
        test: [A].
        times: [R, A], how often each arm is there.

    Returns:
        [R, 3].
    """
    there = times > 0
    seen = np.where(there, quantity, -np.inf)
    best = times * (seen == seen.max(axis=1, keepdims=True))
    chosen = best @ test / best.sum(axis=1)
    mean = times @ test / times.sum(axis=1)
    return np.stack([chosen, np.where(there, test, -np.inf).max(axis=1) - chosen, chosen - mean], axis=1)


def _rank_correlation(x: Values, y: Values, times: Values) -> Values:
    """Spearman's [R] of x and y [A], each pair as often as `times` [R, A] says; 0 where nothing varies."""
    first, second = (_centred_ranks(values, times) for values in (x, y))
    scale = np.sqrt((times * first**2).sum(axis=1) * (times * second**2).sum(axis=1))
    return np.divide((times * first * second).sum(axis=1), scale, out=np.zeros(len(times)), where=scale > 0)


def _centred_ranks(values: Values, times: Values) -> Values:
    """Ranks [R, A], those of ties their mean, less the mean of all."""
    below, tied = (times @ compare(values[:, None], values).astype(float) for compare in (np.less, np.equal))
    return below + tied / 2 - times.sum(axis=1, keepdims=True) / 2


def _ends(values: Values) -> tuple[float, float]:
    """The 95% percentile interval of resampled values."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _with_ends(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"
