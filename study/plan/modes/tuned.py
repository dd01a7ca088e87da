"""Mode tuned: every arm is tuned first, and its best configuration runs with the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nsh_core.methods import Range
from study.plan.arm import Arm
from study.plan.mode import Finished, Mode
from study.plan.sampling import FinishedTrial, best_of
from study.plan.trials import Plan, PlannedTrial
from study.plan.tuning import first_round, next_round, search_space


class Tuned(Mode):
    """Every arm of the grid gets the same number of tuning trials; its best configuration runs with the seeds."""

    name = "tuned"
    tunes = True
    figures = ("budget", "tuning", "importance")

    def first_trials(self, plan: Plan, arm: Arm) -> list[PlannedTrial]:
        """The first round of tuning, or the final trials of an arm that has nothing to tune."""
        return first_round(plan, arm, _space(plan, arm), [arm.overrides]) or plan.finals(arm, [arm.overrides])

    def next_trials(self, plan: Plan, arm: Arm, trials: Sequence[FinishedTrial]) -> list[PlannedTrial]:
        """What the sampler suggests after all rounds before."""
        return next_round(plan, arm, _space(plan, arm), [arm.overrides], trials)

    def final_trials(
        self, plan: Plan, tuned: Mapping[str, Sequence[PlannedTrial]], finished: Finished
    ) -> list[PlannedTrial]:
        """The best configuration of each arm whose tuning is over."""
        finals = []
        for trials in tuned.values():
            best = best_of([finished[trial.config.digest()] for trial in trials])
            if best is not None:
                arm = trials[0].arm
                finals += plan.finals(arm, [arm.overrides, best], best)
        return finals


def _space(plan: Plan, arm: Arm) -> dict[str, Range]:
    """What is tuned of an arm: all that neither it nor the command sets."""
    return search_space(plan.config(arm, arm.overrides), {*arm.overrides, *plan.assigned})


TUNED = Tuned()
