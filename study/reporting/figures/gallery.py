"""What each arm retrieves, in pictures."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from study.analysis.results import Results
from study.reporting.figures.figure import study_figure
from study.reporting.figures.style import OF_MANY, line_arms

_MOST_ROWS = 24
_THUMBNAIL = 0.46
_LETTER = 0.08  # inches, of a name


@study_figure(
    "Test queries and their ten nearest database items, first seed of each arm; wrong ones are crossed out. Of "
    f"eight evenly spaced queries those on which the arms differ most. {OF_MANY}"
)
def gallery(results: Results) -> Figure | None:
    """Test queries with their nearest database items, best first, by each arm; wrong ones are crossed out.

    Of the gallery's queries those on which the arms differ most, then those that are hardest.

    Args:
        results: Of the study.

    Returns:
        The figure, none where the data have no pictures.
    """
    pictures = results.gallery
    if pictures is None:
        return None
    known = list(pictures.arms)
    arms = [arm for arm in line_arms(results) if arm in known]
    right = [
        [pictures.relevant[query, pictures.nearest[known.index(arm), query]].sum() for arm in arms]
        for query in range(len(pictures.query_pictures))
    ]
    telling = sorted(range(len(right)), key=lambda query: (min(right[query]) - max(right[query]), sum(right[query])))
    queries = telling[: max(1, _MOST_ROWS // len(arms))]
    ranks = pictures.nearest.shape[2]
    rows = len(queries) * len(arms)
    height = _THUMBNAIL * (rows + 0.6 * len(queries))
    names = 1.6 + max(map(len, arms)) * _LETTER / _THUMBNAIL  # in thumbnails, as all that is placed here
    figure, axis = plt.subplots(figsize=(_THUMBNAIL * (names + ranks) + 0.6, height + 0.4))
    blue, orange = (sns.color_palette("colorblind")[place] for place in (0, 3))
    y = 0.0
    for query in queries:
        _picture(axis, pictures.query_pictures[query], 0, y + (len(arms) - 1) / 2)
        for arm in arms:
            axis.text(1.35, y + 0.5, arm, va="center", ha="left", fontsize=7)
            for rank, place in enumerate(pictures.nearest[known.index(arm), query]):
                x = names + rank
                _picture(axis, pictures.pictures[place], x, y)
                right = pictures.relevant[query, place]
                axis.add_patch(
                    Rectangle((x + 0.05, y + 0.05), 0.9, 0.9, fill=False, lw=1.6, edgecolor=blue if right else orange)
                )
                if not right:
                    axis.plot([x + 0.05, x + 0.95], [y + 0.95, y + 0.05], color=orange, lw=1.2)
            y += 1
        y += 0.6
    axis.set(xlim=(-0.1, names + ranks + 0.1), ylim=(y - 0.5, -0.7), aspect="equal")
    axis.text(0.5, -0.3, "query", ha="center", fontsize=7)
    for rank in range(ranks):
        axis.text(names + rank + 0.5, -0.3, str(rank + 1), ha="center", fontsize=7)
    axis.axis("off")
    return figure


def _picture(axis: Axes, picture: npt.NDArray[np.uint8], x: float, y: float) -> None:
    cmap = "gray" if picture.ndim == 2 else None
    axis.imshow(picture, extent=(x + 0.08, x + 0.92, y + 0.92, y + 0.08), cmap=cmap, vmin=0, vmax=255, zorder=1)
