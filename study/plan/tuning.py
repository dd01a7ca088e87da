"""Rounds of tuning trials."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from nsh_core.config import Config
from nsh_core.errors import UserError, naming
from nsh_core.ranges import Range
from nsh_core.registry import METHODS
from study.plan.arm import Arm, former
from study.plan.spec import StudySpec
from study.plan.trials import Plan, PlannedTrial
from study.plan.tries import FinishedTrial

# Optuna is imported by what makes trials: studies are listed without it.

Layers = Sequence[Mapping[str, Any]]


def search_space(default: Config, fixed: Collection[str], more: Mapping[str, Range] | None = None) -> dict[str, Range]:
    """What tuning may change: the search space of a method, less what is fixed.

    Args:
        default: Configuration of the arm.
        fixed: Dotted names of settings that the arm or the user sets; a recipe among them leaves nothing to tune.
        more: What is searched beside it.
    """
    if "recipe" in fixed:
        return {}
    with naming(f"method {default.method.name!r}"):
        space = dict(METHODS[default.method.name].search_space(default)) | dict(more or {})
    return {name: span for name, span in space.items() if name not in fixed}


def check_tuned_once(spec: StudySpec) -> None:
    """Looks whether a spec tunes each arm once, with one run a try.

    Args:
        spec: In a mode that knows no repeats.

    Raises:
        ValueError: It tunes anew for each seed, or tries with several.
    """
    if spec.tune is not None and spec.tune.each_seed:
        raise ValueError(f"mode {spec.mode} tunes once: leave out tune.each_seed, or take mode tuned")
    if spec.tune is not None and spec.tune.seeds > 1:
        raise ValueError(f"mode {spec.mode} runs a try once: leave out tune.seeds, or take mode tuned")


def first_round(
    plan: Plan, arm: Arm, space: Mapping[str, Range], layers: Layers, at_once: bool = False, repeat: int = 0
) -> list[PlannedTrial]:
    """The defaults and points that look at no results: all trials, or the first round of a sampler that learns.

    Args:
        plan: Its spec has a tuning budget.
        arm: That is tuned.
        space: What tuning may change; nothing is tuned where it is empty.
        layers: Settings that the trial's own replace.
        at_once: Whether all trials come at once with any sampler.
        repeat: Which of the arm's tunings this is.

    Raises:
        UserError: The settings do not fit, or the sampler cannot be used.
    """
    from study.plan.samplers import HALTON, Blind, find
    from study.plan.sampling import STARTUP, rehearse

    tune = plan.spec.tune
    if tune is None or not space:
        return []
    found = find(tune.sampler)
    points = found if isinstance(found, Blind) else HALTON
    at_once = at_once or points is found
    if not at_once and repeat == 0:
        try:
            rehearse(tune.sampler, space)
        except UserError as error:
            raise UserError(f"study {plan.spec.name}, arm {arm.name!r}: {error}") from None
    count = tune.trials if at_once else min(tune.trials, STARTUP)
    samples = [{}, *points(space, count - 1, _stream(plan, arm, repeat))]
    return _trials(plan, arm, space, layers, samples, {}, repeat)


def next_round(
    plan: Plan,
    arm: Arm,
    space: Mapping[str, Range],
    layers: Layers,
    trials: Sequence[FinishedTrial],
    repeat: int = 0,
) -> list[PlannedTrial]:
    """What the sampler suggests after all rounds before.

    Args:
        plan: Its spec has a tuning budget.
        arm: That is tuned.
        space: As for first_round.
        layers: As for first_round.
        trials: All rounds before.
        repeat: As for first_round.
    """
    from study.plan.sampling import prune_below, suggest

    tune = plan.spec.tune
    assert tune is not None
    default = plan.config(arm, *layers)
    defaults = {name: default.value_of(name) for name in space}
    stream = _stream(plan, arm, repeat)
    suggested = suggest(tune.sampler, space, defaults, trials, tune.trials - len(trials), stream)
    return _trials(plan, arm, space, layers, suggested, prune_below(trials) if tune.prunes else {}, repeat)


def _trials(
    plan: Plan,
    arm: Arm,
    space: Mapping[str, Range],
    layers: Layers,
    samples: Sequence[dict[str, Any]],
    below: dict[int, float],
    repeat: int,
) -> list[PlannedTrial]:
    from study.plan.space import space_of

    assert plan.spec.tune is not None
    seeds = plan.spec.tune.seeds
    first = plan.spec.tune.seed + repeat * seeds
    shown = space_of(space, plan.config(arm, *layers))
    return [
        PlannedTrial(arm, plan.config(arm, *layers, sample | {"seed": seed}), sample, True, below, shown)
        for sample in samples
        for seed in range(first, first + seeds)
    ]


def _stream(plan: Plan, arm: Arm, repeat: int) -> int:
    """The random stream of an arm's tuning."""
    name = f"{plan.spec.name} {former(arm.name, arm.levels)}" + (f" {repeat}" if repeat else "")
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
