"""The arms of a study, best first, in words."""

from __future__ import annotations

import pandas as pd

from nsh_core.measures import RESULT, SELECTION, Place, measures
from study.analysis.results import Results


def ranking(results: Results) -> pd.DataFrame:
    """A row an arm with complete trials, the best on the validation queries first.

    Args:
        results: Of the study.

    Returns:
        Columns of text: arm, with what it learns from where that is more than images; n (seeds), and the measures of
        lists; the result's with its 95% interval.
    """
    shown = measures(Place.LISTS)
    summaries = results.summaries_of(shown)
    rows = []
    for arm in results.ranked_arms:
        row = {"arm": results.marked(arm), "n": f"{summaries[SELECTION].n[arm]:.0f}"}
        for one in shown:
            own = summaries[one.name].loc[arm]
            interval = f" [{own.both_low:.4f}, {own.both_high:.4f}]" if one.name == RESULT and own.n > 1 else ""
            row[results.column(one)] = f"{own['mean']:.{one.digits + 1 if not one.unit else one.digits}f}{interval}"
        rows.append(row)
    return pd.DataFrame(rows, columns=["arm", "n", *map(results.column, shown)])
