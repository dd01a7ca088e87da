"""SortedNCE of codes and latents, a block of anchors at a time: no matrix of all pairs is ever kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from typing_extensions import override

from nsh_core.fused.levels import as_words
from nsh_core.fused.threads import on_threads
from nsh_core.sorters.kernel import Kernel

Array = npt.NDArray[Any]
# Pairs of a block, 2 MB in float32, so that what one step writes the next finds in the cache; and of a thread at least.
_BLOCK = 2**19
_OF_THREAD = 2**17


def sorted_nce_of_codes(
    kernel: Kernel,
    codes: tuple[Tensor, Tensor],
    latents: tuple[Tensor, Tensor],
    temperatures: list[float],
    selection: slice,
    num_positives: int,
) -> Tensor:
    """SortedNCE of R runs whose anchors sort items by the Hamming distance of codes.

    What sort_levels and sorted_nce give for keys of agreeing bits and a payload of latent similarity over temperature.

    Args:
        kernel: Of a sorter.
        codes: Of anchors and of items, [R, n, K] in -1/+1 each.
        latents: Of anchors and of items, [R, n, d] each.
        temperatures: Of the similarities, for each run.
        selection: Ranks that repel; see losses.selection.
        num_positives: m, the first ranks, which attract.

    Returns:
        [R], means over anchors and positives.
    """
    chosen = num_positives, selection.start, selection.stop
    return _SortedNCE.apply(kernel, temperatures, chosen, *codes, *latents)


class _SortedNCE(torch.autograd.Function):
    """The gradients are worked out with the loss: each anchor's weight is known, and the pairs are at hand."""

    @staticmethod
    @override
    def forward(
        ctx: Any, kernel: Kernel, temperatures: list[float], selection: tuple[int, int, int], *inputs: Tensor
    ) -> Tensor:
        wanted = ctx.needs_input_grad[3:]
        losses, gradients = [], []
        for run, temperature in enumerate(temperatures):
            loss, own = _of_run(kernel, temperature, selection, [one[run] for one in inputs], wanted)
            losses.append(loss)
            gradients.append(own)
        saved = [
            _stacked(own) if want else None for own, want in zip(zip(*gradients, strict=True), wanted, strict=True)
        ]
        ctx.save_for_backward(*saved)
        return _stacked(losses).mean(dim=1)

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradient[:, None, None]
        return None, None, None, *(None if one is None else one * scale for one in ctx.saved_tensors)


def _of_run(
    kernel: Kernel,
    temperature: float,
    selection: tuple[int, int, int],
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
) -> tuple[Tensor, list[Tensor | None]]:
    """The losses of anchors [n], and the gradients of their mean by each of the inputs that is wanted."""
    anchors, items, anchor_latents, item_latents = inputs
    n, bits = anchors.shape
    anchor_words, item_words = as_words(anchors.numpy()), as_words(items.numpy())
    settings = item_words, bits, selection, (0.5 / n, 1 / (temperature * n)), kernel.parameters
    step = min(n, max(1, _BLOCK // len(items)))
    pairs = anchors.new_empty(step, len(items)), anchors.new_empty(step, len(items))
    losses: list[Tensor] = []
    gradients: list[list[Tensor]] = [[], [], [], []]
    transposed = item_latents.t()
    # A split of one part costs little, slices of small batches add up.
    for own, latents in zip(anchors.split(step), anchor_latents.split(step), strict=True):
        start, count = len(losses) * step, len(own)
        payload, by_key = pairs if count == step else (pairs[0][:count], pairs[1][:count])
        loss = own.new_empty(count)
        torch.mm(latents, transposed, out=payload).div_(temperature)
        rows = payload.numpy(), by_key.numpy(), loss.numpy(), anchor_words[start : start + count]
        on_threads(kernel.rows, rows, settings)
        losses.append(loss)
        if wanted[0]:
            gradients[0].append(by_key @ items)
        if wanted[1]:
            gradients[1].append(by_key.t() @ own)
        if wanted[2]:
            gradients[2].append(payload @ item_latents)
        if wanted[3]:
            gradients[3].append(payload.t() @ latents)
    by_anchors = [torch.cat(parts) if parts else None for parts in gradients[::2]]
    by_items = [sum(parts[1:], parts[0]) if parts else None for parts in gradients[1::2]]
    return torch.cat(losses), [by_anchors[0], by_items[0], by_anchors[1], by_items[1]]


def _stacked(runs: Sequence[Tensor]) -> Tensor:
    return runs[0][None] if len(runs) == 1 else torch.stack(list(runs))
