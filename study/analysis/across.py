"""What holds across data sets: the same study on several of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nsh_core.errors import UserError
from nsh_core.measures import RESULT
from nsh_core.registry import nearest
from study.analysis.columns import ACROSS
from study.analysis.generation import RUN_FILE
from study.analysis.results import Results, read_results, studies_in
from study.analysis.statistics import iqm_with_interval, probability_of_improvement


def other_results(where: str, folder: Path) -> Results:
    """A study on other data, from a folder of its results.

    Args:
        where: The folder, or its name among all results.
        folder: Of all results.

    Raises:
        UserError: There are no results in either, or they are damaged.
    """
    for place in (Path(where), folder / where):
        if (place / RUN_FILE).exists():
            return read_results(place)
    near = nearest(Path(where).name, studies_in(folder))
    raise UserError(f"--across {where}: no folder of a study's results, and neither is {folder / where}{near}")


def across(studies: Sequence[Results]) -> pd.DataFrame:
    """The arms that all studies have, compared across data sets.

    Scores are test mAP over that of the continuous input by cosine on the same data, so that data sets can be compared.

    Args:
        studies: The same study on each data set; references are the first one's.

    Returns:
        The columns of study.analysis.columns.ACROSS.

    Raises:
        UserError: They share fewer than two arms, or two of them their data.
    """
    arms = [arm for arm in studies[0].arms if all(arm in other.arms for other in studies[1:])]
    if len(arms) < 2:
        keys = ", ".join(results.facts.key for results in studies)
        raise UserError(f"{keys} share fewer than two arms: nothing to compare")
    data = {results.facts.fingerprint: results.facts.dataset for results in studies}
    if len(data) < len(studies):
        raise UserError(
            f"--across takes the study on other data, each once: of {len(studies)} there are "
            f"{len(data)} data sets ({', '.join(data.values())})"
        )
    scores = {arm: [_scores(results, arm) for results in studies] for arm in arms}
    means = pd.DataFrame({arm: [own.mean() for own in rows] for arm, rows in scores.items()})
    ranks = means.rank(axis=1, ascending=False)
    references = {arm.name: arm.reference for arm in studies[0].spec.arms if arm.reference is not None}
    rows = []
    for arm in arms:
        reference = references.get(arm, arm)
        better = (np.nan,) * 3
        if reference != arm and reference in scores:
            better = probability_of_improvement(scores[arm], scores[reference])
        rows.append((arm, len(studies), *iqm_with_interval(scores[arm]), *better, ranks[arm].mean()))
    return pd.DataFrame(rows, columns=list(ACROSS))


def _scores(results: Results, arm: str) -> np.ndarray:
    values = results.done[results.done.arm == arm].sort_values("seed")[RESULT].to_numpy(float)
    return values / results.facts.continuous.test_map
