from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsh_core import make_config
from nsh_core.fused import carry_to_ranks, sorted_nce, sorted_nce_of_codes, threads
from nsh_core.fused.exponentials import exponentials
from nsh_core.losses import agreeing_bits
from nsh_core.losses.selection import negative_ranks
from nsh_core.losses.sorted_nce import sorted_nce_by_anchor
from nsh_core.methods.nsh import NSH
from nsh_core.sorters import backend, build, torchsort_ranks
from nsh_core.sorters.levels import ByChunks
from nsh_core.sorters.softsort import SoftSort

ON_LEVELS = ["softsort", "neuralsort", "lapsum", "sinkhorn"]
NETWORKS = [(name, swap) for name in ("diffsort_odd_even", "diffsort_bitonic") for swap in ("soft", "error_free")]
NCE_TEMPERATURE = 0.3


def batch(runs, n, bits, seed, dtype=torch.float64):
    """Codes around few centres, so that levels are shared, and latents, of two views."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(runs, 3, bits, generator=generator)
    centre = centres[:, torch.randint(3, (n,), generator=generator)]
    codes = [torch.where(centre + torch.randn(runs, n, bits, generator=generator) >= 0, 1.0, -1.0) for _ in range(2)]
    latents = [torch.nn.functional.normalize(torch.randn(runs, n, 6, generator=generator), dim=2) for _ in range(2)]
    return [one.to(dtype).requires_grad_() for one in (*codes, *latents)]


def by_pairs(sorter, given, m, gap, negatives):
    """The loss from matrices of all pairs."""
    losses = []
    for run in range(len(given[0])):
        codes, latents = [one[run] for one in given[:2]], [one[run] for one in given[2:]]
        n, bits = codes[0].shape
        ranked = sorter.sort_levels(agreeing_bits(*codes), latents[0] @ latents[1].T / NCE_TEMPERATURE, bits + 1)
        losses.append(sorted_nce_by_anchor(ranked, m, gap, negatives, [None], n).mean())
    return torch.stack(losses)


def fused(sorter, given, m, gap, negatives):
    n = given[0].shape[1]
    chosen = negative_ranks(n, n, m, gap, negatives, [])
    temperatures = [NCE_TEMPERATURE] * len(given[0])
    return sorted_nce_of_codes(sorter.kernel_for(given[0]), given[:2], given[2:], temperatures, chosen, m)


def gradients(losses, given):
    """Of losses that weigh differently."""
    weights = torch.arange(1, len(losses) + 1, dtype=losses.dtype)
    return torch.autograd.grad((weights * losses).sum(), given)


@pytest.mark.parametrize("name", ON_LEVELS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_kernels_give_what_matrices_of_all_pairs_give(name, data):
    n, bits = data.draw(st.integers(3, 70)), data.draw(st.integers(1, 130))
    low, high = backend(name).search_range
    sorter = build(name, temperature=data.draw(st.floats(low, high)))
    m = data.draw(st.integers(1, n - 2))
    gap = data.draw(st.integers(0, n - 2 - m))
    kind = data.draw(st.sampled_from(["all", "hardest", "farthest"]))
    negatives = kind if kind == "all" else f"{kind}-{data.draw(st.integers(1, n - m - gap))}"
    given = batch(data.draw(st.integers(1, 3)), n, bits, data.draw(st.integers(0, 1000)))
    if sorter.kernel_for(given[0]) is None:
        assert name in ("neuralsort", "sinkhorn")  # exponents that are no numbers: the others have none such
        return
    expected, got = by_pairs(sorter, given, m, gap, negatives), fused(sorter, given, m, gap, negatives)
    torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)
    for one, other in zip(gradients(got, given), gradients(expected, given), strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("name", ["neuralsort", "sinkhorn"])
@pytest.mark.parametrize(
    ("n", "bits", "temperature"), [(129, 20, 0.06), (700, 64, 0.5), (1501, 64, 2.0), (1601, 9, 1.0)]
)
def test_many_ranks_are_interpolated_to_the_last_digits(name, n, bits, temperature):
    """Stretches whose ranks all are nodes, and stretches with fewer nodes than ranks."""
    sorter = build(name, temperature=temperature)
    given = [
        one[:, :size].detach().requires_grad_() for one, size in zip(batch(1, n, bits, n), (7, n, 7, n), strict=True)
    ]
    codes, latents = given[:2], given[2:]
    keys = agreeing_bits(codes[0][0], codes[1][0])
    ranked = sorter.sort_levels(keys, latents[0][0] @ latents[1][0].T / NCE_TEMPERATURE, bits + 1)
    expected = sorted_nce_by_anchor(ranked, 3, 0, "all", [None], n).mean()[None]
    got = sorted_nce_of_codes(sorter.kernel_for(codes[0]), codes, latents, [NCE_TEMPERATURE], slice(3, n), 3)
    torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)
    for one, other in zip(gradients(got, given), gradients(expected, given), strict=True):
        torch.testing.assert_close(one, other, atol=1e-11, rtol=1e-8)


@pytest.mark.parametrize("name", ON_LEVELS)
def test_kernels_give_the_published_form(name):
    """P [n, n, n], the latents sorted by it, a cross entropy for each positive; ties at most change who gets what."""
    m, sorter, given = 2, build(name), batch(1, 12, 16, seed=3)
    first, second, one, other = (tensor[0] for tensor in given)
    permutation = sorter.permutation(agreeing_bits(first, second))
    logits = torch.einsum("id,ijk,kd->ij", one, permutation, other) / NCE_TEMPERATURE
    terms = [
        torch.nn.functional.cross_entropy(
            torch.cat([logits[:, [j]], logits[:, m:]], dim=1), torch.zeros(12, dtype=torch.int64)
        )
        for j in range(m)
    ]
    expected, got = torch.stack(terms).mean(), fused(sorter, given, m, 0, "all")
    torch.testing.assert_close(got[0], expected, atol=1e-10, rtol=1e-10)
    for mine, theirs in zip(gradients(got, given[2:]), torch.autograd.grad(expected, given[2:]), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize(("name", "swap"), NETWORKS)
def test_networks_sort_as_their_layers_do_in_double_precision(name, swap):
    sorter = build(name, swap=swap)
    for n in (2, 7, 33):
        given = batch(1, n, 24, seed=n)
        single = [tensor.detach().float().requires_grad_() for tensor in given]
        assert sorter.kernel_for(given[0]) is None  # compiled in single precision alone
        expected, got = by_pairs(sorter, given, 1, 0, "all"), fused(sorter, single, 1, 0, "all")
        torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=1e-5)
        for one, other in zip(gradients(got, single), gradients(expected, given), strict=True):
            torch.testing.assert_close(one.double(), other, atol=2e-4 * float(other.abs().max()), rtol=1e-3)


@pytest.mark.parametrize(("name", "swap"), NETWORKS)
def test_networks_sort_any_keys(name, swap):
    sorter = build(name, swap=swap)
    keys, payload, weight = torch.randn(3, 37, 19, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    results = []
    for dtype in (torch.float32, torch.float64):
        pair = [(4 * keys).to(dtype).requires_grad_(), payload.to(dtype).requires_grad_()]
        out = sorter.sort_payload(*pair)
        results.append([out.detach(), *torch.autograd.grad((out * weight.to(dtype)).sum(), pair)])
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single.double(), double, atol=2e-4 * float(double.abs().max()), rtol=1e-3)


@pytest.mark.parametrize("name", [*ON_LEVELS, "diffsort_bitonic"])
def test_blocks_and_threads_change_no_bit(name, monkeypatch):
    sorter, given = build(name), batch(2, 64, 32, seed=1, dtype=torch.float32)
    whole = fused(sorter, given, 5, 0, "all")
    expected = gradients(whole, given)
    monkeypatch.setattr(threads, "_OF_THREAD", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        shared = fused(sorter, given, 5, 0, "all")
        assert torch.equal(shared, whole)
        assert all(map(torch.equal, gradients(shared, given), expected))
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(sorted_nce, "_BLOCK", 1000)  # 15 anchors
    parts = fused(sorter, given, 5, 0, "all")
    assert torch.equal(parts, whole)
    # Sums over all anchors are sums of sums now.
    for one, other in zip(gradients(parts, given), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("block", [2**19, 1000])
@pytest.mark.parametrize("wanted", [(0, 1, 2, 3), (0, 1), (2,)])
def test_both_directions_are_the_mean_of_either(block, wanted, monkeypatch):
    """In one go where all pairs are a block, else one direction after the other."""
    monkeypatch.setattr(sorted_nce, "_BLOCK", block)
    given, sorter = batch(2, 40, 16, seed=4), build("softsort")
    given = [one if place in wanted else one.detach() for place, one in enumerate(given)]
    inputs = [given[place] for place in wanted]
    swapped = [given[place] for place in (1, 0, 3, 2)]
    expected = (fused(sorter, given, 3, 2, "all") + fused(sorter, swapped, 3, 2, "all")) / 2
    chosen = negative_ranks(40, 40, 3, 2, "all", [])
    kernel = sorter.kernel_for(given[0])
    got = sorted_nce_of_codes(kernel, given[:2], given[2:], [NCE_TEMPERATURE] * 2, chosen, 3, both=True)
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(gradients(got, inputs), gradients(expected, inputs), atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("width", [1e-3, 0.5, 20.0])
def test_payload_is_carried_to_ranks_as_by_the_dense_kernel(width):
    """Soft ranks that are ranks among them, where |r - j| has no slope; the form by matrices of other devices too."""
    generator = torch.Generator().manual_seed(0)
    for n in (1, 2, 40):
        distance = torch.randint(9, (12, n), generator=generator)
        by_level = torch.randint(2, 2 * n + 1, (12, 9), generator=generator).double().sort(dim=1).values / 2
        by_level[6:] += torch.rand(6, 1, generator=generator)
        ranks = by_level.gather(1, distance).requires_grad_()
        payload = torch.randn(12, n, generator=generator, dtype=torch.float64).requires_grad_()
        far = (ranks[:, None, :] - torch.arange(1, n + 1)[:, None]).abs() / width
        results = [
            torch.einsum("bjk,bk->bj", (-far).softmax(dim=2), payload),
            carry_to_ranks(ranks, payload, distance, width, 9),
            ByChunks.apply(partial(torchsort_ranks._Chunk, width=width, levels=9), 9 * n, ranks, payload, distance),
        ]
        weight = torch.randn(12, n, generator=generator, dtype=torch.float64)
        expected, *others = ([out, *torch.autograd.grad((out * weight).sum(), (ranks, payload))] for out in results)
        for other in others:
            torch.testing.assert_close(other, expected, atol=1e-9, rtol=1e-9)


def test_exponentials_are_those_of_the_library():
    given = np.concatenate([np.linspace(-708, 709, 20_011), np.linspace(-1, 1, 2_003), [0.0, -1e-300]])
    got = given.copy()
    exponentials(got, np.empty(len(got)))
    np.testing.assert_allclose(got, np.exp(given), rtol=4e-16, atol=0)
    beyond = np.array([-np.inf, -1e5, 1e5, np.inf])
    exponentials(beyond, np.empty(4))
    np.testing.assert_allclose(beyond, np.exp([-708.0, -708.0, 709.0, 709.0]), rtol=4e-16)


def test_single_precision_is_near_double():
    for name in ON_LEVELS:
        given = batch(1, 48, 32, seed=2)
        single = [tensor.detach().float().requires_grad_() for tensor in given]
        for one, other in zip(
            gradients(fused(build(name), single, 5, 0, "all"), single),
            gradients(fused(build(name), given, 5, 0, "all"), given),
            strict=True,
        ):
            torch.testing.assert_close(one.double(), other, atol=2e-6, rtol=1e-3)


def test_only_what_is_wanted_is_worked_out():
    given = batch(1, 16, 8, seed=0)
    detached = [*given[:2], *(tensor.detach() for tensor in given[2:])]
    loss = fused(SoftSort(), detached, 2, 0, "all")
    assert all(map(torch.equal, gradients(loss, detached[:2]), gradients(fused(SoftSort(), given, 2, 0, "all"), given)))
    with torch.no_grad():
        assert torch.equal(fused(SoftSort(), given, 2, 0, "all"), loss)


class SortsOtherwise(SoftSort):
    def sort_levels(self, keys, payload, levels):
        return super().sort_levels(-keys + levels - 1, payload, levels)


def test_a_kernel_is_for_those_that_it_speaks_for():
    codes = torch.ones(1, 8, 16)
    assert build("softsort").kernel_for(codes) is not None
    assert SortsOtherwise().kernel_for(codes) is None
    assert build("softsort").kernel_for(codes.to("meta")) is None
    assert build("softsort").kernel_for(codes.bfloat16()) is None
    assert build("softsort", hard_forward=True).kernel_for(codes) is None
    assert build("diffsort_bitonic", distribution="logistic").kernel_for(codes) is None
    assert build("neuralsort", temperature=0.02).kernel_for(codes) is None
    assert build("sinkhorn", temperature=0.01).kernel_for(codes) is None
    for name in ("torchsort", "blackbox", "argsort"):
        assert build(name).kernel_for(codes) is None


@pytest.mark.parametrize(("changes", "compiled"), [
    ({}, True), ({"gap": 2}, True), ({"negatives": "hardest-4"}, True), ({"negatives": "random-4"}, False),
    ({"softmaxes": 2}, False), ({"surrogate": "masked_nce"}, False), ({"surrogate": "listwise"}, False),
])  # fmt: skip
def test_nsh_takes_kernels_for_lists_whose_ranks_all_anchors_share(changes, compiled):
    config = make_config({"loss": changes})
    method = NSH([config])
    [(_, _, sorter)] = method._alike
    assert (method._kernel(sorter, torch.ones(1, 8, 16), config.loss) is not None) == compiled


def test_words_hold_the_bits():
    codes = np.where(np.random.default_rng(0).random((5, 70)) < 0.5, -1.0, 1.0)
    words = sorted_nce.as_words(codes)
    assert words.shape == (5, 2)
    for code, word in zip(codes, words, strict=True):
        assert [bool(int(word[k // 64]) >> (k % 64) & 1) for k in range(70)] == (code > 0).tolist()
