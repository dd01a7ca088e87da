"""Mode tuned: every arm is tuned first, and its best configuration runs with the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from typing_extensions import override

from nsh_core.ranges import Range
from study.plan.arm import Arm
from study.plan.mode import Finished, Mode
from study.plan.trials import Plan, PlannedTrial, by_tuning
from study.plan.tries import FinishedTrial, best_of, tries_of
from study.plan.tuning import first_round, next_round, search_space


class Tuned(Mode):
    """Every arm of the grid gets the same number of tuning trials; its best configuration runs with the seeds."""

    name = "tuned"
    tunes = True
    figures = ("budget", "tuning", "importance")

    def first_trials(self, plan: Plan, arm: Arm) -> list[PlannedTrial]:
        """The first round of tuning, or the final trials of an arm that has nothing to tune."""
        space, layers = _space(plan, arm), [arm.overrides]
        repeats = range(plan.seeds if plan.spec.tune and plan.spec.tune.each_seed else 1)
        rounds = [first_round(plan, arm, space, layers, repeat=repeat) for repeat in repeats]
        return [trial for one in rounds for trial in one] or plan.finals(arm, layers)

    @override
    def next_trials(self, plan: Plan, arm: Arm, trials: Sequence[FinishedTrial], repeat: int = 0) -> list[PlannedTrial]:
        """What the sampler suggests after all rounds before."""
        return next_round(plan, arm, _space(plan, arm), [arm.overrides], trials, repeat)

    def final_trials(
        self, plan: Plan, tuned: Mapping[str, Sequence[PlannedTrial]], finished: Finished
    ) -> list[PlannedTrial]:
        """The best configuration of each arm whose tuning is over, of each of its tunings with its own seed."""
        assert plan.spec.tune is not None
        finals = []
        for trials in tuned.values():
            arm = trials[0].arm
            for repeat, own in by_tuning(plan.spec.tune, trials).items():
                over = [finished[trial.config.digest()] for trial in own]
                best = best_of(tries_of(over, plan.spec.tune.seeds))
                if best is not None:
                    seeds = [repeat] if plan.spec.tune.each_seed else None
                    finals += plan.finals(arm, [arm.overrides, best], best, seeds)
        return finals


def _space(plan: Plan, arm: Arm) -> dict[str, Range]:
    """What is tuned of an arm: all that neither it nor the command sets."""
    return search_space(plan.config(arm, arm.overrides), {*arm.overrides, *plan.fixed})


TUNED = Tuned()
