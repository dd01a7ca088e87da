"""What every hashing method offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from nsh_core.config import Config
from nsh_core.data import Dataset
from nsh_core.model import HashModel, Outputs
from nsh_core.ranges import Range


class MethodOptions(BaseModel):
    """The options of a method, each with its range."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


LEARNING_RATE = Range(3e-4, 3e-2)
Information = Literal["images", "text", "labels"]
INFORMATION: tuple[str, ...] = get_args(Information)


class Method(ABC):
    """A way to learn a hash function.

    Attributes:
        paper: Its source.
        information: What it learns from: images alone, text too, or labels, which only a method that says so gets
            (nsh_core.data.labels); the last is a ceiling for scale, and never the best of a study.
        Options: What `method.options` of a config may hold.
        uses_latents: Whether the model needs a latent head.
        uses_features: Whether it looks at the features that the model gives with its codes.
        sorts: Whether it uses the sorter of a config.
        periodic: Whether a bit is the sign of the cosine of the hash head, not of the head itself.
        hash_heads: What `model.hash_head` may be.
        nests: Whether `loss.nested` trains prefixes of its codes.
    """

    paper: ClassVar[str]
    information: ClassVar[Information] = "images"
    Options: ClassVar[type[MethodOptions]] = MethodOptions
    uses_latents: ClassVar[bool] = False
    uses_features: ClassVar[bool] = True
    periodic: ClassVar[bool] = False
    sorts: ClassVar[bool] = False
    hash_heads: ClassVar[tuple[str, ...]] = ("linear", "mlp")
    nests: ClassVar[bool] = False

    @classmethod
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        """Settings worth tuning.

        Args:
            config: Of a run, whose other settings may bound them.

        Returns:
            Ranges by dotted name; empty for a method without any.
        """
        return {}

    @classmethod
    def published(cls, code_length: int) -> Mapping[str, Any]:
        """Head, views, optimiser and length of training as its authors had them: the recipe `published`.

        Args:
            code_length: K.

        Returns:
            Settings by dotted name, where they are not the defaults.
        """
        return {}


class DeepMethod(Method):
    """A method trained by gradient: the objective of R runs that train together, for as long as they do.

    Attributes:
        state: What the method remembers from step to step, as a memory bank or a moving average, by name: tensors
            [R, ...] that hold each run's own. Checkpoints carry it.
        prepared: What `prepare` gave, for each run.
        items: Which training items the batch of each run holds, on the CPU [R, n]. With train.neighbors another may
            stand in for one in the second view.

    Args:
        configs: Of the runs.
    """

    def __init__(self, configs: Sequence[Config]) -> None:
        self.state: dict[str, Tensor] = {}
        self.prepared: Sequence[Any] = []
        self.items = torch.empty(0, dtype=torch.int64)
        self.setting = PerRun([config.method.settings for config in configs])

    @classmethod
    def shape(cls, config: Config) -> tuple[Any, ...]:
        """What else than the shapes of the model runs must share to train as one stack, from a run's config."""
        return ()

    @classmethod
    def prepare(cls, config: Config, dataset: Dataset) -> Any:
        """What a run works out of its training items before it begins: the same each time, so no checkpoint has it.

        Args:
            config: Of the run.
            dataset: Whose training items; without labels, unless the method learns from them.

        Raises:
            UserError: The method cannot be trained on it.
        """
        return None

    @abstractmethod
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """The loss of a step.

        Args:
            first: Outputs [R, n, ...] of a view of n items.
            second: Outputs [R, n, ...] of another view of the same items.
            generators: Of each run, on the CPU.

        Returns:
            Each term of the loss [R], unweighted, by name, and their weighted sum [R] as "loss".
        """

    @classmethod
    def calibrate(cls, model: HashModel, dataset: Dataset) -> None:
        """Adapts a model to all training values before it is evaluated.

        Args:
            model: Changed in place.
            dataset: Whose training values.
        """


class ShallowMethod(Method):
    """A method in closed form: a linear hash head fitted to the moments of the training features."""

    hash_heads = ("linear",)

    @classmethod
    @abstractmethod
    def fit(cls, model: HashModel, dataset: Dataset, seed: int) -> None:
        """Sets the hash head of a model whose encoder is the identity.

        Args:
            model: Changed in place.
            dataset: Whose training items.
            seed: Of what is drawn at random.

        Raises:
            UserError: It cannot give so many bits.
        """


class PerRun:
    """Settings of R runs as tensors [R, 1, 1], each brought to the device once.

    Args:
        sections: Of each run, the settings.
    """

    def __init__(self, sections: Sequence[BaseModel]) -> None:
        self._sections = sections
        self._known: dict[str, Tensor] = {}

    def __call__(self, name: str, like: Tensor) -> Tensor:
        """The setting `name` of all runs, with the type and on the device of `like`."""
        if name not in self._known:
            values = [getattr(section, name) for section in self._sections]
            self._known[name] = torch.tensor(values, dtype=like.dtype, device=like.device).view(-1, 1, 1)
        return self._known[name]
