"""The search space of tuning as Optuna has it, so that its dashboard and its importances can show what was tried."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from nsh_core import Config
from nsh_core.ranges import Range, has_place
from study.plan.trials import PlannedTrial

Span = FloatDistribution | IntDistribution


def space_of(ranges: Mapping[str, Range], default: Config) -> dict[str, Span]:
    """The distributions in which all tries of an arm lie, the defaults among them.

    That is the range that is searched; where the default lies outside it, it reaches to the default.

    Args:
        ranges: What is searched, by dotted name.
        default: The configuration of the first try.
    """
    return {name: _distribution(span, default.value_of(name)) for name, span in ranges.items()}


def of_one_kind(trials: Sequence[PlannedTrial]) -> tuple[PlannedTrial, ...]:
    """The trials with one kind of distribution for each setting, which Optuna's databases demand.

    Where an arm searches a setting in whole numbers and another does not, it is a real number for both.

    Args:
        trials: Of all arms.
    """
    kinds: dict[str, set[tuple[type, bool]]] = {}
    for trial in trials:
        for name, span in trial.space.items():
            kinds.setdefault(name, set()).add((type(span), span.log))
    mixed = {name for name, own in kinds.items() if len(own) > 1}
    return tuple(replace(trial, space=_real_in(trial.space, mixed)) if mixed else trial for trial in trials)


def _real_in(space: Mapping[str, Span], names: Collection[str]) -> dict[str, Span]:
    reals = {name: FloatDistribution(space[name].low, space[name].high, log=True) for name in names if name in space}
    return {**space, **reals}


def _distribution(span: Range, default: Any) -> Span:
    low, high, step = max(span.near(span.low), span.step or 0), span.near(span.high), span.step
    if has_place(default):
        step = None if step is None or default % 1 else math.gcd(step, int(default - low))
        low, high = min(low, default), max(high, default)
    if step is None:
        return FloatDistribution(low, high, log=True)
    # In steps of more than one Optuna knows no log scale.
    return IntDistribution(int(low), int(high), step=step, log=step == 1)
