"""Where to look next within a search space, and when a tuning trial is not worth going on with.

Everything here is a function of its arguments: the same results give the same suggestions, whoever asks and however
many workers there are. That is why tuning trials come in rounds, of which each knows the results of all before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState, create_trial

from nsh_core.errors import UserError
from nsh_core.ranges import Range
from study.plan.budget import SamplerConfig
from study.plan.samplers import HALTON, FromTrials, find, make, using
from study.plan.tries import FinishedTrial

STARTUP = 8
ROUND = 4
# Of a round: a sampler may repeat itself where few settings are left.
_ASKED = 25


def suggest(
    sampler: SamplerConfig,
    space: Mapping[str, Range],
    defaults: Mapping[str, float],
    trials: Sequence[FinishedTrial],
    most: int,
    stream: int,
) -> list[dict[str, Any]]:
    """The next round of tuning trials: at most ROUND, at most `most`, none that was tried before.

    Args:
        sampler: What suggests them, not Blind.
        space: What tuning may change.
        defaults: What a setting is where a trial leaves it alone; a default outside its range is no observation.
        trials: All rounds before, the first of them of STARTUP trials.
        most: That are left.
        stream: Of random numbers.

    Returns:
        Settings by dotted name; fewer than a round where the sampler comes to nothing new.

    Raises:
        UserError: The sampler cannot be used, fails, or does not suggest the same again.
    """
    alone = isinstance(find(sampler), FromTrials)
    told = len(trials) if alone else min(len(trials), STARTUP)
    made = make(sampler, (stream + (told if alone else 0)) % 2**32)
    with using(sampler.name):
        search = _Search(made, space, defaults)
        for one in trials[:told]:
            search.add(one)
        while told < len(trials):
            again = search.ask(len(trials) - told + most)
            before = trials[told : told + len(again)]
            if not again or [settings for _, settings in again] != [one.settings for one in before]:
                raise UserError(
                    f"sampler {sampler.name!r} does not suggest the same again, so that a study could not go on "
                    "where it stopped: it must draw all random numbers from its `seed`"
                )
            for (trial, settings), one in zip(again, before, strict=True):
                search.tell(trial, settings, one)
            told += len(again)
        return [settings for _, settings in search.ask(most)]


class _Search:
    """An Optuna study in memory, whose sampler is asked and told.

    Args:
        sampler: Of Optuna's.
        space: What tuning may change.
        defaults: As for suggest.
    """

    def __init__(self, sampler: BaseSampler, space: Mapping[str, Range], defaults: Mapping[str, float]) -> None:
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        # A sampler that has tried all it knows stops the study, which Optuna allows in its own loop alone.
        self.stopped = False
        setattr(self.study, "stop", self._stop)  # noqa: B010
        self.space, self.defaults = space, defaults
        self.distributions = {name: _distribution(span) for name, span in space.items()}
        self.known: dict[tuple[Any, ...], FinishedTrial | None] = {}

    def add(self, one: FinishedTrial) -> None:
        """A trial that others chose; it counts where it has a value and lies in the space."""
        params = {**self.defaults, **one.settings}
        params = {name: params[name] for name in self.space}
        self.known[tuple(params.values())] = one
        if one.state == "failed" or not all(params[name] in span for name, span in self.space.items()):
            return
        # A pruned trial counts with its last value: TPE ranks it below all that went on, GP would leave it out.
        self.study.add_trial(
            create_trial(
                params=params,
                distributions=self.distributions,
                value=one.value,
                constraints=one.violations,
            )
        )

    def ask(self, most: int) -> list[tuple[Trial, dict[str, Any]]]:
        """A round of new settings, each with the trial to be told of; what repeats an earlier one is told at once."""
        found: list[tuple[Trial, dict[str, Any]]] = []
        for _ in range(_ASKED):
            if self.stopped or len(found) == min(ROUND, most):
                break
            trial = self.study.ask(self.distributions)
            settings = {name: self.space[name].near(trial.params[name]) for name in self.space}
            place = tuple(settings.values())
            if place in self.known:
                self.tell(trial, settings, self.known[place])
            else:
                self.known[place] = None
                found.append((trial, settings))
        return found

    def tell(self, trial: Trial, settings: dict[str, Any], one: FinishedTrial | None) -> None:
        """What an asked trial came to; none where its settings stand in the same round already."""
        self.known[tuple(settings.values())] = one
        if one is None or one.state == "failed" or not one.is_feasible:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, one.value)

    def _stop(self) -> None:
        self.stopped = True


def rehearse(sampler: SamplerConfig, space: Mapping[str, Range]) -> None:
    """Looks whether a sampler can be used on a space: one that is not the project's suggests rounds on made-up results.

    Args:
        sampler: Of a tuning budget, not Blind.
        space: What tuning may change.

    Raises:
        UserError: As suggest.
    """
    make(sampler, 0)
    if isinstance(find(sampler), FromTrials):
        return
    tried = [FinishedTrial(settings, "complete", n / STARTUP) for n, settings in enumerate(HALTON(space, STARTUP, 0))]
    for _ in range(2):
        more = suggest(sampler, space, {}, tried, 2 * ROUND, 0)
        tried += [FinishedTrial(settings, "complete", 0.5) for settings in more]


def round_of(place: int) -> int:
    """The round of a try.

    Args:
        place: Of the try in its tuning, from 0.
    """
    return max(0, 1 + (place - STARTUP) // ROUND)


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


def _distribution(span: Range) -> BaseDistribution:
    """Log scale, as Range; in steps of more than one Optuna knows no log scale, so `near` rounds."""
    if span.step == 1:
        return IntDistribution(int(span.low), int(span.high), log=True)
    return FloatDistribution(span.low, span.high, log=True)
