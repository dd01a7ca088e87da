"""Adam and AdamW as torch has them, without the two seconds in which their first use imports torch's compiler."""

from __future__ import annotations

from typing import Any

import torch


def _plain(method: Any) -> Any:
    """A method without the wrapper that tells the compiler to leave it alone, and for that imports the compiler."""
    return getattr(method, "__wrapped__", method)


class Adam(torch.optim.Adam):
    """torch.optim.Adam, which nobody may compile."""

    add_param_group = _plain(torch.optim.Adam.add_param_group)
    zero_grad = _plain(torch.optim.Adam.zero_grad)
    state_dict = _plain(torch.optim.Adam.state_dict)
    load_state_dict = _plain(torch.optim.Adam.load_state_dict)
    step = torch.no_grad()(_plain(torch.optim.Adam.step))


class AdamW(torch.optim.AdamW):
    """torch.optim.AdamW, which nobody may compile."""

    add_param_group = _plain(torch.optim.AdamW.add_param_group)
    zero_grad = _plain(torch.optim.AdamW.zero_grad)
    state_dict = _plain(torch.optim.AdamW.state_dict)
    load_state_dict = _plain(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(_plain(torch.optim.AdamW.step))
