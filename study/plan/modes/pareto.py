"""Mode pareto: quality, training time and code length together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nsh_core.ranges import Range
from nsh_core.registry import METHODS
from study.plan.arm import Arm
from study.plan.mode import Finished, Mode
from study.plan.spec import StudySpec
from study.plan.trials import Plan, PlannedTrial
from study.plan.tuning import check_tuned_once, first_round, search_space

FRONT_MOST = 12


class Pareto(Mode):
    """Every arm of the grid explores its search space, the code length and fewer epochs.

    The configurations that none beats in validation mAP, training time and code length together run with the seeds.
    """

    name = "pareto"
    tunes = True
    compares = False
    figures = ("pareto",)

    def check(self, spec: StudySpec) -> None:
        """There are no contrasts: the arms only divide what is explored, once."""
        check_tuned_once(spec)
        if spec.tune is not None and not spec.tune.is_plain:
            raise ValueError("mode pareto weighs mAP, time and code length: leave out tune.objective and constraints")
        if "recipe" in spec.base or any("recipe" in arm.overrides for arm in self.arms(spec)):
            raise ValueError("mode pareto explores settings, and a recipe leaves none to explore: leave out recipe")
        if spec.comparisons:
            raise ValueError("mode pareto compares no arms with one another: leave out comparisons")

    def adapted(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Without contrasts."""
        return {"comparisons": {}}

    def most(self, spec: StudySpec) -> tuple[int, int]:
        """Every arm explores, and what is on the front is an arm of its own."""
        return len(spec.arms), FRONT_MOST

    def first_trials(self, plan: Plan, arm: Arm) -> list[PlannedTrial]:
        """All tuning trials: points that are chosen without regard to results need no rounds."""
        from nsh_core.methods import DeepMethod

        default = plan.config(arm, arm.overrides)
        deep = issubclass(METHODS[default.method.name], DeepMethod)
        more = {"code_length": Range(8, 128, step=8)}
        if default.train.epochs >= 4 and deep:
            more |= {"train.epochs": Range(default.train.epochs // 4, default.train.epochs, step=1)}
        space = search_space(default, {*arm.overrides, *plan.fixed}, more)
        return first_round(plan, arm, space, [arm.overrides], at_once=True) or plan.finals(arm, [arm.overrides])

    def final_trials(
        self, plan: Plan, tuned: Mapping[str, Sequence[PlannedTrial]], finished: Finished
    ) -> list[PlannedTrial]:
        """The trials of the front, once all arms are explored; of a long front its best in mAP."""
        trials = [(number, trial) for own in tuned.values() for number, trial in enumerate(own)]
        if len(trials) < sum(trial.tuning for trial in plan.trials) or not trials:
            return []
        done = [(number, trial) for number, trial in trials if finished[trial.config.digest()].state == "complete"]
        found = [finished[trial.config.digest()] for _, trial in done]
        points = [
            (-one.value, one.seconds, trial.config.code_length) for one, (_, trial) in zip(found, done, strict=True)
        ]
        finals = []
        for place in sorted(pareto_front(points), key=lambda place: points[place])[:FRONT_MOST]:
            number, trial = done[place]
            arm = replace(trial.arm, name=f"{trial.arm.name} #{number}")
            finals += plan.finals(arm, [arm.overrides, trial.tuned], trial.tuned)
        return finals

    def shown_arms(self, spec: StudySpec, done: Sequence[str]) -> list[str]:
        """Those of the front, as they come."""
        return list(done)


def pareto_front(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Places of the points that no other is as good as in everything and better than in something; less is better."""
    import numpy as np  # which listing studies does without

    values = np.array(points, dtype=float).reshape(len(points), -1)
    beaten = [bool(((values <= own).all(axis=1) & (values < own).any(axis=1)).any()) for own in values]
    return [place for place, is_beaten in enumerate(beaten) if not is_beaten]


PARETO = Pareto()
