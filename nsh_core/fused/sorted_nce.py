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
from nsh_core.stacked import stacked

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
    both: bool = False,
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
        both: Whether the items are anchors too, whose items are the anchors.

    Returns:
        [R], means over anchors and positives.
    """
    chosen = num_positives, selection.start, selection.stop
    return _SortedNCE.apply(kernel, temperatures, chosen, both, *(one.contiguous() for one in (*codes, *latents)))


class _SortedNCE(torch.autograd.Function):
    """The gradients are worked out with the loss: each anchor's weight is known, and the pairs are at hand."""

    @staticmethod
    @override
    def forward(
        ctx: Any,
        kernel: Kernel,
        temperatures: list[float],
        selection: tuple[int, int, int],
        both: bool,
        *inputs: Tensor,
    ) -> Tensor:
        wanted = ctx.needs_input_grad[4:]
        of_run = _of_both if both else _of_run
        losses, gradients = [], []
        for run, temperature in enumerate(temperatures):
            loss, own = of_run(kernel, temperature, selection, [one[run] for one in inputs], wanted)
            losses.append(loss)
            gradients.append(own)
        saved = [stacked(own) if want else None for own, want in zip(zip(*gradients, strict=True), wanted, strict=True)]
        ctx.save_for_backward(*saved)
        return stacked(losses).mean(dim=1)

    @staticmethod
    @once_differentiable
    @override
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scale = gradient[:, None, None]
        return None, None, None, None, *(None if one is None else one * scale for one in ctx.saved_tensors)


def _of_both(
    kernel: Kernel,
    temperature: float,
    selection: tuple[int, int, int],
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
) -> tuple[Tensor, list[Tensor | None]]:
    """_of_run for the anchors of either view."""
    n = len(inputs[0])
    if n * n <= _BLOCK:
        return _of_both_at_once(kernel, temperature, selection, inputs, wanted)
    swapped = [1, 0, 3, 2]
    loss, gradients = _of_run(kernel, temperature, selection, inputs, wanted)
    others = [inputs[place] for place in swapped], [wanted[place] for place in swapped]
    back, by_swapped = _of_run(kernel, temperature, selection, *others)
    for gradient, other in zip(gradients, [by_swapped[place] for place in swapped], strict=True):
        if gradient is not None and other is not None:
            gradient.add_(other).div_(2)
    return torch.cat([loss, back]), gradients


def _of_both_at_once(
    kernel: Kernel,
    temperature: float,
    selection: tuple[int, int, int],
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
) -> tuple[Tensor, list[Tensor | None]]:
    """_of_both of few items: what both directions know of a pair is added up before its products are taken."""
    codes, latents = inputs[:2], inputs[2:]
    n, bits = codes[0].shape
    payload, by_key = codes[0].new_empty(2, n, n), codes[0].new_empty(2, n, n)
    loss = codes[0].new_empty(2, n)
    torch.mm(latents[0], latents[1].t(), out=payload[0]).div_(temperature)
    payload[1].copy_(payload[0].t())
    words = [as_words(own.numpy()) for own in codes]
    rest = bits, selection, (0.25 / n, 0.5 / (temperature * n)), kernel.parameters
    arrays = payload.numpy(), by_key.numpy(), loss.numpy(), words
    for *rows, items in zip(*arrays, words[::-1], strict=True):
        on_threads(kernel.rows, rows, (items, *rest))
    gradients: list[Tensor | None] = [None] * 4
    for which, (pairs, views) in enumerate(((by_key, codes), (payload, latents))):
        whole = pairs[0].add_(pairs[1].t())
        for place, own in enumerate((whole, whole.t())):
            if wanted[2 * which + place]:
                gradients[2 * which + place] = own @ views[1 - place]
    return loss.view(-1), gradients


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
    by_anchors: list[list[Tensor]] = [[], []]
    by_items: list[Tensor | None] = [None, None]
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
        for which, (gradient, one, other) in enumerate(((by_key, own, items), (payload, latents, item_latents))):
            if wanted[2 * which]:
                by_anchors[which].append(gradient @ other)
            if wanted[2 * which + 1]:
                so_far = by_items[which]
                by_items[which] = gradient.t() @ one if so_far is None else so_far.addmm_(gradient.t(), one)
    codes, latent = (torch.cat(parts) if parts else None for parts in by_anchors)
    return torch.cat(losses), [codes, by_items[0], latent, by_items[1]]
