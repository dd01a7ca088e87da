"""The configuration of one training run: frozen, validated, hashable by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from nsh_core import sorters
from nsh_core.errors import UserError
from nsh_core.registry import BACKBONES, METHODS, SORTERS, Registry, nearest
from nsh_core.settings import parse_assignment, validation_line, with_overrides

# Settings that came when trials were stored already, and the value that means what was before them: there they are no
# part of a digest.
_LATER: dict[str, dict[str, Any]] = {
    "model": {"hash_head": "linear", "hash_width": 1024, "hash_norm": "none"},
    "sorter": {"hard_forward": False},
    "train": {"views": "augmented"},
    "loss": {"surrogate": "sorted_nce", "teacher_temperature": 0.1, "student_temperature": 0.2, "softmaxes": 1},
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _entry_of(registry: Registry[Any], name: str) -> str:
    """The name, where the registry knows it."""
    try:
        registry[name]
    except UserError as error:
        raise ValueError(str(error)) from None
    return name


class ModelConfig(_Frozen):
    """Encoder and heads. Shallow methods need features: their encoder is the identity."""

    encoder: Literal["auto", "mlp", "identity"] = Field(
        "auto", description="mlp from the raw input, identity for ready features; auto: the dataset's choice"
    )
    width: int = Field(256, ge=1, le=65536, description="hidden units of each encoder layer")
    depth: int = Field(2, ge=1, le=16, description="encoder layers")
    hash_head: Literal["linear", "mlp"] = Field(
        "linear", description="mlp: a hidden layer with ReLU before the bits; shallow methods are linear"
    )
    hash_width: int = Field(1024, ge=1, le=65536, description="hidden units of an mlp hash head")
    hash_norm: Literal["none", "batch"] = Field("none", description="batch normalisation of those hidden units")
    latent_dim: int = Field(128, ge=1, le=65536, description="d, dimension of the latent vectors Z")
    latent: Literal["head", "features"] = Field(
        "head", description="Z from a linear head, or the standardised input itself (frozen latents)"
    )
    standardize: Literal["none", "center", "zscore"] = Field(
        "center", description="statistics fitted on training items: none, subtract the mean, or z-score"
    )


class MethodConfig(_Frozen):
    """The hashing method: `name` and its options (see nsh_core.methods), those left out at their defaults."""

    name: str = Field("nsh", description="method, one of nsh_core.methods.names()")
    options: dict[str, float | int | str] = Field(
        default_factory=dict, validate_default=True, description="options of the method, e.g. temperature: 0.3"
    )

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return _entry_of(METHODS, name)

    @field_validator("options")
    @classmethod
    def _of_the_method(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "name" not in info.data:
            return options
        kind = METHODS[info.data["name"]].Options
        try:
            return kind(**options).model_dump()
        except ValidationError as error:
            known = list(kind.model_fields)
            unknown = [name for name in options if name not in known]
            raise ValueError(
                f"{validation_line(error)}; options of {info.data['name']}: {', '.join(known) or 'none'}"
                f"{nearest(unknown[0], known) if unknown else ''}"
            ) from None

    @property
    def settings(self) -> Any:
        """The options as the method's own, validated object."""
        return METHODS[self.name].Options(**self.options)


class SorterConfig(_Frozen):
    """The differentiable sorter: `name` and the options of that backend (see nsh_core.sorters)."""

    name: str = Field("softsort", description="backend, one of nsh_core.sorters.names()")
    temperature: float | None = Field(
        None, gt=0, le=1e4, description="softness in bits of Hamming distance; none: the backend's default"
    )
    hard_forward: bool = Field(
        False, description="the hard list forward, as argsort gives it, with the backend's gradient for the codes"
    )
    options: dict[str, float | int | str] = Field(
        default_factory=dict, description="further options of the backend, e.g. distribution: logistic"
    )

    @model_validator(mode="after")
    def _known_to_the_backend(self) -> SorterConfig:
        try:
            sorters.check(self.name, **self.build_options())
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    def build_options(self) -> dict[str, Any]:
        """Keyword arguments for nsh_core.sorters.build."""
        temperature = {} if self.temperature is None else {"temperature": self.temperature}
        hard = {"hard_forward": True} if self.hard_forward else {}
        return temperature | hard | self.options

    @property
    def softness(self) -> float:
        """The temperature, in bits; the backend's default where it is left open."""
        return SORTERS[self.name].default_temperature if self.temperature is None else self.temperature


class LossConfig(_Frozen):
    """The terms of the loss and their weights; a weight of 0 leaves a term out."""

    surrogate: Literal["sorted_nce", "listwise", "pairwise"] = Field(
        "sorted_nce",
        description="how the latents teach the codes: SortedNCE on the list that the codes sort, or without any sorter "
        "listwise (cross entropy of two softmaxes) or pairwise (InfoNCE, positives by the latents)",
    )
    sorted_nce_weight: float = Field(1.0, ge=0, le=1e3, description="weight of the surrogate")
    nce_temperature: float = Field(0.3, ge=1e-3, le=100, description="tau of SortedNCE and of pairwise")
    teacher_temperature: float = Field(0.1, ge=1e-3, le=100, description="of latent similarities in listwise")
    student_temperature: float = Field(0.2, ge=1e-3, le=100, description="of cosines of codes in listwise")
    softmaxes: Literal[1, 2] = Field(
        1, description="2: SortedNCE's cross entropy is taken of probabilities, as in public re-implementations"
    )
    num_positives: int = Field(5, ge=1, le=4096, description="m, first ranks taken as positives")
    gap: int = Field(0, ge=0, le=4096, description="ranks left out between positives and negatives")
    negatives: Annotated[str, Field(pattern=r"^(all|(hardest|farthest|random)-[1-9]\d*)$")] = Field(
        "all", description="all, hardest-k (right after m and the gap), farthest-k or random-k"
    )
    stop_gradient: bool = Field(
        True, description="keep SortedNCE from moving the latents Z; the other surrogates never do"
    )
    anchor_weight: float = Field(1.0, ge=0, le=1e3, description="weight of NT-Xent between the two views")
    anchor_temperature: float = Field(0.3, ge=1e-3, le=100, description="temperature of NT-Xent")
    code_anchor_weight: float = Field(
        0.0, ge=0, le=1e3, description="weight of NT-Xent between the codes of the two views, as in CIBHash"
    )
    code_anchor_temperature: float = Field(0.3, ge=1e-3, le=100, description="temperature of that NT-Xent")
    balance_weight: float = Field(0.1, ge=0, le=1e3, description="weight of the mean code squared, per bit")
    quantization_weight: float = Field(0.0, ge=0, le=1e3, description="weight of (|tanh h| - 1)^2")


class ImageConfig(_Frozen):
    """What images go through before the encoder; other data leave it alone."""

    backbone: str = Field(
        "small_cnn", description="small_cnn is trained from scratch; the others of the project come from .[vision]"
    )
    weights: Literal["pretrained", "random"] = Field("pretrained", description="of the backbones of .[vision]")
    finetune: bool = Field(False, description="train the backbone too; else its features are extracted once")
    learning_rate: float = Field(1e-5, gt=0, le=1, description="of a fine-tuned backbone, at the top of the schedule")
    size: int = Field(224, ge=8, le=1024, description="side of the images that backbones of .[vision] see")
    views: Literal["simclr", "cibhash", "moco"] = Field("simclr", description="recipe of the augmented views")
    stored_views: int = Field(8, ge=2, le=1024, description="views of each image that a frozen backbone extracts")

    @field_validator("backbone")
    @classmethod
    def _known(cls, name: str) -> str:
        return _entry_of(BACKBONES, name)

    @property
    def from_scratch(self) -> bool:
        """Whether the backbone has no weights of its own and sees images as they are."""
        return BACKBONES[self.backbone].from_scratch

    @property
    def frozen(self) -> bool:
        """Whether the backbone stays as it is, so that its features can be extracted once."""
        return not self.from_scratch and not self.finetune


class TrainConfig(_Frozen):
    """Optimisation."""

    epochs: int = Field(30, ge=1, le=100_000, description="passes over the training items")
    batch_size: int = Field(64, ge=4, le=65536, description="n, anchors per step")
    neighbors: int = Field(
        0, ge=0, le=1000, description="draw every second partner view from so many nearest items by their features"
    )
    views: Literal["augmented", "plain"] = Field(
        "augmented", description="plain: training items as they are in the place of both views"
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="adamw decouples the weight decay; sgd has a momentum of .9"
    )
    learning_rate: float = Field(1e-3, gt=0, le=10, description="highest rate of the schedule")
    weight_decay: float = Field(0.0, ge=0, le=10, description="L2 pull of all weights towards 0")
    schedule: Literal["cosine", "constant", "step"] = Field(
        "cosine", description="of the learning rate, after warm-up; step: a tenth after 40% and again after 80%"
    )
    warmup_epochs: float = Field(1.0, ge=0, le=1e4, description="linear warm-up of the learning rate")
    evaluate_every: int = Field(10, ge=1, le=100_000, description="epochs between validation evaluations")
    patience: int | None = Field(
        None, ge=1, le=10_000, description="evaluations without a better validation mAP before stopping early"
    )
    checkpoint_every: int = Field(1, ge=1, le=100_000, description="epochs between checkpoints, if kept")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where torch sees it")
    bf16: bool = Field(True, description="bfloat16 autocast on CUDA; the CPU always runs in float32")
    threads: int = Field(
        1, ge=1, le=1024, description="CPU threads of the arithmetic; sums depend on it, so it is fixed here"
    )


class Config(_Frozen):
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
        surrogate = self.loss.surrogate
        if surrogate != "sorted_nce":
            for name, allowed in (("stop_gradient", True), ("softmaxes", 1)):
                if getattr(self.loss, name) != allowed:
                    raise ValueError(
                        f"loss.{name} = {getattr(self.loss, name)} says nothing about loss.surrogate = {surrogate}: "
                        f"leave it at {allowed}, or take surrogate = sorted_nce"
                    )
        return self

    def value_of(self, dotted: str) -> Any:
        """The value of a setting by its dotted name; a temperature that is left open is its backend's default.

        Raises:
            KeyError: The section has no such setting.
        """
        settings = self.model_dump()
        settings["sorter"]["temperature"] = self.sorter.softness
        return reduce(lambda node, part: node[part], dotted.split("."), settings)

    def digest(self) -> str:
        """Stable identifier of the content, 12 hex digits; the same for the same settings in any order."""
        settings = self.model_dump(mode="json")
        for section, later in _LATER.items():
            for name, before in later.items():
                if settings[section][name] == before:
                    del settings[section][name]
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def make_config(settings: Mapping[str, Any] | None = None, assignments: Iterable[str] = ()) -> Config:
    """A validated Config from nested settings and 'a.b=c' assignments.

    Args:
        settings: Of any sections; `recipe: published` among them stands for what recipe gives, other settings winning.
        assignments: That replace them.

    Raises:
        UserError: Settings that are unknown or not allowed, each by name.
    """
    nested = with_overrides(settings or {}, dict(parse_assignment(text) for text in assignments))
    if "recipe" in nested:
        nested = _merged(with_overrides({}, recipe(nested.pop("recipe"), nested)), nested)
    try:
        return Config.model_validate(nested)
    except ValidationError as error:
        raise UserError(validation_line(error, Config)) from None


def recipe(name: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name of a method as it was published, where they are not the defaults.

    Args:
        name: Of the recipe: "published".
        settings: Nested, of a run; its method and code length are looked at.

    Raises:
        UserError: There is no such recipe.
    """
    if name != "published":
        raise UserError(f"recipe must be published, or be left out, got {name!r}")
    config = make_config({part: settings[part] for part in ("method", "code_length") if part in settings})
    return dict(METHODS[config.method.name].published(config.code_length))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `over` winning."""
    merged = dict(under)
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
