"""The backbone of a config, and what is known of it before it is built."""

from __future__ import annotations

from nsh_core.backbones.base import Backbone
from nsh_core.backbones.names import kind_of
from nsh_core.backbones.timm_models import TimmBackbone, default_tag, dim_of
from nsh_core.backbones.timm_models import check_name as check_model
from nsh_core.backbones.trained import TrainedBackbone
from nsh_core.backbones.weights import digest_of
from nsh_core.errors import UserError
from nsh_core.sections import ImageConfig


def check_model_of(config: ImageConfig) -> None:
    """Looks whether timm, where it is installed, has the model of a config.

    Args:
        config: Section `image` of a config.

    Raises:
        UserError: It has not; the message has the names next to it.
    """
    if kind_of(config.backbone) is TimmBackbone:
        check_model(config.model)


def build_backbone(config: ImageConfig) -> Backbone:
    """The backbone of a config.

    Args:
        config: Section `image` of a config.

    Raises:
        UserError: A missing package, weights that cannot be had, or a size that does not fit.
    """
    kind = kind_of(config.backbone)
    if kind is TimmBackbone:
        return TimmBackbone(config.model, config.weights, config.size)
    return kind(config.weights == "pretrained", config.size)


def dim_of_features(config: ImageConfig) -> int:
    """D of the features of a config's backbone, which is not built for that.

    Args:
        config: Section `image` of a config.

    Raises:
        UserError: As build_backbone, weights left out.
    """
    kind = kind_of(config.backbone)
    return dim_of(config.model, config.size) if kind is TimmBackbone else kind.dim


def weights_version(config: ImageConfig) -> str:
    """What tells weights of one name apart: the digest of a file, the tag behind a name of timm's that has none.

    Args:
        config: Section `image` of a config.

    Returns:
        Nothing where the name says it all.

    Raises:
        UserError: The file cannot be read, or timm cannot be had.
    """
    if config.weights_are_a_file:
        return f"sha256:{digest_of(config.weights)}"
    named = config.weights == "random" or "." in config.model
    return "" if named or kind_of(config.backbone) is not TimmBackbone else default_tag(config.model)


def check_weights(config: ImageConfig, version: str) -> None:
    """Looks whether weights are those that features were made with.

    Args:
        config: Section `image` of a config.
        version: As weights_version gave it then.

    Raises:
        UserError: They are others, or as weights_version.
    """
    here = weights_version(config)
    if here != version:
        raise UserError(
            f"the features are of {config.backbone} with image.weights = {config.weights} ({version}), and here that "
            f"is {here}: put the same weights there"
        )


def trained_backbone(config: ImageConfig) -> TrainedBackbone:
    """The backbone of a config, to be trained.

    Args:
        config: Section `image` of a config.

    Raises:
        UserError: As build_backbone, or it has not so many stages or no checkpointing.
    """
    keep_statistics = not config.from_scratch and config.weights != "random"
    return TrainedBackbone(build_backbone(config), keep_statistics, config.trained_stages, config.checkpointing)
