"""What a mode is: which arms a study has, and which trials run one after another."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from study.plan.arm import Arm, joined, short
from study.plan.spec import StudySpec
from study.plan.trials import Plan, PlannedTrial
from study.plan.tries import FinishedTrial

Finished = Mapping[str, FinishedTrial]
MOST_ARMS = 10_000


class Mode(ABC):
    """A mode of studies.

    Attributes:
        name: What specs and commands call it.
        tunes: Whether it has tuning trials.
        compares: Whether its arms are compared with a reference.
        centre: Name of the arm that others are one change away from; none where there is no such arm.
        figures: Drawn first where a study is run in this mode instead of its own, or lists none itself.
    """

    name: ClassVar[str]
    tunes: ClassVar[bool] = False
    compares: ClassVar[bool] = True
    centre: ClassVar[str | None] = None
    figures: ClassVar[tuple[str, ...]] = ()

    def check(self, spec: StudySpec) -> None:  # noqa: B027, most modes take any spec
        """Looks whether a spec can run in this mode.

        Args:
            spec: Valid otherwise.

        Raises:
            ValueError: It cannot.
        """

    def adapted(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What a spec written for another mode changes to run in this one.

        Args:
            settings: Of the spec.

        Returns:
            The settings that replace its own.
        """
        return {}

    def arms(self, spec: StudySpec) -> list[Arm]:
        """The arms of a study: the grid of all factors.

        Args:
            spec: The study.

        Raises:
            ValueError: They are too many.
        """
        count = math.prod(map(len, spec.factors.values()))
        if count > MOST_ARMS:
            raise ValueError(f"the levels of all factors make {count} arms, at most {MOST_ARMS} are planned")
        arms = []
        for labels in itertools.product(*(spec.labels(factor) for factor in spec.factors)):
            levels = dict(zip(spec.factors, labels, strict=True))
            own = {factor: label for factor, label in levels.items() if factor not in spec.within}
            reference = spec.reference_levels | {factor: levels[factor] for factor in spec.within}
            arms.append(
                Arm(
                    joined(levels),
                    levels,
                    spec.overrides(levels),
                    group=", ".join(f"{short(factor)}={levels[factor]}" for factor in spec.within),
                    name_in_group=joined(own),
                    reference=joined(reference) if self.compares else None,
                )
            )
        return arms

    def most(self, spec: StudySpec) -> tuple[int, int]:
        """How many arms are tuned, and how many have final trials, at most.

        Args:
            spec: The study.
        """
        arms = len(spec.arms)
        return arms if self.tunes else 0, arms

    @abstractmethod
    def first_trials(self, plan: Plan, arm: Arm) -> list[PlannedTrial]:
        """The trials of an arm that do not depend on results.

        Args:
            plan: Without trials.
            arm: Of its spec.

        Raises:
            UserError: The settings of the arm do not fit.
        """

    def next_trials(self, plan: Plan, arm: Arm, trials: Sequence[FinishedTrial], repeat: int = 0) -> list[PlannedTrial]:
        """The next tuning trials of an arm whose tuning trials so far are all over.

        Args:
            plan: So far.
            arm: Of its spec.
            trials: Its tuning trials.
            repeat: Which of the arm's tunings they are of.

        Returns:
            A round of them; none in a mode that knows no rounds.
        """
        return []

    def final_trials(
        self, plan: Plan, tuned: Mapping[str, Sequence[PlannedTrial]], finished: Finished
    ) -> list[PlannedTrial]:
        """The final trials that follow from tuning.

        Args:
            plan: So far.
            tuned: The tuning trials of each arm whose tuning is over, by the arm's name.
            finished: The tuning trials that are over, by their config's digest.

        Returns:
            All that follow by now, also those that the plan has already.
        """
        return []

    def shown_arms(self, spec: StudySpec, done: Sequence[str]) -> list[str]:
        """The names of the arms that have results, in the order of tables.

        Args:
            spec: The study.
            done: Arms with complete final trials.
        """
        known = set(done)
        return [arm.name for group in spec.groups().values() for arm in group if arm.name in known]
