"""Mode grid: every arm with every seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.plan.arm import Arm
from study.plan.mode import Mode
from study.plan.trials import Plan, PlannedTrial


class Grid(Mode):
    """Arms are the grid of all factors; every arm runs with every seed."""

    name = "grid"

    def adapted(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Without tuning."""
        return {"tune": None}

    def first_trials(self, plan: Plan, arm: Arm) -> list[PlannedTrial]:
        """All of them."""
        return plan.finals(arm, [arm.overrides])


GRID = Grid()
