import itertools
import math
import sys

import numpy as np
import pytest
import scipy
import torch
import torchsort
from diffsort import DiffSortNet
from hypothesis import given, settings
from hypothesis import strategies as st

from nsh_core import UserError, sorters
from nsh_core.sorters import Sorter
from nsh_core.sorters.distributions import DISTRIBUTIONS
from nsh_core.sorters.networks import bitonic, odd_even
from tests.nsh_core import softtorch_values

VARIANTS = [
    ("softsort", {}),
    ("neuralsort", {}),
    ("torchsort", {"regularization": "l2"}),
    ("torchsort", {"regularization": "kl"}),
    *[(f"diffsort_{net}", {"distribution": name}) for net in ("odd_even", "bitonic") for name in DISTRIBUTIONS],
    ("sinkhorn", {}),
    ("lapsum", {}),
]
ERROR_FREE = [(f"diffsort_{net}", {"swap": "error_free"}) for net in ("odd_even", "bitonic")]
HARD = [("blackbox", {}), ("argsort", {})]
ALL = [*VARIANTS, *ERROR_FREE, *HARD]


def distinct_keys(rows: int, n: int, seed: int = 0) -> torch.Tensor:
    """Keys at least 0.25 apart, in random order."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.stack([torch.randperm(n, generator=generator) for _ in range(rows)])
    return order.double() * 0.5 + 0.25 * torch.rand(rows, n, generator=generator, dtype=torch.double)


def binary_code_keys(rows: int, n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 9, (rows, n), generator=torch.Generator().manual_seed(seed)).double()


def test_names_and_faces():
    assert sorters.names() == [
        "softsort", "neuralsort", "torchsort", "diffsort_odd_even", "diffsort_bitonic", "sinkhorn", "lapsum",
        "blackbox", "dftopk", "argsort",
    ]  # fmt: skip
    for name in sorters.names():
        sorter = sorters.build_masks(name)
        assert isinstance(sorter, Sorter) == sorters.sorts_lists(name)
        assert name == "argsort" or any(year in sorter.paper for year in map(str, range(2019, 2027)))
        low, high = sorter.search_range
        assert low <= sorter.default_temperature <= high
        assert sorter.temperature == sorter.default_temperature


@pytest.mark.parametrize(("name", "options"), ALL)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("make_keys", [distinct_keys, binary_code_keys])
def test_payload_form_is_the_permutation_times_the_payload(name, options, n, make_keys):
    keys, payload = make_keys(4, n), torch.randn(4, n, dtype=torch.double)
    sorter = sorters.build(name, **options)
    matrix = sorter.permutation(keys)
    assert matrix.shape == (4, n, n)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=2), torch.ones(4, n, dtype=torch.double))
    torch.testing.assert_close(sorter.sort_payload(keys, payload), (matrix @ payload[:, :, None])[:, :, 0])


@pytest.mark.parametrize(("name", "options"), ALL)
@pytest.mark.parametrize("n", [2, 5, 12, 16])
def test_low_temperature_is_argsort(name, options, n):
    keys = distinct_keys(3, n)
    hard = sorters.build("argsort").permutation(keys)
    cold = {} if name == "argsort" else {"temperature": 1e-6}
    torch.testing.assert_close(sorters.build(name, **options, **cold).permutation(keys), hard, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("name", "options"), ALL)
@pytest.mark.parametrize("make_keys", [distinct_keys, binary_code_keys])
def test_masks_are_the_first_rows_of_the_permutation(name, options, make_keys):
    keys, sorter = make_keys(4, 8), sorters.build(name, **options)
    matrix = sorter.permutation(keys)
    masks = sorter.first(keys, (0, 3, 5, 8))
    rows = torch.stack([matrix[:, :count].sum(dim=1) for count in (0, 3, 5, 8)], dim=1)
    torch.testing.assert_close(masks, rows)
    if (name, options) not in HARD:
        hard = sorters.build(name, hard_forward=True, **options).first(keys, (0, 3, 5, 8))
        torch.testing.assert_close(hard, sorters.build("argsort").first(keys, (0, 3, 5, 8)))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradients_of_keys_and_payload(name, options):
    keys = distinct_keys(2, 6).requires_grad_()
    payload = torch.randn(2, 6, dtype=torch.double, requires_grad=True)
    sorter = sorters.build(name, temperature=4.0, **options)
    assert torch.autograd.gradcheck(sorter.permutation, (keys,))
    assert torch.autograd.gradcheck(sorter.sort_payload, (keys, payload))
    assert torch.autograd.gradcheck(lambda given: sorter.first(given, (0, 2, 6)), (keys,))
    gradient = torch.autograd.grad(sorter.sort_payload(keys, payload).square().sum(), keys)[0]
    assert gradient.abs().max() > 1e-3


def test_the_control_gives_the_keys_no_gradient():
    keys = distinct_keys(2, 6).requires_grad_()
    payload = torch.randn(2, 6, dtype=torch.double, requires_grad=True)
    ordered = sorters.build("argsort").sort_payload(keys, payload)
    ordered.square().sum().backward()
    assert keys.grad is None
    assert torch.equal(payload.grad, 2 * payload.detach())


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_hard_forward_sort_has_the_values_of_argsort_and_the_gradient_of_its_backend(name, options):
    keys, payload, weights = binary_code_keys(3, 8), *torch.randn(2, 3, 8, dtype=torch.double)
    hard, soft, both = (
        sorters.build("argsort"), sorters.build(name, **options), sorters.build(name, hard_forward=True, **options)
    )  # fmt: skip
    faces = [
        lambda sorter, k, p: torch.einsum("bjk,bk->bj", sorter.permutation(k), p),
        lambda sorter, k, p: sorter.sort_payload(k, p),
        lambda sorter, k, p: sorter.sort_levels(k, p, 9).by_rank(8),
    ]
    for face in faces:
        gradients = []
        for sorter in (hard, soft, both):
            given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
            ranked = face(sorter, *given)
            gradients.append(torch.autograd.grad((ranked * weights).sum(), given, allow_unused=True))
        assert torch.equal(ranked, hard.sort_payload(keys, payload))
        torch.testing.assert_close(gradients[2][0], gradients[1][0])
        torch.testing.assert_close(gradients[2][1], gradients[0][1])


def test_softsort_is_its_formula():
    keys = distinct_keys(2, 5)
    ranked = keys.sort(dim=1, descending=True).values
    for row in range(2):
        for rank in range(5):
            weights = torch.tensor([math.exp(-abs(ranked[row, rank] - key) / 0.7) for key in keys[row]])
            torch.testing.assert_close(
                sorters.build("softsort", temperature=0.7).permutation(keys)[row, rank].float(), weights / weights.sum()
            )


def test_neuralsort_is_the_papers_formula():
    s = distinct_keys(1, 7)[0]
    n, temperature = len(s), 0.4
    absolute = (s[:, None] - s[None, :]).abs()
    rows = [
        (((n + 1 - 2 * j) * s - absolute @ torch.ones(n, dtype=torch.double)) / (n * temperature)).softmax(0)
        for j in range(1, n + 1)
    ]
    torch.testing.assert_close(
        sorters.build("neuralsort", temperature=temperature).permutation(s[None])[0], torch.stack(rows)
    )


@pytest.mark.parametrize(
    ("method", "build"),
    [
        ("softsort", lambda softness: sorters.build("softsort", temperature=softness)),
        # Squared distances to ranks at 0..1: twice the temperature.
        ("ot", lambda softness: sorters.build("sinkhorn", temperature=softness / 2, iterations=3000)),
        (
            "sorting_network",
            lambda softness: sorters.build("diffsort_bitonic", temperature=softness, distribution="logistic"),
        ),
    ],
)
@pytest.mark.parametrize("softness", softtorch_values.SOFTNESS)
@pytest.mark.parametrize("n", softtorch_values.SIZES)
def test_permutations_are_softtorchs(method, build, softness, n):
    stored = np.load(softtorch_values.FILE)
    keys = softtorch_values.keys_of(n).requires_grad_()
    matrix = build(softness).permutation(keys)
    expected = torch.tensor(stored[f"{method} {n} {softness}"])
    torch.testing.assert_close(matrix, expected, atol=1e-9, rtol=0)
    if method != "ot":
        gradient = torch.autograd.grad((matrix * softtorch_values.weights_of(n)).sum(), keys)[0]
        torch.testing.assert_close(gradient, torch.tensor(stored[f"{method} {n} {softness} gradient"]))


@pytest.mark.parametrize("temperature", [0.05, 0.8, 20.0])
@pytest.mark.parametrize("regularization", ["l2", "kl"])
@pytest.mark.parametrize("make_keys", [distinct_keys, binary_code_keys])
def test_soft_ranks_and_their_gradient_are_torchsorts(temperature, regularization, make_keys):
    keys = make_keys(3, 9).requires_grad_()
    strength = temperature / (9 if regularization == "l2" else math.log(9))
    library = torchsort.soft_rank(-keys, regularization, strength)
    ours = sorters.build("torchsort", temperature=temperature, regularization=regularization).soft_ranks(keys)
    torch.testing.assert_close(ours, library)
    weights = torch.randn(3, 9, dtype=torch.double)
    ours_gradient, library_gradient = (
        torch.autograd.grad((ranks * weights).sum(), keys)[0] for ranks in (ours, library)
    )
    torch.testing.assert_close(ours_gradient, library_gradient)


def test_entropic_ranks_stay_finite_where_the_library_overflows():
    keys = (torch.arange(64.0) * 8)[None].requires_grad_()
    sorter = sorters.build("torchsort", temperature=0.3, regularization="kl")
    gradient = torch.autograd.grad(sorter.sort_payload(keys, torch.randn(1, 64)).sum(), keys)[0]
    assert gradient.isfinite().all()


@pytest.mark.parametrize("distribution", list(DISTRIBUTIONS))
@pytest.mark.parametrize(
    ("network", "n"), [("odd_even", 2), ("odd_even", 5), ("odd_even", 8), ("bitonic", 8), ("bitonic", 16)]
)
def test_networks_are_diffsorts(distribution, network, n):
    keys = distinct_keys(3, n)
    library = DiffSortNet(network, n, steepness=1 / 0.8, distribution=distribution, art_lambda=0.3)
    ascending, matrix = library(-keys)
    sorter = sorters.build(f"diffsort_{network}", temperature=0.8, distribution=distribution, art_lambda=0.3)
    torch.testing.assert_close(sorter.permutation(keys), matrix.transpose(1, 2), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(sorter.sort_payload(keys, keys), -ascending, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("distribution", list(DISTRIBUTIONS))
@pytest.mark.parametrize("network", [odd_even, bitonic])
@pytest.mark.parametrize("make_keys", [distinct_keys, binary_code_keys])
def test_error_free_swaps_are_hard_forward_and_soft_backward_in_every_comparator(distribution, network, make_keys):
    keys, payload, weights = make_keys(3, 7), *torch.randn(2, 3, 7, dtype=torch.double)
    name = {odd_even: "diffsort_odd_even", bitonic: "diffsort_bitonic"}[network]
    sorter = sorters.build(name, temperature=0.8, distribution=distribution, art_lambda=0.3, swap="error_free")
    given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
    ours = sorter.sort_payload(*given)
    gradients = torch.autograd.grad((ours * weights).sum(), given)
    # Ties may stand in another order than argsort's.
    ranked = sorter.sort_payload(keys, keys)
    assert torch.equal(ranked, keys.sort(dim=1, descending=True).values)

    given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
    wires = [torch.stack(pair, dim=1) for pair in zip(given[0].unbind(1), given[1].unbind(1), strict=True)]
    layers = network(7)
    for low, high in itertools.chain.from_iterable(layers.layers):
        first, second = wires[low], wires[high]
        v = (first[:, 0] - second[:, 0]) / 0.8
        weight = DISTRIBUTIONS[distribution].weight(v, 1 / 0.8, 0.3)[:, None]
        hard = (v >= 0).double()[:, None]
        pairs = [(first, second), (second, first)]
        soft, exact = ([w * a + (1 - w) * b for a, b in pairs] for w in (weight, hard))
        wires[low], wires[high] = (s + (e - s).detach() for s, e in zip(soft, exact, strict=True))
    reference = torch.stack([wires[wire][:, 1] for wire in layers.output], dim=1)
    torch.testing.assert_close(ours, reference)
    for mine, theirs in zip(gradients, torch.autograd.grad((reference * weights).sum(), given), strict=True):
        torch.testing.assert_close(mine, theirs)


@given(st.integers(1, 40), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_networks_sort_any_length(n, random):
    values = [random.randrange(10) for _ in range(n)]
    for network in (odd_even(n), bitonic(n)):
        wires = list(values)
        for layer in network.layers:
            touched = [wire for pair in layer for wire in pair]
            assert len(touched) == len(set(touched))
            for low, high in layer:
                wires[low], wires[high] = sorted((wires[low], wires[high]))
        assert [wires[place] for place in network.output] == sorted(values)


def test_sinkhorn_columns_sum_to_one_when_converged():
    keys = binary_code_keys(3, 10)
    matrix = sorters.build("sinkhorn", temperature=0.5, iterations=300).permutation(keys)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(3, 10, dtype=torch.double), atol=1e-8, rtol=0)


@given(
    st.lists(st.integers(0, 12) | st.floats(-5, 5), min_size=1, max_size=9),
    st.floats(-1, 1.5).map(lambda power: 10**power),
)
@settings(max_examples=60, deadline=None)
def test_lapsum_is_its_definition_with_thresholds_found_by_a_solver(values, temperature):
    keys, n = np.array(values, dtype=float), len(values)

    def above(threshold):
        return scipy.stats.laplace.cdf((keys - threshold) / temperature)

    far = 60 * temperature
    ends = keys.min() - far, keys.max() + far
    thresholds = [scipy.optimize.brentq(lambda b, j=j: above(b).sum() - j, *ends, xtol=1e-13) for j in range(1, n)]
    shares = np.stack([np.zeros(n), *(above(b) for b in thresholds), np.ones(n)])
    matrix = sorters.build("lapsum", temperature=temperature).permutation(torch.tensor(keys)[None])[0]
    torch.testing.assert_close(matrix, torch.tensor(np.diff(shares, axis=0)), atol=1e-9, rtol=0)
    torch.testing.assert_close(matrix.sum(dim=0), torch.ones(n, dtype=torch.double))


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_single_precision_stays_finite_at_any_temperature(name, options, temperature):
    keys = torch.randint(0, 129, (4, 32)).float().requires_grad_()
    ordered = sorters.build(name, temperature=temperature, **options).sort_payload(keys, torch.randn(4, 32))
    assert ordered.isfinite().all()
    assert torch.autograd.grad(ordered.sum(), keys)[0].isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("quicksort", {}, "unknown sorter 'quicksort', known: softsort"),
        ("softsort", {"steepness": 1}, "no option 'steepness', it takes: temperature"),
        ("softsort", {"temperature": 0}, "temperature must be a positive number, got 0"),
        ("softsort", {"temperature": float("nan")}, "got nan"),
        ("argsort", {"temperature": 1.0}, "no option 'temperature', it takes: none"),
        ("argsort", {"hard_forward": True}, "argsort is hard already"),
        ("blackbox", {"hard_forward": True}, "blackbox is hard already"),
        ("dftopk", {}, "dftopk gives masks of first ranks and sorts no list: take build_masks"),
        ("sinkhorn", {"iterations": 0}, "at least 1, got 0"),
        ("torchsort", {"regularization": "l3"}, "one of l2, kl, got 'l3'"),
        ("diffsort_bitonic", {"distribution": "uniform"}, "one of logistic"),
        ("diffsort_bitonic", {"art_lambda": 2}, "at most 1, got 2"),
        ("diffsort_bitonic", {"swap": "hard"}, "swap must be one of soft, error_free, got 'hard'"),
    ],
)
def test_bad_options_are_named(name, options, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        sorters.build(name, **options)


def test_shapes_are_checked():
    sorter = sorters.build("softsort")
    with pytest.raises(ValueError, match=r"'keys' must be floats of shape \[B, n\]"):
        sorter.permutation(torch.zeros(3))
    with pytest.raises(ValueError, match=r"'payload' must have the shape of 'keys', got \[2, 4\] for \[2, 3\]"):
        sorter.sort_payload(torch.zeros(2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("returned", "got"),
    [(torch.zeros(2, 3), r"\[2, 3\]"), (torch.zeros(2, 3, 4), r"\[2, 3, 4\]"), (None, "NoneType")],
)
def test_a_permutation_of_another_shape_is_named(returned, got):
    class Bad(Sorter):
        default_temperature, search_range = 1.0, (0.1, 1.0)

        def permutation(self, keys):
            return returned

    keys = torch.ones(2, 3)
    message = rf"^permutation must return \[rows, n, n\], here \[2, 3, 3\], got {got}$"
    for use in (lambda: Bad().sort_levels(keys, keys, 4), lambda: Bad().first(keys, [1, 2])):
        with pytest.raises(ValueError, match=message):
            use()


def test_torchsort_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchsort", None)
    with pytest.raises(UserError, match=r"which is not installed: pip install --no-build-isolation torchsort"):
        sorters.build("torchsort")


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="already SoftSort"):
        sorters.register("softsort", sorters.backend("argsort"))


LEVEL_VARIANTS = [(name, options) for name, options in ALL if not name.startswith("diffsort")]


def mean_over_orders_of_ties(sorter, keys, payload, weights):
    """Gradients of the dense form, averaged over all orders of the items."""
    count = keys.shape[1]
    orders = torch.tensor(list(itertools.permutations(range(count))))
    # All orders in one batch: row b * n! + p is row b in order p.
    given = [values[:, orders].flatten(0, 1).requires_grad_() for values in (keys, payload)]
    ranked = torch.einsum("bjk,bk->bj", sorter.permutation(given[0]), given[1])
    loss = (ranked * weights.repeat_interleave(len(orders), dim=0)).sum()
    places = orders.expand(len(keys), -1, -1)
    totals = []
    for gradient in torch.autograd.grad(loss, given):
        own = gradient.view(places.shape)
        totals.append(torch.zeros_like(own).scatter(2, places, own).mean(dim=1))
    return totals


# Below 0.05 bits the library's soft ranks of ties differ by rounding, which the slope 1 / temperature magnifies.
@pytest.mark.parametrize(
    ("name", "options", "temperature"),
    [
        (name, options, temperature)
        for name, options in LEVEL_VARIANTS
        for temperature in (1e-3, 0.05, 0.5, 3.0, 50.0)
        if (name, options) not in HARD and not (name == "torchsort" and temperature < 0.05)
    ],
)
def test_level_form_is_the_dense_one_and_its_gradient_the_mean_over_ties(name, options, temperature):
    generator = torch.Generator().manual_seed(3)
    keys = torch.randint(0, 5, (4, 6), generator=generator).double()
    payload, weights = torch.randn(2, 4, 6, generator=generator, dtype=torch.double)
    sorter = sorters.build(name, temperature=temperature, **options)
    assert sorter.level_form == "levels"
    given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
    ranked = sorter.sort_levels(*given, levels=9).by_rank(6)
    dense = torch.einsum("bjk,bk->bj", sorter.permutation(keys), payload)
    torch.testing.assert_close(ranked, dense, atol=1e-9, rtol=1e-9)
    gradients = torch.autograd.grad((ranked * weights).sum(), given)
    for ours, expected in zip(gradients, mean_over_orders_of_ties(sorter, keys, payload, weights), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-9)


@given(
    st.sampled_from(LEVEL_VARIANTS),
    st.integers(1, 70),
    st.integers(1, 140),
    st.floats(-2, 2).map(lambda power: 10**power),
    st.integers(0, 2**31),
)
@settings(max_examples=80, deadline=None)
def test_level_form_of_any_size(variant, n, bits, temperature, seed):
    name, options = variant
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randint(0, bits + 1, (3, n), generator=generator).double()
    payload = torch.randn(3, n, generator=generator, dtype=torch.double)
    sorter = sorters.build(name, **options, **({} if name == "argsort" else {"temperature": temperature}))
    ranked = sorter.sort_levels(keys, payload, bits + 1)
    if ranked.counts is not None:
        assert torch.equal(ranked.counts.sum(dim=1), torch.full((3,), float(n), dtype=torch.double))
    dense = torch.einsum("bjk,bk->bj", sorter.permutation(keys), payload)
    torch.testing.assert_close(ranked.by_rank(n), dense, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("name", "options"), LEVEL_VARIANTS)
def test_level_form_stays_finite_in_single_precision(name, options, temperature):
    generator = torch.Generator().manual_seed(0)
    keys = torch.randint(0, 129, (4, 32), generator=generator).float().requires_grad_()
    payload = torch.randn(4, 32, generator=generator).requires_grad_()
    sorter = sorters.build(name, **options, **({} if name == "argsort" else {"temperature": temperature}))
    ranked = sorter.sort_levels(keys, payload, 129).by_rank(32)
    assert ranked.isfinite().all()
    ranked.square().sum().backward()
    assert payload.grad.isfinite().all()
    assert keys.grad is None or keys.grad.isfinite().all()


@pytest.mark.parametrize(("name", "options"), LEVEL_VARIANTS)
def test_chunks_of_rows_change_nothing(name, options, monkeypatch):
    keys, payload = binary_code_keys(9, 7), torch.randn(9, 7, dtype=torch.double)
    sorter = sorters.build(name, **options)

    def results():
        given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
        ranked = sorter.sort_levels(*given, levels=9).by_rank(7)
        ranked.square().sum().backward()
        return [ranked, given[1].grad, torch.zeros(()) if given[0].grad is None else given[0].grad]

    whole = results()
    monkeypatch.setattr("nsh_core.sorters.levels._CHUNK", 20)
    for ours, expected in zip(results(), whole, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("name", ["diffsort_odd_even", "diffsort_bitonic"])
def test_networks_recompute_in_chunks(name, monkeypatch):
    keys, payload = distinct_keys(9, 7), torch.randn(9, 7, dtype=torch.double)
    sorter = sorters.build(name)

    def results():
        given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
        ranked = sorter.sort_payload(*given)
        return [ranked, *torch.autograd.grad(ranked.square().sum(), given)]

    whole = results()
    monkeypatch.setattr("nsh_core.sorters.diffsort_networks._KEPT", 100)
    for ours, expected in zip(results(), whole, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("make_keys", [distinct_keys, binary_code_keys, lambda rows, n: torch.ones(rows, n).double()])
@pytest.mark.parametrize("temperature", [1e-4, 0.3, 100.0])
def test_prefix_scans_have_the_gradient_of_the_dense_softsort(make_keys, temperature):
    sorter = sorters.build("softsort", temperature=temperature)
    keys, payload, weights = make_keys(3, 21), torch.randn(3, 21).double(), torch.randn(3, 21).double()
    results = []
    for sort in (sorter.sort_payload, lambda k, p: torch.einsum("bjk,bk->bj", sorter.permutation(k), p)):
        given = keys.clone().requires_grad_(), payload.clone().requires_grad_()
        ranked = sort(*given)
        results.append([ranked, *torch.autograd.grad((ranked * weights).sum(), given)])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-9)
