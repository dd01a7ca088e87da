"""Kernels where exponentials are near the end of what a float holds."""

import numpy as np
import pytest
import torch

from nsh_core.sorters import backend, build
from tests.nsh_core.test_fused import ON_LEVELS, batch, by_pairs, fused, gradients


@pytest.mark.parametrize("name", ["neuralsort", "sinkhorn"])
def test_levels_beside_the_occupied_ones_leave_no_trace(name):
    """At the hardest temperatures that a kernel takes their sums are out of range."""
    compared = 0
    for seed in range(60):
        bits = (9, 14, 21, 40)[seed % 4]
        for temperature in (0.01, 0.015, 0.03):
            sorter, given = build(name, temperature=temperature), batch(2, 3, bits, seed=seed)
            if sorter.kernel_for(given[0]) is not None:
                expected, got = by_pairs(sorter, given, 1, 0, "all"), fused(sorter, given, 1, 0, "all")
                torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)
                torch.testing.assert_close(gradients(got, given), gradients(expected, given), atol=1e-9, rtol=1e-6)
                compared += 1
    assert compared > 10


def one_sided(bits, apart, outliers, dtype):
    """Two views whose codes are `apart` bits apart, but for the first ones, which are opposite."""
    given = batch(1, 9, bits, seed=bits)
    codes = [torch.ones_like(given[0]).detach() for _ in range(2)]
    codes[1][..., :apart] = -1
    codes[1][:, :outliers] *= -1
    return [one.to(dtype).detach().requires_grad_() for one in (*codes, *given[2:])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ON_LEVELS)
def test_one_sided_lists_are_sorted_at_every_temperature_that_a_kernel_takes(name, dtype):
    """Codes that are nearly all the same, or all opposite, as where codes collapse."""
    low, high = backend(name).search_range
    compared = 0
    for bits in (1, 2, 16, 64):
        for temperature in np.geomspace(low, high, 20):
            sorter = build(name, temperature=float(temperature))
            for apart, outliers in ((0, 0), (1, 0), (bits, 0), (0, 1), (bits, 2)):
                given = one_sided(bits, apart, outliers, dtype)
                if sorter.kernel_for(given[0]) is None:
                    continue
                got, double = fused(sorter, given, 2, 0, "all"), one_sided(bits, apart, outliers, torch.float64)
                expected = by_pairs(sorter, double, 2, 0, "all")
                close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-8, "atol": 1e-9}
                torch.testing.assert_close(got.double(), expected, **close)
                for one, other in zip(gradients(got, given), gradients(expected, double), strict=True):
                    scale = max(1.0, float(other.abs().max()))
                    torch.testing.assert_close(one.double() / scale, other / scale, **close)
                compared += 1
    assert compared > 50
