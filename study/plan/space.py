"""The search space of tuning as Optuna has it, so that its dashboard and its importances can show what was tried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from optuna.distributions import FloatDistribution, IntDistribution

from nsh_core import Config
from nsh_core.ranges import Range

Span = FloatDistribution | IntDistribution


def has_place(value: Any) -> TypeGuard[int | float]:
    """Whether a value of a setting can lie in a range, all of which are on a log scale.

    Args:
        value: Of any setting; some are left open.
    """
    return isinstance(value, (int, float)) and value > 0


def space_of(ranges: Mapping[str, Range], default: Config) -> dict[str, Span]:
    """The distributions in which all tries of an arm lie, the defaults among them.

    That is the range that is searched; where the default lies outside it, it reaches to the default.

    Args:
        ranges: What is searched, by dotted name.
        default: The configuration of the first try.
    """
    return {name: _distribution(span, default.value_of(name)) for name, span in ranges.items()}


def _distribution(span: Range, default: Any) -> Span:
    low, high, step = max(span.near(span.low), span.step or 0), span.near(span.high), span.step
    if has_place(default):
        step = None if step is None or default % 1 else math.gcd(step, int(default - low))
        low, high = min(low, default), max(high, default)
    if step is None:
        return FloatDistribution(low, high, log=True)
    # In steps of more than one Optuna knows no log scale.
    return IntDistribution(int(low), int(high), step=step, log=step == 1)
