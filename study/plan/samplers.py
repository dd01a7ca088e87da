"""What suggests tuning trials: samplers that look at results and such that do not, by name or by import path."""

from __future__ import annotations

import importlib
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, TPESampler

from nsh_core.errors import UserError, naming
from nsh_core.ranges import Range
from nsh_core.registry import nearest
from study.plan.budget import SamplerConfig
from study.plan.quiet import quiet
from study.registry import SAMPLERS

_OPTIONAL = ("cmaes", "optunahub")


class Blind(ABC):
    """A sampler that looks at no results, so that all trials of a tuning can come at once."""

    @abstractmethod
    def unit(self, dimensions: int, count: int, stream: int) -> npt.NDArray[np.float64]:
        """Points [count, dimensions] in [0, 1).

        Args:
            dimensions: Of the space.
            count: Of points.
            stream: Of random numbers.
        """

    def __call__(self, space: Mapping[str, Range], count: int, stream: int) -> list[dict[str, Any]]:
        """The first points of a space.

        Args:
            space: What tuning may change.
            count: Of points.
            stream: Of random numbers.

        Returns:
            Settings by dotted name.
        """
        points = self.unit(len(space), count, stream)
        return [{name: span.at(x) for (name, span), x in zip(space.items(), point, strict=True)} for point in points]


class Halton(Blind):
    """A scrambled Halton sequence."""

    def unit(self, dimensions: int, count: int, stream: int) -> npt.NDArray[np.float64]:
        """See Blind."""
        from scipy.stats import qmc

        return qmc.Halton(dimensions, rng=np.random.default_rng(stream)).random(count)


class Uniform(Blind):
    """Random points."""

    def unit(self, dimensions: int, count: int, stream: int) -> npt.NDArray[np.float64]:
        """See Blind."""
        return np.random.default_rng(stream).random((count, dimensions))


@dataclass(frozen=True)
class FromTrials:
    """A sampler that knows trials and nothing of how they were chosen: each round, a new one is told of all before.

    Others, which keep a state (the generations of CMA-ES or NSGA-II), are led through all rounds before.

    Attributes:
        make: Of Optuna's sampler.
    """

    make: Callable[..., BaseSampler]

    def __call__(self, seed: int, **options: Any) -> BaseSampler:
        """The sampler; `options` win over what the project chose for it."""
        return self.make(seed=seed, **options)


HALTON, RANDOM = Halton(), Uniform()
TPE = FromTrials(partial(TPESampler, multivariate=True, constant_liar=True, n_startup_trials=1))
GP = FromTrials(partial(GPSampler, n_startup_trials=1, deterministic_objective=False))


@contextmanager
def using(sampler: str) -> Iterator[None]:
    """Says which sampler failed, and which package it lacks; what Optuna says of experimental ones is kept back.

    Args:
        sampler: Its name or path.

    Yields:
        Nothing; the block runs its code.

    Raises:
        UserError: It raised, or ended the process.
    """
    experimental = warnings.catch_warnings(action="ignore", category=ExperimentalWarning)
    with naming(f"sampler {sampler!r}"), experimental, quiet():
        try:
            yield
        except ModuleNotFoundError as error:
            optional = error.name in _OPTIONAL
            advice = "pip install '.[samplers]'" if optional else "install it, or list its file under plugins"
            raise UserError(f"sampler {sampler!r} needs the module {error.name!r}: {advice}") from None


def find(sampler: SamplerConfig) -> Any:
    """What stands behind a name or path: a Blind, a FromTrials, or another that makes a sampler of Optuna's.

    Args:
        sampler: Of a tuning budget.

    Raises:
        UserError: There is nothing of that name, it cannot be imported, or it has no options and gets some.
    """
    found = SAMPLERS[sampler.name] if sampler.name in SAMPLERS else _imported(sampler.name)
    if isinstance(found, Blind) and sampler.options:
        raise UserError(f"sampler {sampler.name!r} has no options, got {', '.join(sampler.options)}")
    return found


def make(sampler: SamplerConfig, seed: int) -> BaseSampler:
    """The sampler itself, with its seed where it takes one.

    Args:
        sampler: Of a tuning budget, not Blind.
        seed: Of what it draws, below 2^32.

    Raises:
        UserError: As find; or it cannot be made with these options, or is no sampler of Optuna's.
    """
    found = find(sampler)
    with using(sampler.name):
        takes = inspect.signature(found).parameters.values()
        seeded = any(one.name == "seed" or one.kind is one.VAR_KEYWORD for one in takes)
        made = found(**sampler.options, **({"seed": seed} if seeded else {}))
    if not isinstance(made, BaseSampler):
        raise UserError(f"sampler {sampler.name!r} is a {type(made).__name__}, no optuna.samplers.BaseSampler")
    return made


@cache
def _imported(sampler: str) -> Any:
    """The class at `module:Class`, or of OptunaHub at `optunahub:package`."""
    path, _, name = sampler.partition(":")
    with using(sampler):
        if path == "optunahub":
            package, _, name = name.partition(":")
            module = _from_the_hub(*package.split("@", 1))
        else:
            module = importlib.import_module(path)
    classes = {key: one for key, one in vars(module).items() if inspect.isclass(one) and issubclass(one, BaseSampler)}
    own = [key for key, one in classes.items() if one.__module__ == module.__name__]
    public = [key for key in getattr(module, "__all__", own) if key in classes]
    if not name and len(public) == 1:
        name = public[0]
    if not hasattr(module, name):
        known = ", ".join(public) or "none"
        raise UserError(f"sampler {sampler!r}: no {name!r} there, its samplers: {known}{nearest(name, public)}")
    return getattr(module, name)


def _from_the_hub(package: str, ref: str = "main") -> ModuleType:
    """A package of OptunaHub: what was fetched of that branch, tag or commit before, else it is fetched now."""
    import optunahub

    return optunahub.load_module(package, ref=ref)
