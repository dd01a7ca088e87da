"""What a study runs: its first trials, and those that follow from results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nsh_core.config import Config, make_config
from nsh_core.errors import UserError
from nsh_core.registry import METHODS
from study.plan.asked import not_asked
from study.plan.space import of_one_kind
from study.plan.spec import MOST_SEEDS, StudySpec
from study.plan.trials import Plan, PlannedTrial, by_tuning
from study.plan.tries import FinishedTrial, tries_of

MOST_TRIALS = 100_000


def make_plan(
    spec: StudySpec,
    dataset: str | None = None,
    assignments: tuple[str, ...] = (),
    seeds: int | None = None,
    all_arms: bool = False,
    arms: Sequence[str] = (),
) -> Plan:
    """The trials that a study starts with, validated.

    An arm's settings win over `assignments`, those over the base. An arm whose sorter is of a package that this machine
    lacks is left out.

    Args:
        spec: The study.
        dataset: Instead of the spec's.
        assignments: Overrides of every arm, "a.b=c".
        seeds: Instead of the spec's.
        all_arms: Whether to plan those too that cannot run here.
        arms: Groups of arms, and arms, that alone are planned; none: all.

    Raises:
        UserError: What does not fit, or no arm can run here.
    """
    count = spec.seeds if seeds is None else seeds
    if count > MOST_SEEDS:
        raise UserError(f"seeds must be at most {MOST_SEEDS}, got {count}")
    if spec.tune is not None and spec.tune.seed < count:
        raise UserError(
            f"study {spec.name}: tune.seed = {spec.tune.seed} is one of the {count} seeds of the final runs"
        )
    plan = Plan(spec, spec.dataset if dataset is None else dataset, assignments, count)
    _check_size(plan)
    trials = of_one_kind([trial for arm in spec.arms for trial in spec.how.first_trials(plan, arm)])
    for origin, settings in (("base", spec.base), ("setting", plan.assigned)):
        for name, value in settings.items():
            _check_alone(plan, f"{origin} {name}", {name: value})
    _check_assigned(plan)
    configs = {arm.name: plan.config(arm, spec.overrides(arm.levels)) for arm in spec.arms}
    _check_apart(plan, configs)
    lacking = {} if all_arms else {name: line for name, config in configs.items() if (line := _lacking(config))}
    lacking |= not_asked(spec, arms)
    trials = tuple(trial for trial in trials if trial.arm.name not in lacking)
    if not trials:
        raise UserError(f"study {spec.name}: no arm can run here: {next(iter(lacking.values()))}")
    return replace(plan, trials=trials, lacking=lacking)


def _lacking(config: Config) -> str:
    """What a run needs and this machine lacks; empty if nothing."""
    from nsh_core import sorters

    return sorters.lacking(config.sorter.name) if METHODS[config.method.name].sorts else ""


def overruled(plan: Plan) -> dict[str, list[str]]:
    """What a command assigns and an arm sets itself: dotted name to the names of these arms.

    Args:
        plan: Of the command.
    """
    found: dict[str, list[str]] = {}
    assigned = plan.assigned
    for arm in plan.spec.arms if assigned else ():
        own = plan.spec.overrides(arm.levels)
        for name in assigned:
            if any(name == one or name.startswith(f"{one}.") for one in own):
                found.setdefault(name, []).append(arm.name)
    return found


def _check_size(plan: Plan) -> None:
    """Raises UserError for more trials than anybody runs, before any is made."""
    tune, arms = plan.spec.tune, len(plan.spec.arms)
    tuning = 0 if tune is None else tune.runs(plan.seeds)
    count = arms * (plan.seeds + tuning)
    if count > MOST_TRIALS:
        tried = f" and {tuning} of tuning" if tuning else ""
        raise UserError(
            f"study {plan.spec.name} comes to {count} trials ({arms} arms, each with {plan.seeds} seeds{tried}), "
            f"at most {MOST_TRIALS} are planned"
        )


def _check_assigned(plan: Plan) -> None:
    """Raises UserError for an assignment that changes nothing."""
    if "seed" in plan.assigned:
        raise UserError(
            f"study {plan.spec.name}, setting seed: every arm runs with the seeds 0, 1, ..., as many as `seeds` says"
        )
    for name, arms in overruled(plan).items():
        if len(arms) == len(plan.spec.arms):
            raise UserError(
                f"study {plan.spec.name}, setting {name}: every arm sets it itself, so this changes nothing"
            )


def _check_apart(plan: Plan, configs: Mapping[str, Config]) -> None:
    """Raises UserError for two arms that run the same; where arms are tuned, what they fix may tell them apart."""
    known: dict[tuple[str, frozenset[str]], str] = {}
    for arm in plan.spec.arms:
        digest = configs[arm.name].digest()
        other = known.setdefault((digest, frozenset(arm.overrides if plan.spec.how.tunes else ())), arm.name)
        if other != arm.name:
            raise UserError(f"study {plan.spec.name}: the arms {other!r} and {arm.name!r} have the same settings")


def _check_alone(plan: Plan, origin: str, setting: Mapping[str, Any]) -> None:
    """Raises UserError for a setting that no arm could have: where all trials replace it, none has told."""
    told = []
    for overrides in (*(arm.overrides for arm in plan.spec.arms), {}):
        try:
            make_config(plan.settings(overrides, {"seed": 0}, setting))
            return
        except UserError as error:
            told.append(str(error))
    raise UserError(f"study {plan.spec.name}, {origin}: {told[0]}")


def extended(plan: Plan, finished: Mapping[str, FinishedTrial]) -> Plan:
    """The plan with what follows from results: the next round of an arm, or the trials after the last round.

    An arm waits for all trials of its round.

    Args:
        plan: So far.
        finished: What is over among its tuning trials, by their config's digest.

    Returns:
        A plan in an order that does not depend on which arm was faster; the same plan if nothing follows.
    """
    spec = plan.spec
    if spec.tune is None:
        return plan
    more: list[PlannedTrial] = []
    tuned: dict[str, list[PlannedTrial]] = {}
    by_arm: dict[str, list[PlannedTrial]] = {}
    for trial in plan.trials:
        if trial.tuning:
            by_arm.setdefault(trial.arm.name, []).append(trial)
    for arm in spec.arms:
        tunings = by_tuning(spec.tune, by_arm.get(arm.name, []))
        complete = []
        for repeat, trials in tunings.items():
            over = [finished[digest] for trial in trials if (digest := trial.config.digest()) in finished]
            if len(over) < len(trials):
                continue
            left = len(trials) < spec.tune.trials * spec.tune.seeds
            following = spec.how.next_trials(plan, arm, tries_of(over, spec.tune.seeds), repeat) if left else []
            more += following
            # Where the sampler comes to nothing new, no more of the budget is spent.
            complete += [] if following else trials
        if tunings and len(complete) == sum(map(len, tunings.values())):
            tuned[arm.name] = complete
    more += spec.how.final_trials(plan, tuned, finished)
    known = {(trial.arm.name, trial.tuning, trial.config.digest()) for trial in plan.trials}
    new = [
        trial
        for trial in more
        if (trial.arm.name, trial.tuning, trial.config.digest()) not in known and trial.arm.name not in plan.lacking
    ]
    return with_more(plan, new) if new else plan


def with_more(plan: Plan, trials: Iterable[PlannedTrial]) -> Plan:
    """The plan with further trials: tuning first, then arm by arm.

    Args:
        plan: Of a study.
        trials: Of its arms, none of them in it.
    """
    places = {frozenset(arm.levels.items()): place for place, arm in enumerate(plan.spec.arms)}
    every = [*plan.trials, *trials]
    every.sort(key=lambda trial: (not trial.tuning, places[frozenset(trial.arm.levels.items())]))
    return replace(plan, trials=of_one_kind(every))
