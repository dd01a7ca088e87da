import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsh_core import sorters

whole = st.integers(0, 4).map(float)
rows = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(whole | st.floats(-5, 5), min_size=n, max_size=n), st.lists(st.floats(-3, 3), min_size=n, max_size=n)
    )
)


def tensor(values) -> torch.Tensor:
    return torch.tensor([list(values)], dtype=torch.double)


def first_of_rank(keys: np.ndarray) -> np.ndarray:
    """Whole ranks from 1, the largest key first, ties by index."""
    return np.argsort(np.argsort(-keys, kind="stable")) + 1.0


def moved_at_most(d: np.ndarray, temperature: float) -> float:
    """The lambda of a row."""
    return temperature / np.ptp(d)


@given(rows, st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_the_gradient_of_ranks_is_that_of_a_second_sort(row, temperature):
    """Rolinek et al.: -(rk(s) - rk(s + lambda d)) / lambda, ranks by brute force over permutations."""
    keys, d = (np.array(values) for values in row)
    given_keys = tensor(keys).requires_grad_()
    ranks = sorters.backend("blackbox")(temperature).ranks(given_keys)
    np.testing.assert_array_equal(ranks.detach().numpy()[0], first_of_rank(keys))
    gradient = torch.autograd.grad((ranks * tensor(d)).sum(), given_keys)[0][0].numpy()
    if np.ptp(d) < 1e-6:
        assert np.abs(gradient).max() < 1e-4 * len(keys) / temperature
        return
    size = moved_at_most(d, temperature)
    orders = np.array(list(itertools.permutations(range(1, len(keys) + 1))), dtype=float)
    costs = orders @ (keys + size * d)
    best = orders[costs < costs.min() + 1e-9]
    expected = (best - first_of_rank(keys)) / size
    # Keys that the perturbation makes equal have several solutions, and rounding picks one.
    assert np.abs(expected - gradient).sum(axis=1).min() < 1e-6


@pytest.mark.parametrize("temperature", [0.3, 2.0, 20.0])
def test_the_gradient_of_ranks_is_that_of_the_piecewise_linear_interpolation(temperature):
    """Vlastelica et al.: f_lambda(s) = f(y') - (c(s, y) - c(s, y')) / lambda, by finite differences."""
    rng = np.random.default_rng(0)
    orders = np.array(list(itertools.permutations(range(1, 6))), dtype=float)
    for _ in range(20):
        keys, d = rng.normal(size=5) * 3, rng.normal(size=5)
        size = moved_at_most(d, temperature)

        def interpolated(at, d=d, size=size):
            solved = orders[np.argmin(orders @ at)]
            moved = orders[np.argmin(orders @ (at + size * d))]
            return d @ moved - (at @ solved - at @ moved) / size

        slopes = [(interpolated(keys + step) - interpolated(keys - step)) / 2e-7 for step in 1e-7 * np.eye(5)]
        given_keys = tensor(keys).requires_grad_()
        ranks = sorters.backend("blackbox")(temperature).ranks(given_keys)
        gradient = torch.autograd.grad((ranks * tensor(d)).sum(), given_keys)[0]
        np.testing.assert_allclose(gradient.numpy()[0], slopes, atol=1e-5)


@pytest.mark.parametrize("keys", [[3.0, 1.0, 2.0, 2.0, 2.0], [0.3, -1.2, 4.0, 2.2, 0.7]])
def test_the_list_hands_ranks_the_nearest_linear_function_over_all_permutations(keys):
    """d is found here by least squares from the linearised loss of all 120 orders of the payload."""
    generator = torch.Generator().manual_seed(1)
    payload, weights = torch.randn(2, 1, 5, generator=generator, dtype=torch.double)
    ranks = first_of_rank(np.array(keys))
    values, w = payload[0].numpy(), weights[0].numpy()
    listed = values[np.argsort(ranks)]
    g = 2 * w**2 * listed
    orders = np.array(list(itertools.permutations(range(5))))
    losses = values @ g[orders].T
    d = np.linalg.lstsq(np.c_[orders + 1.0, np.ones(120)], losses, rcond=None)[0][:5]

    sorter = sorters.build("blackbox", temperature=1.7)
    given_keys, given_payload = tensor(keys).requires_grad_(), payload.clone().requires_grad_()
    loss = (weights * sorter.sort_levels(given_keys, given_payload, 9).by_rank(5)).square().sum()
    gradients = torch.autograd.grad(loss, (given_keys, given_payload))
    size = moved_at_most(d, 1.7)
    np.testing.assert_allclose(gradients[0].numpy()[0], (first_of_rank(np.array(keys) + size * d) - ranks) / size)
    np.testing.assert_allclose(gradients[1].numpy()[0][np.argsort(ranks)], g)


@given(st.integers(1, 9), st.integers(0, 2**31), st.floats(0.3, 5))
@settings(max_examples=40, deadline=None)
def test_list_and_permutation_have_one_gradient(n, seed, temperature):
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randint(0, 5, (3, n), generator=generator).double()
    payload, weights = torch.randn(2, 3, n, generator=generator, dtype=torch.double)
    sorter = sorters.build("blackbox", temperature=temperature)
    results = []
    for face in (sorter.sort_payload, lambda k, p: torch.einsum("bjk,bk->bj", sorter.permutation(k), p)):
        inputs = keys.clone().requires_grad_(), payload.clone().requires_grad_()
        results.append(torch.autograd.grad((face(*inputs) * weights).sum(), inputs))
    for ours, dense in zip(*results, strict=True):
        torch.testing.assert_close(ours, dense)


def test_the_gradient_scales_with_the_loss_and_a_mean_payload_changes_nothing():
    generator = torch.Generator().manual_seed(2)
    keys = torch.randint(0, 9, (4, 12), generator=generator).double().requires_grad_()
    payload, weights = torch.randn(2, 4, 12, generator=generator, dtype=torch.double)
    sorter = sorters.build("blackbox")

    def gradient(factor: float, shift: float) -> torch.Tensor:
        return torch.autograd.grad(factor * (sorter.sort_payload(keys, payload + shift) * weights).sum(), keys)[0]

    torch.testing.assert_close(gradient(64.0, 0.0), 64 * gradient(1.0, 0.0))
    torch.testing.assert_close(gradient(1.0, 5.0), gradient(1.0, 0.0))
    assert gradient(1.0, 0.0).abs().max() > 1e-2


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e3])
def test_single_precision_stays_finite_at_any_temperature(temperature):
    keys = torch.randint(0, 129, (4, 32), generator=torch.Generator().manual_seed(0)).float().requires_grad_()
    sorter = sorters.build("blackbox", temperature=temperature)
    for scale in (1e-30, 1.0, 1e30):
        ordered = sorter.sort_payload(keys, torch.randn(4, 32, generator=torch.Generator().manual_seed(1)) * scale)
        assert torch.autograd.grad((ordered * torch.arange(32)).sum(), keys)[0].isfinite().all()


def test_a_stronger_pull_of_the_loss_lifts_keys_that_it_wants_first():
    """Two items in the wrong order: the gradient lowers the key of the first and raises that of the second."""
    keys = torch.tensor([[2.0, 1.0]], requires_grad=True)
    ordered = sorters.build("blackbox", temperature=2.0).sort_payload(keys, torch.tensor([[0.0, 1.0]]))
    gradient = torch.autograd.grad(-ordered[:, 0].sum(), keys)[0]
    assert gradient[0, 0] > 0 > gradient[0, 1]
