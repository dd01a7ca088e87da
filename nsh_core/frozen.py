"""Features of images by a frozen backbone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.backbones import Backbone, build_backbone
from nsh_core.in_order import in_order
from nsh_core.sections import ImageConfig

_WEIGHTS_SEED = 0
_AT_ONCE = 4  # on the CPU, whose caches hold what a network makes of so many images: three times as fast as 64


def device_of_frozen() -> torch.device:
    """Where frozen backbones compute."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def arithmetic() -> str:
    """How they compute there, on which the last digits of features depend."""
    device = device_of_frozen()
    return f"float32 on cpu, {_AT_ONCE} images at once" if device.type == "cpu" else f"bfloat16 on {device.type}"


class FrozenBackbone:
    """Images to features, on the GPU where there is one, and there in bfloat16.

    Args:
        image: The backbone, its weights (random ones are drawn by a fixed seed) and the size of the images it sees.

    Attributes:
        dim: D, values of an image's features.
        device: Where it computes.

    Raises:
        UserError: The backbone cannot be had.
    """

    def __init__(self, image: ImageConfig) -> None:
        self.device = device_of_frozen()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_WEIGHTS_SEED)
            self._backbone = build_backbone(image).to(self.device).eval()
        if isinstance(self._backbone, Backbone):  # one of a plug-in may be any module
            with torch.inference_mode():
                self._backbone.freeze()
        self.dim = self._backbone.dim

    def __call__(self, images: Tensor) -> npt.NDArray[np.float32]:
        """Features [n, dim] of images [n, 3, H, W] in [0, 1]; torch's threads share them, and each computes alone."""
        if self.device.type != "cpu":
            return self.alone(images)
        return np.concatenate(list(in_order(self.alone, images.split(_AT_ONCE), torch.get_num_threads())))

    @torch.inference_mode()
    def alone(self, images: Tensor) -> npt.NDArray[np.float32]:
        """The same in the thread that calls: for one of several which share batches among them.

        Args:
            images: As above.
        """
        if self.device.type == "cpu":
            return torch.cat([self._backbone(some).float() for some in images.split(_AT_ONCE)]).numpy()
        return self._in_bfloat16(images)

    def _in_bfloat16(self, images: Tensor) -> npt.NDArray[np.float32]:
        with torch.autocast(self.device.type, torch.bfloat16):
            return self._backbone(images.to(self.device)).float().cpu().numpy()
