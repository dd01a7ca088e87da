"""Soft permutations and their gradients by softtorch (Paulus et al. 2026), stored for the suite.

softtorch wants Python 3.12, so the suite reads what this wrote: in an environment of its own,
`pip install softtorch==0.1.1` and `python tests/nsh_core/softtorch_values.py`.
"""

from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).with_name("softtorch_values.npz")
SIZES = (2, 4, 8, 16)  # softtorch pads other lengths of a network with keys that its soft swaps see
SOFTNESS = (0.3, 1.0, 4.0)
METHODS = ("softsort", "ot", "sorting_network")


def keys_of(n: int) -> torch.Tensor:
    """Two rows of n keys, floats and whole numbers with ties."""
    generator = np.random.default_rng(n)
    return torch.tensor(np.stack([generator.normal(size=n) * 2, generator.integers(0, 5, size=n)]))


def weights_of(n: int) -> torch.Tensor:
    """What the permutation is multiplied by before its sum, whose gradient is stored."""
    return torch.tensor(np.random.default_rng(100 + n).normal(size=(2, n, n)))


def main() -> None:
    import softtorch

    values = {}
    for n in SIZES:
        for method in METHODS:
            for softness in SOFTNESS:
                keys = keys_of(n).requires_grad_()
                options = {"ot_kwargs": {"sinkhorn_tol": 1e-12, "sinkhorn_max_iter": 100_000}} if method == "ot" else {}
                matrix = softtorch.argsort(
                    keys, descending=True, softness=softness, mode="smooth", method=method, standardize=False, **options
                )
                name = f"{method} {n} {softness}"
                values[name] = matrix.detach().numpy()
                # Its gradient of transport is off finite differences of its own plan by up to 1 here.
                if method != "ot":
                    (values[f"{name} gradient"],) = torch.autograd.grad((matrix * weights_of(n)).sum(), keys)
    np.savez_compressed(FILE, **values)


if __name__ == "__main__":
    main()
