"""The configuration of one training run: frozen, validated, hashable by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property, reduce
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from nsh_core.arguments import in_short
from nsh_core.errors import UserError
from nsh_core.registry import METHODS, nearest
from nsh_core.sections import ImageConfig, LossConfig, MethodConfig, ModelConfig, Section, SorterConfig, TrainConfig
from nsh_core.settings import clash, parse_assignments, validation_line, with_overrides

# Settings that came when trials were stored already, and the value that means what was before them: there they are no
# part of a digest.
_LATER: dict[str, dict[str, Any]] = {
    "image": {"trained_stages": None, "checkpointing": False},
    "model": {"hash_head": "linear", "hash_width": 1024, "hash_norm": "none"},
    "sorter": {"hard_forward": False},
    "train": {"views": "augmented"},
    "loss": {
        "surrogate": "sorted_nce",
        "teacher_temperature": 0.1,
        "student_temperature": 0.2,
        "softmaxes": 1,
        "nested": [],
    },
}


class Config(Section):
    """One training run of NSH (Yu et al. 2022) or of another method. With its seed it determines the codes."""

    code_length: int = Field(32, ge=1, le=4096, description="K, bits of a hash code")
    seed: int = Field(0, ge=0, lt=2**31, description="of weights, data order, views and random negatives")
    map_at: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="k of mAP@k; none: the dataset's (all for digits, 1000 for features)",
    )
    precision_at: int = Field(100, ge=1, le=10**9, description="k of precision@k and recall@k")
    method: MethodConfig = Field(default_factory=MethodConfig)
    image: ImageConfig = Field(default_factory=ImageConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    sorter: SorterConfig = Field(default_factory=SorterConfig)
    loss: LossConfig = Field(default_factory=LossConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)

    @field_validator("method", "image", "model", "sorter", "loss", "train", mode="before")
    @classmethod
    def _section(cls, value: Any) -> Any:
        if not isinstance(value, (Mapping, BaseModel)):
            raise ValueError("expected a section of settings")
        return value

    @model_validator(mode="after")
    def _ranks_fit_the_batch(self) -> Config:
        loss, n = self.loss, self.train.batch_size
        kind, _, count = loss.negatives.partition("-")
        needed = int(count) if count else 1
        if loss.num_positives + loss.gap + needed > n:
            raise ValueError(
                f"loss.num_positives + loss.gap + negatives ({loss.num_positives} + {loss.gap} + {needed} for "
                f"'{kind}') exceed train.batch_size = {n}"
            )
        return self

    @model_validator(mode="after")
    def _head_of_the_method(self) -> Config:
        model, heads = self.model, METHODS[self.method.name].hash_heads
        if model.hash_head not in heads:
            raise ValueError(
                f"model.hash_head = {model.hash_head} is none of method {self.method.name}, allowed: {', '.join(heads)}"
            )
        for name, allowed in (("hash_width", 1024), ("hash_norm", "none")):
            if model.hash_head == "linear" and getattr(model, name) != allowed:
                raise ValueError(
                    f"model.{name} = {getattr(model, name)} says nothing about model.hash_head = linear: leave it at "
                    f"{allowed}, or take hash_head = mlp"
                )
        return self

    @model_validator(mode="after")
    def _settings_of_the_surrogate(self) -> Config:
        loss, surrogate = self.loss, self.loss.surrogate
        idle = [("softmaxes", 1)] if surrogate != "sorted_nce" else []
        for name, allowed in [*idle, *([] if loss.sorts else [("stop_gradient", True)])]:
            if getattr(loss, name) != allowed:
                raise ValueError(
                    f"loss.{name} = {getattr(loss, name)} says nothing about loss.surrogate = {surrogate}: "
                    f"leave it at {allowed}, or take surrogate = sorted_nce"
                )
        if METHODS[self.method.name].sorts and surrogate != "masked_nce" and not self.sorter.lists:
            raise ValueError(
                f"sorter.name = {self.sorter.name} gives masks of first ranks and sorts no list, got "
                f"loss.surrogate = {surrogate}: take surrogate = masked_nce, or another sorter"
            )
        if surrogate == "masked_nce" and loss.negatives.startswith("random"):
            raise ValueError(
                f"loss.negatives = {loss.negatives} draws from a list, and loss.surrogate = masked_nce has none: "
                "take all, hardest-k or farthest-k"
            )
        return self

    @model_validator(mode="after")
    def _nested_in_the_model(self) -> Config:
        nested, kind = self.loss.nested, METHODS[self.method.name]
        if nested and not kind.nests:
            raise ValueError(f"loss.nested = {nested} says nothing about method {self.method.name}: leave it out")
        if nested and self.code_length > nested[-1]:
            raise ValueError(
                f"code_length = {self.code_length} exceeds the {nested[-1]} bits of the model: loss.nested = {nested} "
                "must end with as many or more"
            )
        return self

    @property
    def model_bits(self) -> int:
        """Bits that the hash head gives, of which codes are the first code_length."""
        return self.loss.nested[-1] if self.loss.nested else self.code_length

    @property
    def information(self) -> str:
        """What the method learns from: images, text or labels."""
        return METHODS[self.method.name].information

    @property
    def sorts(self) -> bool:
        """Whether a run asks its sorter: the method has a use for one, and so has the surrogate."""
        return METHODS[self.method.name].sorts and self.loss.sorts

    def value_of(self, dotted: str) -> Any:
        """The value of a setting by its dotted name; a temperature that is left open is its backend's default.

        Raises:
            KeyError: The section has no such setting.
        """
        settings = self.model_dump()
        settings["sorter"]["temperature"] = self.sorter.softness
        return reduce(lambda node, part: node[part], dotted.split("."), settings)

    def with_seed(self, seed: int) -> Config:
        """The same run with another seed.

        Args:
            seed: In its range, which is not looked at again.
        """
        other = self.model_copy(update={"seed": seed})
        other.__dict__["_around_the_seed"] = self._around_the_seed
        return other

    def digest(self) -> str:
        """Stable identifier of the content, 12 hex digits; the same for the same settings in any order."""
        before, after = self._around_the_seed
        return hashlib.sha256(f"{before}{self.seed}{after}".encode()).hexdigest()[:12]

    @cached_property
    def _around_the_seed(self) -> tuple[str, str]:
        """What the digest is of, in front of the seed and behind it: a study has very many runs that share it."""
        settings = self.model_dump(mode="json")
        for section, later in _LATER.items():
            for name, before in later.items():
                if settings[section][name] == before:
                    del settings[section][name]
        front, rest = (
            json.dumps(
                {name: own for name, own in settings.items() if is_there(name)}, sort_keys=True, separators=(",", ":")
            )
            for is_there in ("seed".__gt__, "seed".__lt__)
        )
        return f'{front[:-1]},"seed":', f",{rest[1:]}"

    def __copy__(self) -> Config:
        # A copy may have other settings.
        copied = super().__copy__()
        copied.__dict__.pop("_around_the_seed", None)
        return copied


def make_config(settings: Mapping[str, Any] | None = None, assignments: Iterable[str] = ()) -> Config:
    """A validated Config from settings and 'a.b=c' assignments.

    Args:
        settings: Of any sections, as {"train": {"epochs": 3}}, or by dotted name, as {"train.epochs": 3};
            `recipe: published` among them stands for what recipe gives, other settings winning.
        assignments: That replace them.

    Raises:
        UserError: Settings that are unknown or not allowed, each by name, or one that is given twice.
    """
    given = {} if settings is None else settings
    if not isinstance(given, Mapping):
        raise UserError(f"settings must be a mapping, as {{'code_length': 16}}, got {in_short(given)}")
    by_name = {str(name): value for name, value in given.items()}
    twice = clash(by_name)
    if twice is not None:
        raise UserError(f"settings give {twice[1]} twice, as {twice[0]} too")
    nested = with_overrides(with_overrides({}, by_name), parse_assignments(assignments))
    if "recipe" in nested:
        nested = _merged(with_overrides({}, recipe(nested.pop("recipe"), nested)), nested)
    try:
        config = Config.model_validate(nested)
    except ValidationError as error:
        raise UserError(validation_line(error, Config)) from None
    if config.image.model:
        from nsh_core.backbones import check_model_of  # with torch, which listing studies does without

        check_model_of(config.image)
    return config


def recipe(name: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name of a method as it was published, where they are not the defaults.

    Args:
        name: Of the recipe: "published".
        settings: Nested, of a run; its method and code length are looked at.

    Raises:
        UserError: There is no such recipe.
    """
    if name != "published":
        raise UserError(f"recipe must be published, or be left out, got {name!r}{nearest(str(name), ['published'])}")
    config = make_config({part: settings[part] for part in ("method", "code_length") if part in settings})
    return dict(METHODS[config.method.name].published(config.code_length))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `over` winning."""
    merged = dict(under)
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
