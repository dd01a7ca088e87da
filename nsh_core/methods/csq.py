"""CSQ, central similarity quantization (Yuan et al., CVPR 2020): a supervised ceiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.data import Dataset
from nsh_core.data.labels import training_labels
from nsh_core.losses import quantization
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, MethodOptions, Range
from nsh_core.methods.hash_centers import centers_of
from nsh_core.model import Outputs
from nsh_core.sending import sent


class CSQ(DeepMethod):
    """Binary cross entropy of the relaxed code of either view to the hash centre of the item's class; quantisation.

    With u = tanh(h) and the centre c it is that of (u + 1) / 2 to (c + 1) / 2 (eq. 5). It learns from labels.
    """

    paper = "Yuan et al., Central Similarity Quantization for Efficient Image and Video Retrieval, CVPR 2020"
    information = "labels"

    class Options(MethodOptions):
        """Options of CSQ."""

        quantization_weight: float = Field(0.05, ge=0, le=1e3, description="of (|tanh h| - 1)^2")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {"train.learning_rate": LEARNING_RATE, "method.options.quantization_weight": Range(1e-4, 1.0)}

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        return recipes.csq()

    @classmethod
    @override
    def prepare(cls, config: Config, dataset: Dataset) -> Tensor:
        """The centre of each training item [n, K]."""
        return torch.from_numpy(centers_of(training_labels(dataset), config.code_length).astype(np.float32))

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        logits = torch.cat([first.logits, second.logits], dim=-2)
        own = torch.stack([centers[index] for centers, index in zip(self.prepared, self.items, strict=True)])
        target = sent(torch.cat([own, own], dim=-2), logits.device)
        # (tanh h + 1) / 2 = sigmoid(2 h); an item without any label has no centre, and no part in this term.
        entropy = binary_cross_entropy_with_logits(2 * logits, (target + 1) / 2, target.abs(), reduction="none")
        central = entropy.mean(dim=(-2, -1))
        relaxed = torch.cat([first.relaxed, second.relaxed], dim=-2)
        rounding = quantization(relaxed)
        loss = central + self.setting("quantization_weight", logits).view(-1) * rounding
        return {"central": central, "quantization": rounding, "loss": loss}
