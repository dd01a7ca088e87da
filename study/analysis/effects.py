"""Main effects: what a level of a factor is worth, over all levels of the other factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from study.analysis.comparisons import values_of
from study.analysis.crossed import Crossed, crossed
from study.analysis.results import Results
from study.analysis.statistics import ALPHA, holm

# Interactions that a reader must know of beside main effects.
_MUCH = 0.1
Held = Mapping[str, Sequence[str]]
EVERYWHERE: Held = {}


@dataclass(frozen=True)
class Effect:
    """A level of a factor against the reference's level, mean over all levels of the other factors.

    Attributes:
        factor: Dotted name of a setting, or the spec's own name.
        level: Label.
        reference: Label of the level that it is compared with.
        difference: In test mAP, over seeds and queries.
        p_holm: Adjusted over the levels of the factor.
    """

    factor: str
    level: str
    reference: str
    difference: Crossed
    p_holm: float

    @property
    def size(self) -> str:
        """The difference with its interval; of one seed the difference alone."""
        low, high = self.difference.interval()
        return f"{self.difference.mean:+.3f}" + ("" if isnan(low) else f" [{low:+.3f}, {high:+.3f}]")


@dataclass(frozen=True)
class Effects:
    """The main effects of a study.

    Attributes:
        effects: Factor by factor, levels in their order.
        shares: Of each factor in the variance of the arms' means; what is missing to 1 is interaction.
    """

    effects: list[Effect]
    shares: dict[str, float]


def in_words(found: Effects) -> str:
    """What each factor is worth, in a sentence a factor.

    Args:
        found: Of a study.
    """
    sentences = []
    for factor, share in found.shares.items():
        own = [effect for effect in found.effects if effect.factor == factor]
        shown = [one for one in own if one.p_holm < ALPHA]
        hidden = [one.level for one in own if one.p_holm >= ALPHA]
        parts = [f"{one.level} {one.size}" for one in shown]
        if hidden:
            parts.append(f"not told apart: {', '.join(hidden)}")
        parts += [f"{one.level} {one.size}, not tested" for one in own if isnan(one.p_holm)]
        sentences.append(
            f"{factor} ({100 * share:.0f}% of the variance), against {own[0].reference}: {'; '.join(parts)}."
        )
    rest = 1 - sum(found.shares.values())
    if rest > _MUCH:
        sentences.append(
            f"{100 * rest:.0f}% of the variance are interactions: what a level is worth depends on the other factors."
        )
    return " ".join(sentences)


def main_effects(results: Results, held: Held = EVERYWHERE) -> Effects | None:
    """The main effects of a study whose arms are all combinations of the levels of its factors.

    Args:
        results: Of the study.
        held: Factor to those of its levels that alone count, all of them by default; a factor has effects where the
            reference's is among them.

    Returns:
        The effects; none for fewer than two factors of several levels, or where an arm has no result.
    """
    spec, arms = results.spec, results.spec.arms
    factors = [factor for factor in spec.factors if len(spec.factors[factor]) > 1]
    shape = [len(spec.factors[factor]) for factor in factors]
    if len(factors) < 2 or len(arms) != np.prod(shape) or not results.mode.compares:
        return None
    names = [arm.name for arm in arms]
    if not set(names) <= set(results.done.arm):
        return None
    values = values_of(results.done, results.tables.per_query, names)
    if values.shape[1] == 0:
        return None
    grid = _on_grid(values, [tuple(arm.levels[factor] for factor in factors) for arm in arms], results, factors)
    kept = {factor: [one for one in spec.labels(factor) if one in held.get(factor, [one])] for factor in factors}
    for axis, factor in enumerate(factors):
        grid = grid.take([spec.labels(factor).index(label) for label in kept[factor]], axis)
    effects = []
    for axis, (factor, labels) in enumerate(kept.items()):
        by_level = grid.mean(axis=tuple(other for other in range(len(factors)) if other != axis))
        reference = spec.reference_levels[factor]
        if reference not in labels:
            continue
        others = [label for label in labels if label != reference]
        found = [crossed(by_level[labels.index(label)] - by_level[labels.index(reference)]) for label in others]
        adjusted = holm(np.array([one.p for one in found]))
        effects += [
            Effect(factor, *one) for one in zip(others, [reference] * len(others), found, adjusted, strict=True)
        ]
    return Effects(effects, _shares(grid, factors))


def _on_grid(
    values: npt.NDArray[np.float64], levels: list[tuple[str, ...]], results: Results, factors: list[str]
) -> npt.NDArray[np.float64]:
    """Values [A, ...] as [levels of each factor, ...]."""
    labels = [results.spec.labels(factor) for factor in factors]
    grid = np.empty((*map(len, labels), *values.shape[1:]))
    for own, value in zip(levels, values, strict=True):
        grid[tuple(known.index(label) for known, label in zip(labels, own, strict=True))] = value
    return grid


def _shares(grid: npt.NDArray[np.float64], factors: list[str]) -> dict[str, float]:
    means = grid.mean(axis=tuple(range(len(factors), grid.ndim)))
    total = means.var()
    shares = {}
    for axis, factor in enumerate(factors):
        by_level = means.mean(axis=tuple(other for other in range(len(factors)) if other != axis))
        shares[factor] = float(by_level.var() / total) if total > 0 else float("nan")
    return shares
