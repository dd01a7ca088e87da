"""Retrieval against code length."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from study.results import Results

_FACTOR = "code_length"


def bits(results: Results) -> Figure | None:
    """Test mAP against bits, a line for each level of the other factors."""
    done = results.done
    if done.empty or done.bits.nunique() < 2:
        return None
    others = [f"factor_{factor}" for factor in results.spec.factors if factor != _FACTOR]
    hue = done[others].agg(", ".join, axis=1).rename("") if others else None
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    shared = {
        "data": done,
        "x": "bits",
        "y": "test_map",
        "hue": hue,
        "ax": axis,
        "palette": "colorblind" if others else None,
    }
    sns.lineplot(**shared, errorbar=("ci", 95), seed=0, marker="o")
    sns.scatterplot(**shared, s=12, alpha=0.5, legend=False)
    axis.axhline(results.facts["continuous"]["test_map"], ls="--", color="0.4", lw=1, label="continuous input, cosine")
    axis.set_xscale("log", base=2)
    ticks = sorted(done.bits.unique())
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set(xlabel="bits (code length K)", ylabel=f"test {results.map_name}")
    axis.legend(frameon=False)
    return figure
