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
        # A run alone, the usual case of small batches, is spared the copy.
        join = torch.stack if len(gradients) > 1 else lambda own: own[0][None]
        ctx.save_for_backward(
            *(join(own) if want else None for own, want in zip(zip(*gradients, strict=True), wanted, strict=True))
        )
        return join(losses).mean(dim=1)

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
    words = as_words(anchors.numpy()), as_words(items.numpy())
    loss = anchors.new_empty(n)
    settings = bits, selection, (0.5 / n, 1 / (temperature * n)), kernel.parameters
    gradients: list[Tensor | None] = [None] * len(inputs)
    step = min(n, max(1, _BLOCK // len(items)))
    buffers = anchors.new_empty(2, step, len(items))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        payload, by_key = buffers[:, : n - start]
        torch.mm(anchor_latents[rows], item_latents.T, out=payload).div_(temperature)
        on_threads(
            kernel.rows,
            [one.numpy() for one in (payload, by_key, loss[rows])] + [words[0][rows]],
            (words[1], *settings),
        )
        products = (
            (by_key, items),
            (by_key.T, anchors[rows]),
            (payload, item_latents),
            (payload.T, anchor_latents[rows]),
        )
        for place, (by_pairs, others) in enumerate(products):
            if wanted[place]:
                known, own = gradients[place], by_pairs @ others
                if known is None:
                    gradients[place] = own
                else:
                    gradients[place] = torch.cat([known, own]) if place % 2 == 0 else known.add_(own)
    return loss, gradients
