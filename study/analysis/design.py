"""What a study can show, before it runs."""

from __future__ import annotations

from collections import Counter
from statistics import median

import pandas as pd
from scipy.optimize import brentq

from nsh_core.measures import RESULT
from study.analysis.power import POWER, power_of
from study.analysis.seeds import ALPHA, smallest_flips_p
from study.plan.trials import Plan


def design_lines(plan: Plan, comparisons: pd.DataFrame) -> list[str]:
    """Smallest p and, by earlier trials, the difference that the design finds with a chance of 80%.

    Args:
        plan: Of the study.
        comparisons: Of its trials so far, as in Tables; may be empty.
    """
    contrasts = [one for one in plan.spec.contrasts if not {one.arm, one.reference} & set(plan.lacking)]
    if not plan.spec.how.compares or not contrasts:
        return ["this study compares no arms with one another"]
    families = Counter((one.question, one.group) for one in contrasts)
    sizes = sorted(set(families.values()))
    span = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    least = smallest_flips_p(plan.seeds)
    lines = [
        f"{len(contrasts)} comparisons, in {len(families)} {'family' if len(families) == 1 else 'families'} of {span}; "
        f"with {plan.seeds} seeds exact sign flips reach p = {least:.2g} at best, {min(1.0, sizes[-1] * least):.2g} "
        "after Holm in the largest family"
    ]
    known = comparisons[(comparisons.metric == RESULT) & (comparisons.n > 1)]
    by_seed, by_query = known.se_seeds**2 * known.n, (known.se**2 - known.se_seeds**2).clip(lower=0)
    found = [
        detectable(seed, query, plan.seeds, tests)
        for seed, query, question, group in zip(by_seed, by_query, known.question, known.group, strict=True)
        if (tests := families.get((question, group))) is not None
    ]
    if not found:
        return [*lines, "no earlier trials of this study say how large a difference these seeds can find"]
    return [
        *lines,
        f"by the spread of earlier trials, differences of {min(found):.4f} to {max(found):.4f} test mAP (median "
        f"{median(found):.4f}) are found with a chance of {POWER:.0%}; the smallest effect of interest is "
        f"{plan.spec.smallest_effect:g}",
    ]


def detectable(by_seed: float, by_query: float, seeds: int, tests: int) -> float:
    """The difference that a t test at level .05 / tests finds with a chance of 80%.

    Args:
        by_seed: Variance of a seed's difference.
        by_query: Variance of the difference that queries leave open, whatever the seeds.
        seeds: Of the design, at least 1.
        tests: In the family.

    Returns:
        The difference; infinite with one seed.
    """
    if seeds < 2:
        return float("inf")
    variance = by_seed / seeds + by_query
    degrees = (seeds - 1) * max(1.0, variance * seeds / by_seed) ** 2 if by_seed > 0 else 1e6
    level, degrees = ALPHA / tests, min(degrees, 1e6)
    most = 1.0
    while power_of(most, degrees, level) < POWER:
        most *= 2
    return float(brentq(lambda shift: power_of(shift, degrees, level) - POWER, 0, most)) * variance**0.5
