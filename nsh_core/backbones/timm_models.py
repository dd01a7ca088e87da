"""Backbones of timm (Wightman 2019), of the optional extra .[vision]: timm:NAME."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from nsh_core.backbones.base import Backbone
from nsh_core.backbones.weights import fetched, of_file
from nsh_core.errors import UserError
from nsh_core.packages import lacking, need

_WHOM = "this backbone"
_NEAR = 3  # names that a message offers


class TimmBackbone(Backbone):
    """What a model of timm gives without its classifier: pooled maps, a class token, fc7 of a VGG after its ReLU.

    Mean and deviation of the channels are those that its weights were trained with.

    Args:
        name: Of the model, with the tag of its weights or without: "vgg16", "resnet50.tv_in1k".
        weights: "pretrained" (by timm, from Hugging Face's hub or cache), "random", or a file.
        side: Of the images that it sees.

    Raises:
        UserError: A missing package, an unknown name, a side that the model does not take, or weights that cannot be
            had or do not fit.
    """

    dim = 0  # of each model its own

    def __init__(self, name: str, weights: str, side: int) -> None:
        self.dim = dim_of(name, side)
        timm, settings = _timm(), _settings(name, side)
        if weights == "random":
            net = timm.create_model(name, **settings)
        else:
            net = fetched(timm, name, settings) if weights == "pretrained" else of_file(timm, name, weights, settings)
        _without_chance(net)
        seen = timm.data.resolve_model_data_config(net)
        self.means, self.deviations = seen["mean"], seen["std"]
        super().__init__(side)
        self.net = net

    @override
    def stages(self) -> list[list[nn.Parameter]]:
        if not hasattr(self.net, "group_matcher"):
            return super().stages()
        named = dict(self.net.named_parameters())
        parts = _timm().models.group_parameters(self.net, self.net.group_matcher(coarse=True))
        return [[named[name] for name in parts[part]] for part in sorted(parts)]

    @override
    def checkpoint_activations(self) -> None:
        self.net.set_grad_checkpointing(True)

    @override
    def features(self, images: Tensor) -> Tensor:
        return self.net(images)


@lru_cache  # a study makes thousands of configs
def check_name(name: str) -> None:
    """Looks whether timm has a model; without timm that is left to whoever builds it.

    Args:
        name: Of the model.

    Raises:
        UserError: It has none; the message has the names next to it.
    """
    if not lacking("torchvision", _WHOM) and not lacking("timm", _WHOM):
        _check_name(_timm(), name)


def default_tag(name: str) -> str:
    """The tag of the weights that timm means by a name without one.

    Args:
        name: Of the model.

    Raises:
        UserError: As TimmBackbone, for package and name.
    """
    timm = _timm()
    _check_name(timm, name)
    return timm.get_pretrained_cfg(name).tag


@lru_cache
def dim_of(name: str, side: int) -> int:
    """D, values of a model's features; found without weights.

    Args:
        name: Of the model.
        side: Of the images that it sees.

    Raises:
        UserError: As TimmBackbone, weights left out.
    """
    timm = _timm()
    _check_name(timm, name)
    with torch.device("meta"), torch.no_grad():
        try:
            net = timm.create_model(name, **_settings(name, side)).eval()
            _check_patches(timm, net, name, side)
            features = net(torch.empty(1, 3, side, side))
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            line = " ".join(str(error).split())[:200]
            made = timm.get_pretrained_cfg(name).input_size[-1]
            raise UserError(
                f"image.size = {side} does not suit timm:{name}, which is made for {made} ({line})"
            ) from None
    return features.shape[1]


def _timm() -> Any:
    # timm imports it, and alone can say how it is mended.
    need("torchvision", _WHOM)
    return need("timm", _WHOM)


def _check_name(timm: Any, name: str) -> None:
    known = timm.list_models() + timm.list_pretrained()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=_NEAR)
        offer = f"; near are {', '.join(near)}" if near else ""
        raise UserError(f"timm {timm.__version__} has no model {name!r}{offer}")


def _settings(name: str, side: int) -> dict[str, Any]:
    """How a model is made: without classifier, for images of a side where it must know that beforehand."""
    fixed = _timm().get_pretrained_cfg(name).fixed_input_size
    return {"num_classes": 0} | ({"img_size": side} if fixed else {})


def _check_patches(timm: Any, net: nn.Module, name: str, side: int) -> None:
    """Raises UserError where patches would leave a rest of the image out."""
    for module in net.modules():
        if isinstance(module, timm.layers.PatchEmbed) and side % module.patch_size[0]:
            patch = module.patch_size[0]
            near = max(side // patch, 1) * patch
            raise UserError(f"image.size must be a multiple of {patch} for timm:{name}, got {side}; near is {near}")


def _without_chance(net: nn.Module) -> None:
    """Leaves nothing out at random in training: that would come from torch's random numbers, not from the run's."""
    for module in net.modules():
        for rate in ("drop_prob", "p"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)
