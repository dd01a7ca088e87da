"""Where to look next within a search space, and when a try is not worth going on with.

Everything here is a function of its arguments: the same results give the same suggestions, whoever asks and however
many workers there are. That is why tries come in rounds, of which each knows the results of all before.
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

from nsh_core.methods import Range

STARTUP = 8
ROUND = 4


@dataclass(frozen=True)
class Tried:
    """A try that is over. value: validation mAP (its last, if pruned); steps: by epoch; seconds: of training."""

    settings: dict[str, Any]
    state: Literal["complete", "pruned", "failed"]
    value: float = float("nan")
    seconds: float = float("nan")
    steps: dict[int, float] = field(default_factory=dict)


def halton_points(space: Mapping[str, Range], count: int, stream: int) -> list[dict[str, Any]]:
    """The first points of the scrambled Halton sequence of a stream over a space."""
    # As in nsh_core.methods.sdc: workers and studies without tuning need not spend the import.
    from scipy.stats import qmc

    points = qmc.Halton(len(space), rng=np.random.default_rng(stream)).random(count)
    return [{name: span.at(x) for (name, span), x in zip(space.items(), point, strict=True)} for point in points]


def suggest(
    sampler: Literal["tpe", "gp", "halton"],
    space: Mapping[str, Range],
    defaults: Mapping[str, float],
    tried: Sequence[Tried],
    most: int,
    stream: int,
) -> list[dict[str, Any]]:
    """The next round of tries: at most ROUND, at most `most`.

    defaults: what a setting is where a try leaves it alone; a default outside its range is no observation.
    """
    distributions = {name: _distribution(span) for name, span in space.items()}
    seed = (stream + len(tried)) % 2**32
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        chosen: optuna.samplers.BaseSampler = (
            optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=1)
            if sampler == "tpe"
            else optuna.samplers.GPSampler(seed=seed, n_startup_trials=1, deterministic_objective=False)
        )
    study = optuna.create_study(direction="maximize", sampler=chosen)
    for one in tried:
        params = {**defaults, **one.settings}
        if one.state == "failed" or not all(distributions[name]._contains(params[name]) for name in space):
            continue
        # A pruned try counts with its last value: TPE ranks it below all that went on, GP would leave it out.
        study.add_trial(
            create_trial(params={name: params[name] for name in space}, distributions=distributions, value=one.value)
        )
    suggestions = []
    for _ in range(min(ROUND, most)):
        params = study.ask(distributions).params
        suggestions.append({name: space[name].near(params[name]) for name in space})
    return suggestions


def prune_below(tried: Sequence[Tried]) -> dict[int, float]:
    """For each epoch before the last the median of what earlier rounds reached there, so that equal steps compare.

    Medians of fewer than four tries are no reason to stop one.
    """
    by_epoch: dict[int, list[float]] = {}
    for one in tried:
        for epoch, value in one.steps.items():
            by_epoch.setdefault(epoch, []).append(value)
    last = max(by_epoch, default=0)
    return {epoch: float(np.median(values)) for epoch, values in by_epoch.items() if epoch < last and len(values) >= 4}


def _distribution(span: Range) -> BaseDistribution:
    """Log scale, as Range; in steps of more than one Optuna knows no log scale, so `near` rounds."""
    if span.step == 1:
        return IntDistribution(int(span.low), int(span.high), log=True)
    return FloatDistribution(span.low, span.high, log=True)
