"""Where to look next within a search space, and when a tuning trial is not worth going on with.

Everything here is a function of its arguments: the same results give the same suggestions, whoever asks and however
many workers there are. That is why tuning trials come in rounds, of which each knows the results of all before.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial
from scipy.stats import qmc

from nsh_core.methods import Range
from study.plan.quiet import quiet

STARTUP = 8
ROUND = 4


@dataclass(frozen=True)
class FinishedTrial:
    """A tuning trial that is over.

    Attributes:
        settings: What it changed, by dotted name.
        state: How it ended.
        value: Validation mAP, its last if it was pruned.
        seconds: Of training.
        steps: Validation mAP by epoch.
    """

    settings: dict[str, Any]
    state: Literal["complete", "pruned", "failed"]
    value: float = float("nan")
    seconds: float = float("nan")
    steps: dict[int, float] = field(default_factory=dict)


def halton_points(space: Mapping[str, Range], count: int, stream: int) -> list[dict[str, Any]]:
    """The first points of a scrambled Halton sequence over a space.

    Args:
        space: What tuning may change.
        count: Of points.
        stream: Of random numbers.

    Returns:
        Settings by dotted name.
    """
    points = qmc.Halton(len(space), rng=np.random.default_rng(stream)).random(count)
    return [{name: span.at(x) for (name, span), x in zip(space.items(), point, strict=True)} for point in points]


def suggest(
    sampler: Literal["tpe", "gp", "halton"],
    space: Mapping[str, Range],
    defaults: Mapping[str, float],
    trials: Sequence[FinishedTrial],
    most: int,
    stream: int,
) -> list[dict[str, Any]]:
    """The next round of tuning trials: at most ROUND, at most `most`.

    Args:
        sampler: What suggests them.
        space: What tuning may change.
        defaults: What a setting is where a trial leaves it alone; a default outside its range is no observation.
        trials: All rounds before.
        most: That are left.
        stream: Of random numbers.

    Returns:
        Settings by dotted name.
    """
    distributions = {name: _distribution(span) for name, span in space.items()}
    seed = (stream + len(trials)) % 2**32
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        chosen: optuna.samplers.BaseSampler = (
            optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=1)
            if sampler == "tpe"
            else optuna.samplers.GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=False)
        )
    with quiet():
        study = optuna.create_study(direction="maximize", sampler=chosen)
    for one in trials:
        params = {**defaults, **one.settings}
        if one.state == "failed" or not all(params[name] in span for name, span in space.items()):
            continue
        # A pruned trial counts with its last value: TPE ranks it below all that went on, GP would leave it out.
        study.add_trial(
            create_trial(params={name: params[name] for name in space}, distributions=distributions, value=one.value)
        )
    suggestions = []
    for _ in range(min(ROUND, most)):
        params = study.ask(distributions).params
        suggestions.append({name: space[name].near(params[name]) for name in space})
    return suggestions


def prune_below(trials: Sequence[FinishedTrial]) -> dict[int, float]:
    """For each epoch before the last the median of what earlier rounds reached there, so that equal steps compare.

    Medians of fewer than four trials are no reason to stop one.

    Args:
        trials: All rounds before.
    """
    by_epoch: dict[int, list[float]] = {}
    for one in trials:
        for epoch, value in one.steps.items():
            by_epoch.setdefault(epoch, []).append(value)
    last = max(by_epoch, default=0)
    return {epoch: float(np.median(values)) for epoch, values in by_epoch.items() if epoch < last and len(values) >= 4}


def tries_of(trials: Sequence[FinishedTrial], seeds: int) -> list[FinishedTrial]:
    """Tries, each judged by the mean over its seeds; one that a seed pruned or failed in is pruned or failed.

    Args:
        trials: Of a tuning, all of its rounds; in each round the seeds of a try stand together.
        seeds: Of each try.
    """
    if seeds == 1:
        return list(trials)
    tries = []
    for start in range(0, len(trials), seeds):
        own = trials[start : start + seeds]
        states = {one.state for one in own}
        state: Literal["complete", "pruned", "failed"] = "complete"
        if states != {"complete"}:
            state = "failed" if "failed" in states else "pruned"
        epochs = set.intersection(*(set(one.steps) for one in own))
        steps = {epoch: float(np.mean([one.steps[epoch] for one in own])) for epoch in sorted(epochs)}
        value, seconds = (float(np.mean(values)) for values in zip(*((o.value, o.seconds) for o in own), strict=True))
        tries.append(FinishedTrial(own[0].settings, state, value, seconds, steps))
    return tries


def best_of(trials: Sequence[FinishedTrial]) -> dict[str, Any] | None:
    """The settings with the highest validation mAP, the earliest among equals; none if all failed."""
    done = [one for one in trials if one.state == "complete"]
    return max(done, key=lambda one: one.value).settings if done else None


def _distribution(span: Range) -> BaseDistribution:
    """Log scale, as Range; in steps of more than one Optuna knows no log scale, so `near` rounds."""
    if span.step == 1:
        return IntDistribution(int(span.low), int(span.high), log=True)
    return FloatDistribution(span.low, span.high, log=True)
