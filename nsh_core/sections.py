"""The sections of a run's configuration: frozen, validated, each setting with its range and meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from nsh_core.errors import UserError
from nsh_core.registry import BACKBONES, METHODS, SORTERS, Registry, nearest
from nsh_core.settings import validation_line

_WEIGHTS = ("pretrained", "random")
_WEIGHT_FILES = (".safetensors", ".pth", ".pt")


class Section(BaseModel):
    """What all sections are. Strict: true is no 1, and text is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _entry_of(registry: Registry[Any], name: str) -> str:
    """The name, where the registry knows it."""
    try:
        registry[name]
    except UserError as error:
        raise ValueError(str(error)) from None
    return name


class ModelConfig(Section):
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


class MethodConfig(Section):
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


class SorterConfig(Section):
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
        from nsh_core import sorters

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
    def lists(self) -> bool:
        """Whether the backend sorts a list; one that does not gives masks of first ranks alone."""
        from nsh_core import sorters

        return sorters.sorts_lists(self.name)

    @property
    def softness(self) -> float:
        """The temperature, in bits; the backend's default where it is left open."""
        return SORTERS[self.name].default_temperature if self.temperature is None else self.temperature


class LossConfig(Section):
    """The terms of the loss and their weights; a weight of 0 leaves a term out."""

    surrogate: Literal["sorted_nce", "masked_nce", "listwise", "pairwise"] = Field(
        "sorted_nce",
        description="how the latents teach the codes: SortedNCE on the list that the codes sort, masked_nce with the "
        "sorter's mask of its first ranks alone, or without any sorter listwise (cross entropy of two softmaxes) or "
        "pairwise (InfoNCE, positives by the latents)",
    )
    sorted_nce_weight: float = Field(1.0, ge=0, le=1e3, description="weight of the surrogate")
    nce_temperature: float = Field(0.3, ge=1e-3, le=100, description="tau of SortedNCE, masked_nce and pairwise")
    teacher_temperature: float = Field(0.1, ge=1e-3, le=100, description="of latent similarities in listwise")
    student_temperature: float = Field(0.2, ge=1e-3, le=100, description="of cosines of codes in listwise")
    softmaxes: int = Field(
        1,
        ge=1,
        le=2,
        description="2: SortedNCE's cross entropy is of probabilities, as in public re-implementations",
    )
    num_positives: int = Field(5, ge=1, le=4096, description="m, first ranks taken as positives")
    gap: int = Field(0, ge=0, le=4096, description="ranks left out between positives and negatives")
    negatives: Annotated[str, Field(pattern=r"^(all|(hardest|farthest|random)-[1-9]\d*)$")] = Field(
        "all", description="all, hardest-k (right after m and the gap), farthest-k or random-k"
    )
    stop_gradient: bool = Field(
        True, description="keep SortedNCE and masked_nce from moving the latents Z; the other surrogates never do"
    )
    anchor_weight: float = Field(1.0, ge=0, le=1e3, description="weight of NT-Xent between the two views")
    anchor_temperature: float = Field(0.3, ge=1e-3, le=100, description="temperature of NT-Xent")
    code_anchor_weight: float = Field(
        0.0, ge=0, le=1e3, description="weight of NT-Xent between the codes of the two views, as in CIBHash"
    )
    code_anchor_temperature: float = Field(0.3, ge=1e-3, le=100, description="temperature of that NT-Xent")
    balance_weight: float = Field(0.1, ge=0, le=1e3, description="weight of the mean code squared, per bit")
    quantization_weight: float = Field(0.0, ge=0, le=1e3, description="weight of (|tanh h| - 1)^2")
    nested: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        default_factory=list,
        description="code lengths that one model is trained for, ascending: its first bits are a code of each, and "
        "code_length of them are kept; empty: for code_length alone",
    )

    @field_validator("nested")
    @classmethod
    def _ascending(cls, lengths: list[int]) -> list[int]:
        if lengths != sorted(set(lengths)):
            raise ValueError(f"lengths must ascend, each once, as {sorted(set(lengths))}")
        return lengths

    @property
    def sorts(self) -> bool:
        """Whether the surrogate asks a sorter."""
        return self.surrogate in ("sorted_nce", "masked_nce")


class ImageConfig(Section):
    """What images go through before the encoder; other data leave it alone."""

    backbone: str = Field(
        "small_cnn",
        description="small_cnn is trained from scratch; efficientnet_lite0 and _lite2 come from .[efficientnet], "
        "timm:NAME from .[vision]",
    )
    weights: str = Field(
        "pretrained", description="pretrained, random, or for timm:NAME a file that ends in .safetensors, .pth or .pt"
    )
    finetune: bool = Field(False, description="train the backbone too; else its features are extracted once")
    trained_stages: int | None = Field(
        None, ge=1, le=1000, description="how many of its last stages finetune trains; none: all"
    )
    checkpointing: bool = Field(
        False, description="finetune within less memory: activations within blocks are computed again for gradients"
    )
    learning_rate: float = Field(1e-5, gt=0, le=1, description="of a fine-tuned backbone, at the top of the schedule")
    size: int = Field(224, ge=8, le=1024, description="side of the images that backbones but small_cnn see")
    views: Literal["simclr", "cibhash", "moco"] = Field("simclr", description="recipe of the augmented views")
    stored_views: int = Field(8, ge=2, le=1024, description="views of each image that a frozen backbone extracts")

    @field_validator("backbone")
    @classmethod
    def _backbone(cls, name: str) -> str:
        from nsh_core.backbones import names

        try:
            names.check_name(name)
        except UserError as error:
            raise ValueError(str(error)) from None
        return name

    @field_validator("weights")
    @classmethod
    def _name_or_file(cls, weights: str) -> str:
        if weights not in _WEIGHTS and not weights.endswith(_WEIGHT_FILES):
            raise ValueError(
                f"must be {', '.join(_WEIGHTS)}, or a file that ends in {', '.join(_WEIGHT_FILES)}, got {weights!r}"
                f"{nearest(weights, _WEIGHTS)}"
            )
        return weights

    @model_validator(mode="after")
    def _settings_of_the_backbone(self) -> ImageConfig:
        if self.weights_are_a_file and not self.model:
            raise ValueError(
                f"image.weights = {self.weights} is for timm:NAME alone; {self.backbone} takes {', '.join(_WEIGHTS)}"
            )
        for name, idle in (("trained_stages", None), ("checkpointing", False)):
            if getattr(self, name) != idle and (self.from_scratch or not self.finetune):
                told = f"image.{name} = {getattr(self, name)} says nothing"
                if self.from_scratch:
                    raise ValueError(f"{told} about {self.backbone}, which is trained from scratch: leave it out")
                raise ValueError(f"{told} about a frozen backbone: leave it out, or take image.finetune = true")
        return self

    @property
    def model(self) -> str:
        """NAME of timm:NAME; empty for a backbone that is one by itself."""
        return self.backbone.partition(":")[2]

    @property
    def weights_are_a_file(self) -> bool:
        """Whether weights are a file's."""
        return self.weights not in _WEIGHTS

    @property
    def from_scratch(self) -> bool:
        """Whether the backbone has no weights of its own and sees images as they are."""
        return BACKBONES[self.backbone.partition(":")[0]].from_scratch

    @property
    def frozen(self) -> bool:
        """Whether the backbone stays as it is, so that its features can be extracted once."""
        return not self.from_scratch and not self.finetune


class TrainConfig(Section):
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
