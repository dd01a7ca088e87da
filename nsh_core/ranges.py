"""Where a setting is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard


@dataclass(frozen=True)
class Range:
    """Where a setting is searched, on a log scale.

    Attributes:
        low: Least value.
        high: Largest value.
        step: Of which a value is a multiple; none where it need not be.
    """

    low: float
    high: float
    step: int | None = None

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def at(self, place: float) -> float | int:
        """The value at a place in [0, 1), evenly on the log scale."""
        return self.near(self.low * (self.high / self.low) ** place)

    def near(self, value: float) -> float | int:
        """The multiple of the step next to `value`; without a step, `value` to four digits, cut to the range."""
        if self.step is not None:
            return round(value / self.step) * self.step
        return min(max(float(f"{value:.4g}"), self.low), self.high)


def has_place(value: Any) -> TypeGuard[int | float]:
    """Whether a value of a setting can lie in a range, all of which are on a log scale.

    Args:
        value: Of any setting; some are left open.
    """
    return isinstance(value, (int, float)) and value > 0
