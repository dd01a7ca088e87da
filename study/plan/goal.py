"""What a try of tuning is judged by: an objective, and constraints that it has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nsh_core.config import Config
from nsh_core.errors import UserError, naming
from nsh_core.registry import MEASURES, nearest
from nsh_core.selection import SELECTION
from study.registry import OBJECTIVES


class Bound(BaseModel):
    """What a measure or setting may be at least, at most, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min: float | None = Field(None, description="at least")
    max: float | None = Field(None, description="at most")

    @model_validator(mode="after")
    def _is_some(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a constraint is {max: 5}, {min: 0.3}, or both")
        return self

    def excess(self, value: float) -> float:
        """How far a value is beyond the bound; 0 or less where it keeps it.

        Args:
            value: Of the measure or setting.
        """
        ends = [value - self.max] if self.max is not None else []
        return max([*ends, self.min - value] if self.min is not None else ends)

    def __str__(self) -> str:
        least = "" if self.min is None else f"at least {self.min:g}"
        most = "" if self.max is None else f"at most {self.max:g}"
        return " and ".join(filter(None, [least, most]))


class Goal(BaseModel):
    """What a try is judged by, on validation queries; the best that keeps all constraints is chosen.

    Attributes:
        objective: Measure of which more is better, or function of measures in study.registry.OBJECTIVES.
        constraints: Measure, or setting by its dotted name, to its bound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    objective: str = Field(
        SELECTION,
        description="what a try is judged by: a measure of which more is better, or a function of measures that a "
        "plug-in registers in study.registry.OBJECTIVES",
    )
    constraints: dict[str, Bound] = Field(
        default_factory=dict,
        description="measure, or setting by its dotted name, to its bound: {encode_ms: {max: 5}, code_length: {max: "
        "32}}; of tries that break one none is chosen",
    )

    @field_validator("objective")
    @classmethod
    def _more_is_better(cls, name: str) -> str:
        if name in OBJECTIVES:
            return name
        known = [one for one in MEASURES.names() if MEASURES[one].better == "higher" and not _of_test(one)]
        if name not in known:
            why = " (test queries choose nothing)" if _of_test(name) else ""
            known += OBJECTIVES.names()
            raise ValueError(
                f"{name!r} is neither a measure of which more is better nor an objective of a plug-in{why}, known: "
                f"{', '.join(known)}{nearest(name, known)}"
            )
        return name

    @field_validator("constraints")
    @classmethod
    def _are_known(cls, constraints: dict[str, Bound]) -> dict[str, Bound]:
        for name in constraints:
            if (name not in MEASURES or _of_test(name)) and _setting(Config(), name) is None:
                known = [one for one in MEASURES.names() if not _of_test(one)]
                raise ValueError(
                    f"{name!r} is neither a setting nor a measure that tries have, as {', '.join(known)}"
                    f"{nearest(name, known)}"
                )
        return constraints

    @property
    def is_plain(self) -> bool:
        """Whether tries are judged by validation mAP alone."""
        return self.objective == SELECTION and not self.constraints

    def title(self, map_name: str) -> str:
        """What the objective is called in figures and lists.

        Args:
            map_name: mAP@k as the study writes it.
        """
        return f"validation {map_name}" if self.objective == SELECTION else self.objective

    def value(self, measures: Mapping[str, float]) -> float | None:
        """What a try is worth; more is better. None where it has no such value.

        Args:
            measures: Of the try, by name.

        Raises:
            UserError: An objective of a plug-in fails, or gives no number.
        """
        if self.objective not in OBJECTIVES:
            return measures.get(self.objective)
        with naming(f"objective {self.objective!r}"):
            value = OBJECTIVES[self.objective](measures)
        if not isinstance(value, (int, float)):
            raise UserError(f"objective {self.objective!r} must give a number, got {value!r}")
        return float(value)

    def violations(self, measures: Mapping[str, float], config: Config) -> dict[str, float]:
        """How far a try is beyond each constraint, as Optuna's constraints: 0 or less where it keeps it.

        Args:
            measures: Of the try, by name; those that it has no value of are left out, as in a pruned try.
            config: Of the try.
        """
        values = {name: measures.get(name, _setting(config, name)) for name in self.constraints}
        return {name: self.constraints[name].excess(value) for name, value in values.items() if value is not None}

    def missing(self, measures: Mapping[str, float], config: Config) -> str:
        """What a complete try has no value of, so that it cannot be judged; empty where it can.

        Args:
            measures: Of the try, by name.
            config: Of the try.
        """
        names = [name for name in self.constraints if name not in measures and _setting(config, name) is None]
        return ", ".join([*names, *([self.objective] if self.value(measures) is None else [])])

    def __str__(self) -> str:
        bounds = [f"{name} {bound}" for name, bound in self.constraints.items()]
        return self.objective + (f" with {', '.join(bounds)}" if bounds else "")


def _of_test(name: str) -> bool:
    return name.startswith("test_")


def _setting(config: Config, name: str) -> float | None:
    """The value of a setting that is a number; none of others, and of what is none."""
    try:
        value = config.value_of(name)
    except (KeyError, TypeError):
        return None
    return value if isinstance(value, (int, float)) else None
