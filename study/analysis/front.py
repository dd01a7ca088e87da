"""The Pareto front of a study, over the fresh seeds of what its tries found."""

from __future__ import annotations

import pandas as pd

from nsh_core.measures import SELECTION
from study.analysis.results import Results
from study.plan.modes.pareto import pareto_front


def front(results: Results) -> pd.DataFrame:
    """What none of the tries beats, and whether that holds over the seeds that did not choose it.

    Args:
        results: Of a study with complete final trials, whose mode compares no arms.

    Returns:
        A row an arm, in the order of the tries' validation mAP: means over seeds of the validation mAP, `train_seconds`
        and `bits`; `holds`, whether no other arm's means are as good in all three and better in one.
    """
    means = results.done.groupby("arm", sort=False)[[SELECTION, "train_seconds", "bits"]].mean()
    means = means.loc[results.contenders(list(map(str, means.index)))]
    points = list(zip(-means[SELECTION], means.train_seconds, means.bits, strict=True))
    kept = set(pareto_front(points))
    return means.assign(holds=[place in kept for place in range(len(means))])
