"""Features of images by a frozen backbone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsh_core.backbones import Backbone, build_backbone
from nsh_core.sections import ImageConfig

_WEIGHTS_SEED = 0


class FrozenBackbone:
    """Images to features, on the GPU where there is one, and there in bfloat16.

    Args:
        image: The backbone, its weights (random ones are drawn by a fixed seed) and the size of the images it sees.

    Attributes:
        dim: D, values of an image's features.

    Raises:
        UserError: The backbone cannot be had.
    """

    def __init__(self, image: ImageConfig) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_WEIGHTS_SEED)
            self._backbone = build_backbone(image).to(self._device).eval()
        if isinstance(self._backbone, Backbone):  # one of a plug-in may be any module
            with torch.inference_mode():
                self._backbone.freeze()
        self.dim = self._backbone.dim

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> npt.NDArray[np.float32]:
        """Features [n, dim] of images [n, 3, H, W] in [0, 1]."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            return self._backbone(images.to(self._device)).float().cpu().numpy()
