"""Weights of timm's models: fetched by name, or from a file."""

from __future__ import annotations

import hashlib
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from nsh_core.errors import UserError
from nsh_core.registry import nearest_file


def fetched(timm: Any, name: str, settings: dict[str, Any]) -> nn.Module:
    """A model with the weights that timm has for it, from the network or Hugging Face's cache.

    Args:
        timm: The package.
        name: Of the model.
        settings: For its construction.

    Raises:
        UserError: There are none, or they cannot be had.
    """
    facts = timm.get_pretrained_cfg(name)
    if not facts.has_weights:
        raise UserError(f"timm has no weights for {name}: image.weights = random, or a file, goes without")
    try:
        return timm.create_model(name, pretrained=True, **settings)
    except Exception as error:  # of hub, network and disk, each with its own types
        line = " ".join(str(error).split())[:200]
        source = f"https://huggingface.co/{facts.hf_hub_id}" if facts.hf_hub_id else facts.url
        raise UserError(
            f"cannot get the weights of timm:{name} ({line}): fetch {source} where there is a network, into Hugging "
            "Face's cache ($HF_HOME), or give their file as image.weights; image.weights = random goes without"
        ) from None


def of_file(timm: Any, name: str, file: str, settings: dict[str, Any]) -> nn.Module:
    """A model with the weights of a file: as timm saves them, or in a form that timm converts, as torchvision's.

    A classifier in the file is left out. Nothing else may be missing or left over.

    Args:
        timm: The package.
        name: Of the model.
        file: .safetensors, or what torch.save wrote; loaded without running code of it.
        settings: For its construction.

    Raises:
        UserError: It cannot be read, or is of another model.
    """
    digest_of(file)  # whether it can be read
    try:
        with warnings.catch_warnings(action="ignore"):
            held = dict(timm.models.load_state_dict(file, weights_only=True))
    except Exception:  # of pickle, zip and safetensors, each with its own types
        raise UserError(
            f"image.weights = {file} holds no weights: it must be a .safetensors file, or tensors by name that "
            "torch.save wrote"
        ) from None
    facts = timm.get_pretrained_cfg(name)
    heads = [facts.classifier] if isinstance(facts.classifier, str) else facts.classifier or ()
    bare = {key: value for key, value in held.items() if key.rpartition(".")[0] not in heads}
    if not bare:  # timm would take the hub's in their place
        raise UserError(f"image.weights = {file} holds no weights{' but those of a classifier' if held else ''}")
    reasons = []
    # Of a foreign form the classifier is known by its conversion alone: such weights go in with it.
    for classes, state in ((0, bare), (facts.num_classes, held)):
        overlay = {"state_dict": state, "num_classes": classes}
        try:
            net = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay, **settings | {"num_classes": classes}
            )
        except (RuntimeError, KeyError, ValueError) as error:
            reasons.append(" ".join(str(error).split())[:200])
            continue
        net.pretrained_cfg.pop("state_dict", None)
        net.reset_classifier(0)
        return net
    raise UserError(f"image.weights = {file} does not fit timm:{name}: {reasons[0]}")


def digest_of(file: str) -> str:
    """Identifies the content of a file of weights, 16 hex digits.

    Args:
        file: As image.weights names it.

    Raises:
        UserError: It cannot be read.
    """
    path = Path(file)
    try:
        status = os.stat(path)
        return _digest(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot read image.weights = {file}: {reason}{nearest_file(path)}") from None


@lru_cache
def _digest(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]
