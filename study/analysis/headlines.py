"""Answers whose form is that of the question: which value, and which quantity predicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from nsh_core.measures import MEASURES, RESULT
from study.analysis.label_free import called, rank_correlations
from study.analysis.results import Results
from study.analysis.statistics import ALPHA
from study.plan.arm import short


def flat_region(results: Results, best: str, arms: Sequence[str], tied: Collection[str]) -> str:
    """Which value: the best arm of a group, and the levels of each factor among the arms not told apart from it.

    Args:
        results: Of the study.
        best: The arm with the highest mean validation mAP.
        arms: Of its group, with complete trials.
        tied: Not told apart from it.
    """
    spec = results.spec
    region = [spec.arm(arm) for arm in arms if arm == best or arm in tied]
    start = f"Best on the validation queries: {spec.arm(best).name_in_group}, test {results.map_name}"
    start = f"{start} {results.estimate(best)}."
    if len(region) == 1:
        return f"{start} None of the other {len(arms) - 1} is level with it."
    spans = []
    for factor in spec.factors:
        if factor not in spec.within:
            found = {arm.levels[factor] for arm in region}
            spans.append(f"{short(factor)} {_span([level for level in spec.labels(factor) if level in found])}")
    return f"{start} Not told apart from it: {len(region) - 1} of {len(arms) - 1} others, with {', '.join(spans)}."


def predictors(results: Results) -> str | None:
    """Which quantity predicts: the label-free ones by rank correlation, and what the first one's choice is worth.

    Args:
        results: Of the study.

    Returns:
        The answer; none where nothing can be ranked, or arms of several groups cannot be ranked together.
    """
    if results.spec.within:
        return None
    table = rank_correlations(results.done)
    if table.empty:
        return None
    needs = table.quantity.map(lambda name: MEASURES[name].needs_labels)
    free = table[~needs].sort_values("rho", ascending=False).to_dict("records")
    if not free:
        return None
    first, name = free[0], results.map_name
    # The first of several was chosen for being first.
    p = min(1.0, first["gains_p"] * len(free))
    shown = f"{'more' if first['gains'] > 0 else 'less'} than a random pick"
    worth = shown if p < ALPHA else "not shown to be more than a random pick"
    worth = f"{worth}, p = {p:.2g} for {len(free)} quantities"
    text = (
        f"Of {len(free)} label-free quantities {_ranked(first, name)} ranks the {first['arms']} arms most as test "
        f"{name} does. Its choice has {first[RESULT]:.3f}, {_interval(first, 'loses', '')} below the best arm and "
        f"{_interval(first, 'gains', '+')} against the mean of all: {worth}."
    )
    if len(free) > 1:
        text += f" Next: {', '.join(_ranked(row, name) for row in free[1:3])}."
    for row in table[needs].to_dict("records"):
        text += f" For scale, {_ranked(row, name)}, {row['loses']:.3f} below the best arm."
    return text


def _ranked(row: Mapping[Any, Any], map_name: str) -> str:
    """A quantity with its rank correlation."""
    rho = f"{row['rho']:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}]"
    return f"{called(MEASURES[row['quantity']], map_name)} ({rho})"


def _interval(row: Mapping[Any, Any], name: str, sign: str) -> str:
    return f"{row[name]:{sign}.3f} [{row[f'{name}_low']:{sign}.3f}, {row[f'{name}_high']:{sign}.3f}]"


def surprises(results: Results, best: Collection[str]) -> list[str]:
    """What a reader may not expect: codes above the continuous input, and a best arm that the test queries deny.

    Args:
        results: Of the study.
        best: Of each group the best arm by validation mAP.
    """
    ceiling = results.facts.continuous.test_map
    summary = results.summary_of(RESULT).loc[results.contenders(results.arms)]
    above = [str(arm) for arm, low in summary.both_low.items() if pd.notna(low) and low > ceiling]
    told = []
    if above:
        which = "; ".join(above) if len(above) <= 3 else f"{len(above)} of {len(summary)} arms"
        told.append(
            f"{which}: codes retrieve better than the continuous input that they are made of ({ceiling:.3f} by cosine),"
            " by whole intervals."
        )
    for arms in results.spec.groups().values():
        names = {arm.name: arm.name_in_group for arm in arms if arm.name in summary.index}
        chosen = next((arm for arm in names if arm in best), None)
        if chosen is not None:
            first = str(summary["mean"][list(names)].idxmax())
            ahead = summary["mean"][first] - summary["mean"][chosen]
            if ahead > results.spec.smallest_effect:
                told.append(
                    f"{chosen} is best on the validation queries, {names[first]} on the test queries, by {ahead:.3f}: "
                    "the choice is made on the former, and the tests here allow for it."
                )
    return told


def _span(levels: Sequence[str]) -> str:
    return levels[0] if len(levels) == 1 else f"{', '.join(levels[:-1])} or {levels[-1]}"
