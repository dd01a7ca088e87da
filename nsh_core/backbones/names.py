"""What image.backbone may be."""

from __future__ import annotations

from typing import Any

from nsh_core.errors import UserError
from nsh_core.registry import BACKBONES

_FORMER = {
    "vgg16": "timm:vgg16.tv_in1k",
    "resnet50": "timm:resnet50.tv_in1k",
    "vit_b_16": "timm:vit_base_patch16_224, whose weights are others",
    "dinov2": "timm:vit_base_patch14_dinov2.lvd142m",
}


def kind_of(name: str) -> Any:
    """The registered backbone of a name, "kind" or "kind:MODEL".

    Args:
        name: As a config has it.

    Raises:
        UserError: There is none.
    """
    return BACKBONES[name.partition(":")[0]]


def check_name(name: str) -> None:
    """Looks whether a name is one of a backbone; which models timm has is not looked at.

    Args:
        name: As a config has it.

    Raises:
        UserError: It is not; the message has the known ones, or what an earlier one is called now.
    """
    kind, colon, model = name.partition(":")
    if name in _FORMER and name not in BACKBONES:
        raise UserError(f"backbone {name!r} is now {_FORMER[name]}")
    if kind not in BACKBONES:
        raise UserError(BACKBONES.unknown(name))
    BACKBONES[kind]  # raises where its package fails
    takes_model = f"{kind}:NAME" in BACKBONES.usages()
    if takes_model and not model:
        raise UserError(f"backbone {name!r} wants the name of a model: {kind}:NAME, as timm:resnet50")
    if colon and not takes_model:
        raise UserError(f"backbone {kind} takes no name of a model, got {name!r}")
