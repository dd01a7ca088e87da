"""Shorter codes of a model that was trained for them."""

from __future__ import annotations

import copy

from nsh_core.errors import UserError
from nsh_core.hasher import Hasher


def shortened(hasher: Hasher, bits: int) -> Hasher:
    """A hasher whose codes are the first bits of those of a nested model, of which it shares the weights.

    Args:
        hasher: Trained with loss.nested.
        bits: One of the lengths there, or its code_length.

    Returns:
        A hasher that is not evaluated.

    Raises:
        UserError: The model was not trained for that length.
    """
    lengths = hasher.config.loss.nested or [hasher.config.code_length]
    if bits not in (*lengths, hasher.config.code_length):
        more = "" if hasher.config.loss.nested else "; loss.nested trains one for several"
        raise UserError(f"the hasher was trained for codes of {', '.join(map(str, lengths))} bits, got {bits}{more}")
    short = copy.copy(hasher)
    short.config = hasher.config.model_copy(update={"code_length": bits})
    short.model = copy.copy(hasher.model)
    short.model.config = short.config
    short.take(
        {"metrics": {}, "history": [], "curves": {}, "nearest": [], "seconds": hasher.seconds, "codes_sha256": ""}
    )
    return short
