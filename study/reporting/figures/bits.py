"""Retrieval against code length."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.analysis.results import Results
from study.analysis.statistics import errorbar
from study.reporting.figures.figure import study_figure

_FACTOR = "code_length"
_MOST_COLORS = 10


@study_figure("Test mAP against code length, a point a seed, band: 95% interval of the mean; dashed: continuous input.")
def bits(results: Results) -> Figure | None:
    """Test mAP against bits, a line for each level of the other factors.

    Args:
        results: Of the study.

    Returns:
        The figure, none where all codes are of one length.
    """
    done = results.done
    if done.empty or done.bits.nunique() < 2:
        return None
    others = [f"factor_{factor}" for factor in results.spec.factors if factor != _FACTOR]
    hue = done[others].agg(", ".join, axis=1).rename("") if others else None
    if hue is not None:
        hue = hue.mask(done.arm.isin(results.ceilings), hue + " (labels)")
    figure, axis = plt.subplots(figsize=(6.5 if others else 5.5, 3.8), layout="constrained")
    lines = 0 if hue is None else hue.nunique()
    many = sns.husl_palette(lines, l=0.55) if lines > _MOST_COLORS else "colorblind"
    shared = {
        "data": done,
        "x": "bits",
        "y": "test_map",
        "hue": hue,
        "ax": axis,
        "palette": many if lines else None,
    }
    sns.lineplot(**shared, style=hue, dashes=False, markers=True, errorbar=errorbar)
    sns.scatterplot(**shared, s=10, alpha=0.4, legend=False)
    axis.axhline(results.facts.continuous.test_map, ls="--", color="0.4", lw=1, label="continuous input, cosine")
    axis.set_xscale("log", base=2)
    ticks = sorted(done.bits.unique())
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set(xlabel="bits (code length K)", ylabel=f"test {results.map_name}")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
