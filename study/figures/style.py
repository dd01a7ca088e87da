"""What the figures share: which arms, in which order and colour."""

from __future__ import annotations

import seaborn as sns

from study.results import Results

MOST_LINES = 8


def ranked_arms(results: Results) -> list[str]:
    """Arms by mean validation mAP, best first."""
    return list(results.summary_of("val_map")["mean"].sort_values(ascending=False).index)


def colors(results: Results) -> dict[str, tuple[float, float, float]]:
    """A colour for each arm, the same in every figure of a study."""
    palette = (
        sns.color_palette("colorblind") if len(results.arms) <= 10 else sns.color_palette("husl", len(results.arms))
    )
    return dict(zip(results.arms, palette, strict=False))


def line_arms(results: Results) -> list[str]:
    """Arms to draw as lines, in the spec's order: all, or the best few and the reference where they are many."""
    ranked = ranked_arms(results)
    kept = {*ranked[:MOST_LINES], results.spec.reference_arm}
    return [arm for arm in results.arms if arm in kept]
