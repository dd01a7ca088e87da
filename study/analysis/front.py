"""The Pareto front of a study, over the fresh seeds of what its tries found."""

from __future__ import annotations

import pandas as pd

from nsh_core.measures import RESULT, SELECTION
from study.analysis.results import Results
from study.plan.modes.pareto import pareto_front


def front(results: Results) -> pd.DataFrame:
    """What none of the tries beats, and whether that holds over the seeds that did not choose it.

    Args:
        results: Of a study with complete final trials, whose mode compares no arms.

    Returns:
        A row an arm, in the order of the tries' validation mAP: means over seeds of validation and test mAP,
        `train_seconds` and `bits`; `holds`, whether no other contender's means are as good in validation mAP, time and
        bits and better in one, which says nothing of test mAP.
    """
    means = results.done.groupby("arm", sort=False)[[SELECTION, RESULT, "train_seconds", "bits"]].mean()
    rivals = means.loc[results.contenders(list(map(str, means.index)))]
    kept = pareto_front(list(zip(-rivals[SELECTION], rivals.train_seconds, rivals.bits, strict=True)))
    return means.assign(holds=means.index.isin(rivals.index[kept]))
