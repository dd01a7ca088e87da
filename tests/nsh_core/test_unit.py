import torch
from torch.nn.functional import normalize

from nsh_core.unit import unit


def test_unit_vectors_and_their_gradients_are_torchs():
    vectors = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    vectors[0, 1] = 0
    vectors[1, 2] *= 1e-13
    vectors.requires_grad_()
    weight = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    results = []
    for of in (unit, lambda given: normalize(given, dim=-1)):
        out = of(vectors)
        results.append((out, torch.autograd.grad((out * weight).sum(), vectors)[0]))
    torch.testing.assert_close(results[0], results[1], atol=1e-14, rtol=1e-14)
