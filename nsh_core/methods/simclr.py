"""SimCLR (Chen et al., ICML 2020) with the sign taken afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from nsh_core.config import Config
from nsh_core.losses import nt_xent
from nsh_core.methods import recipes
from nsh_core.methods.base import LEARNING_RATE, DeepMethod, MethodOptions, Range
from nsh_core.model import Outputs
from nsh_core.unit import unit


class SimCLR(DeepMethod):
    """NT-Xent on K continuous values; training knows no codes, which are their signs."""

    paper = "Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020"

    class Options(MethodOptions):
        """Options of SimCLR."""

        temperature: float = Field(0.3, ge=1e-3, le=100, description="of NT-Xent")

    @classmethod
    @override
    def search_space(cls, config: Config) -> Mapping[str, Range]:
        return {"train.learning_rate": LEARNING_RATE, "method.options.temperature": Range(0.1, 1.0)}

    @classmethod
    @override
    def published(cls, code_length: int) -> Mapping[str, Any]:
        """CIBHash's recipe: the baseline of its paper."""
        return recipes.contrastive(code_length)

    @override
    def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        one, other = (unit(view.logits) for view in (first, second))
        contrast = nt_xent(one, other, self.setting("temperature", one))
        return {"contrast": contrast, "loss": contrast}
