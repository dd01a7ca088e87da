"""One factor at a time around the tuned optimum."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.statistics import mean_interval
from study.plan.arm import short
from study.reporting.figures.figure import study_figure

_COLUMNS = 3


@study_figure(
    "One factor at a time around the tuned configuration, whose own level stands in brackets: a point a seed, the"
    " mean and its 95% interval; the band is the tuned configuration."
)
def one_factor(results: Results) -> Figure | None:
    """Test mAP at each level of a factor, a panel a factor; band: the tuned configuration itself.

    Args:
        results: Of the study.

    Returns:
        The figure, none for another mode or before the tuned configuration has run.
    """
    spec, done = results.spec, results.done
    centre_arm = results.mode.centre
    if centre_arm is None or centre_arm not in set(done.arm):
        return None
    factors = list(spec.factors)
    columns = min(_COLUMNS, len(factors))
    rows = -(-len(factors) // columns)
    size = (3.2 * columns, 0.4 + 2.6 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True, layout="constrained")
    blue, orange = sns.color_palette("colorblind")[:2]
    centre = done[done.arm == centre_arm].test_map
    low, high = mean_interval(centre)
    for axis, factor in zip(axes.flat, factors, strict=False):
        axis.axhline(centre.mean(), color=orange, lw=1.2)
        axis.axhspan(low, high, color=orange, alpha=0.15, lw=0)
        labels = spec.labels(factor)
        for place, label in enumerate(labels):
            arm = spec.arm_at(spec.reference_levels | {factor: label}).name
            values = done[done.arm == arm].test_map
            if arm == centre_arm or values.empty:
                continue
            lower, upper = mean_interval(values)
            spread = [[values.mean() - lower], [upper - values.mean()]]
            axis.scatter([place] * len(values), values, s=10, color="0.5", alpha=0.6)
            axis.errorbar(place, values.mean(), yerr=spread, fmt="D", ms=5, color=blue, capsize=3)
        names = [f"({label})" if label == spec.reference_levels[factor] else label for label in labels]
        long = max(map(len, names)) > 5
        axis.set_xticks(range(len(labels)), names, rotation=40 if long else 0, ha="right" if long else "center")
        axis.set(xlabel=short(factor).replace("_", " "), xlim=(-0.5, len(labels) - 0.5))
    for axis in axes.flat[len(factors) :]:
        axis.axis("off")
    for row in axes:
        row[0].set_ylabel(f"test {results.map_name}")
    return figure
