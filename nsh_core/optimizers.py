"""Adam and AdamW as torch has them, without the two seconds in which their first use imports torch's compiler."""

from __future__ import annotations

from typing import Any

import torch


def _plain(method: Any) -> Any:
    """A method without the wrapper that tells the compiler to leave it alone, and for that imports the compiler."""
    return getattr(method, "__wrapped__", method)


def _uncompiled(kind: Any) -> Any:
    """An optimizer class of torch which nobody may compile."""
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: _plain(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(_plain(kind.step))})


Adam = _uncompiled(torch.optim.Adam)
AdamW = _uncompiled(torch.optim.AdamW)
