import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsh_core import UserError, make_config, sorters
from nsh_core.losses import masked_nce


def by_formula(keys: list[float], count: int, temperature: float) -> list[float]:
    ranked = sorted(keys, reverse=True)
    if count in (0, len(keys)):
        return [float(count > 0)] * len(keys)
    threshold = (ranked[count - 1] + ranked[count]) / 2
    return [1 / (1 + math.exp(-(key - threshold) / temperature)) for key in keys]


@given(st.lists(st.integers(0, 6) | st.floats(-5, 5), min_size=1, max_size=9), st.floats(0.05, 10))
@settings(max_examples=60, deadline=None)
def test_masks_are_sigmoids_around_the_midpoint(values, temperature):
    keys = [float(value) for value in values]
    counts = range(len(keys) + 1)
    masks = sorters.build_masks("dftopk", temperature=temperature).first(
        torch.tensor([keys], dtype=torch.double), counts
    )
    expected = [by_formula(keys, count, temperature) for count in counts]
    torch.testing.assert_close(masks[0], torch.tensor(expected, dtype=torch.double))
    assert (masks.diff(dim=1) >= 0).all()


def test_gradients_move_the_threshold_too():
    keys = torch.tensor([[3.1, 0.2, 1.0, 2.4, 5.0]], dtype=torch.double, requires_grad=True)
    masks = sorters.build_masks("dftopk", temperature=0.8)
    assert torch.autograd.gradcheck(lambda given: masks.first(given, (0, 2, 3, 5)), (keys,))
    # Nothing but differences of keys counts.
    gradient = torch.autograd.grad(masks.first(keys, (2,)).square().sum(), keys)[0]
    assert abs(float(gradient.sum())) < 1e-12 < gradient.abs().max()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_ties_at_the_threshold_have_a_half_each_and_share_its_gradient(count):
    """Three of six keys are equal: what one order of them does, on average over all."""
    keys = torch.tensor([[4.0, 2.0, 2.0, 7.0, 2.0, 1.0]], dtype=torch.double)
    weights = torch.tensor([0.3, -1.0, 2.0, 0.5, 0.7, -0.2], dtype=torch.double)

    def gradient_of_one_order(order) -> torch.Tensor:
        """As authors have it: the threshold moves with the items that stand at the two ranks."""
        given = keys.clone().requires_grad_()
        ranked = given[0, sorted(range(6), key=lambda item: (-float(keys[0, item]), order.index(item)))]
        mask = ((given[0] - (ranked[count - 1] + ranked[count]) / 2) / 0.5).sigmoid()
        return torch.autograd.grad((mask * weights).sum(), given)[0]

    given = keys.clone().requires_grad_()
    mask = sorters.build_masks("dftopk", temperature=0.5).first(given, (count,))[0, 0]
    orders = [gradient_of_one_order(order) for order in itertools.permutations(range(6))]
    torch.testing.assert_close(torch.autograd.grad((mask * weights).sum(), given)[0], torch.stack(orders).mean(dim=0))
    if count in (3, 4):  # ranks 3 to 5 are those of the tied items
        assert (mask[[1, 2, 4]] == 0.5).all()
        assert float(mask.detach().sum()) != pytest.approx(count, abs=1e-3)


def test_hard_forward_has_the_masks_of_argsort_and_the_gradient_of_the_sigmoid():
    keys = torch.randint(0, 9, (4, 8), generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    counts, weights = (0, 3, 8), torch.randn(4, 3, 8, dtype=torch.double)
    soft, hard = (sorters.build_masks("dftopk", hard_forward=flag) for flag in (False, True))
    assert torch.equal(hard.first(keys, counts), sorters.build("argsort").first(keys, counts))
    gradients = [torch.autograd.grad((one.first(keys, counts) * weights).sum(), keys)[0] for one in (soft, hard)]
    torch.testing.assert_close(*gradients)


def test_masked_nce_takes_it_and_stays_finite_in_single_precision():
    generator = torch.Generator().manual_seed(0)
    keys = torch.randint(0, 65, (16, 16), generator=generator).float().requires_grad_()
    latents = torch.randn(16, 16, generator=generator)
    for temperature in (1e-3, 1.0, 1e3):
        masks = sorters.build_masks("dftopk", temperature=temperature)
        loss = masked_nce(latents, lambda counts, masks=masks: masks.first(keys, counts), 5, 1, "all").mean()
        assert loss.isfinite()
        assert torch.autograd.grad(loss, keys)[0].isfinite().all()


@pytest.mark.parametrize("surrogate", ["sorted_nce", "listwise", "pairwise"])
def test_a_surrogate_that_reads_a_list_is_refused_in_a_line(surrogate):
    message = rf"sorter.name = dftopk gives masks .* got loss.surrogate = {surrogate}: take surrogate = masked_nce"
    with pytest.raises(UserError, match=message):
        make_config({}, ["sorter.name=dftopk", f"loss.surrogate={surrogate}"])
    assert make_config({}, ["sorter.name=dftopk", "loss.surrogate=masked_nce"]).sorter.lists is False
    assert make_config({}, ["sorter.name=dftopk", "method.name=cibhash"]).sorts is False
