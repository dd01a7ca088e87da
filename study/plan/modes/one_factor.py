"""Mode one_factor: the reference arm is tuned, then one factor at a time moves away from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from study.plan.arm import Arm, short
from study.plan.mode import Finished, Mode
from study.plan.spec import StudySpec
from study.plan.trials import Plan, PlannedTrial
from study.plan.tries import FinishedTrial, best_of
from study.plan.tuning import check_tuned_once, first_round, next_round, search_space


class OneFactor(Mode):
    """Arms are the best configuration of the tuned reference arm, and that with one factor at another level."""

    name = "one_factor"
    tunes = True
    centre = "tuned"
    figures = ("one_factor", "budget", "importance")

    def check(self, spec: StudySpec) -> None:
        """There is one reference, tuned once, so nothing can be compared within levels."""
        check_tuned_once(spec)
        if spec.within:
            raise ValueError(f"mode one_factor has one reference, the tuned one: leave out within = {spec.within}")

    def adapted(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Without groups, and without contrasts of arms that it does not have."""
        return {"within": [], "comparisons": {}}

    def arms(self, spec: StudySpec) -> list[Arm]:
        """The reference arm first; an arm's overrides are those of the factor that it changes."""
        reference = spec.reference_levels
        arms = [Arm(self.centre, reference, {}, name_in_group=self.centre, reference=self.centre)]
        for factor in spec.factors:
            for label in spec.labels(factor):
                if label != reference[factor]:
                    name = f"{short(factor)}={label}"
                    changed = spec.overrides({factor: label})
                    arms.append(
                        Arm(name, reference | {factor: label}, changed, name_in_group=name, reference=self.centre)
                    )
        return arms

    def most(self, spec: StudySpec) -> tuple[int, int]:
        """The reference arm alone is tuned."""
        return 1, len(spec.arms)

    def first_trials(self, plan: Plan, arm: Arm) -> list[PlannedTrial]:
        """The first round of tuning of the reference arm; of others nothing, but their mistakes are told."""
        if arm.name != self.centre:
            plan.config(arm, *self._layers(plan.spec, arm, {}))
            return []
        return first_round(plan, arm, self._space(plan), [_reference(plan.spec)]) or self._finals(plan, {})

    @override
    def next_trials(self, plan: Plan, arm: Arm, trials: Sequence[FinishedTrial], repeat: int = 0) -> list[PlannedTrial]:
        """What the sampler suggests after all rounds before."""
        return next_round(plan, arm, self._space(plan), [_reference(plan.spec)], trials)

    def final_trials(
        self, plan: Plan, tuned: Mapping[str, Sequence[PlannedTrial]], finished: Finished
    ) -> list[PlannedTrial]:
        """All arms around the best configuration."""
        if self.centre not in tuned:
            return []
        best = best_of([finished[trial.config.digest()] for trial in tuned[self.centre]])
        return [] if best is None else self._finals(plan, best)

    def _finals(self, plan: Plan, best: dict[str, Any]) -> list[PlannedTrial]:
        return [trial for arm in plan.spec.arms for trial in plan.finals(arm, self._layers(plan.spec, arm, best), best)]

    def _layers(self, spec: StudySpec, arm: Arm, best: dict[str, Any]) -> list[Mapping[str, Any]]:
        """The tuned settings replace the reference levels, and the level that an arm changes replaces them."""
        # Options of one backend or method say nothing about another.
        kept = {name: value for name, value in best.items() if f"{name.partition('.')[0]}.name" not in arm.overrides}
        return [_reference(spec), kept, arm.overrides]

    def _space(self, plan: Plan) -> dict[str, Any]:
        """Where a factor names one setting, tuning may choose it freely: its levels are tried around the optimum."""
        spec, arm = plan.spec, plan.spec.arm(self.centre)
        fixed = {*_reference(spec), *plan.fixed}
        fixed -= {name for name, levels in spec.factors.items() if isinstance(levels, list)} - {"recipe"}
        return search_space(plan.config(arm, _reference(spec)), fixed)


def _reference(spec: StudySpec) -> dict[str, Any]:
    return spec.overrides(spec.reference_levels)


ONE_FACTOR = OneFactor()
