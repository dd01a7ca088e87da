"""Compiles what training and its metrics take, so that no run spends its time on that: python -m nsh_core.fused."""

import numpy as np
import torch

from nsh_core import sorters
from nsh_core.fused import sort_by_network, sorted_nce_of_codes
from nsh_core.metrics import mean_average_precision, retrieval_metrics
from nsh_core.sorters.networks import bitonic, wiring

_N, _M = 8, 2

if __name__ == "__main__":
    # Of so many bits, all alike, Sinkhorn takes double precision too.
    codes, latents = torch.ones(1, _N, 64), torch.ones(1, _N, 4)
    for name in sorters.names():
        if sorters.sorts_lists(name) and not sorters.lacking(name):
            kernel = sorters.build(name).kernel_for(codes)
            if kernel is not None:
                sorted_nce_of_codes(kernel, (codes, codes), (latents, latents), [1.0], slice(_M, _N), _M)
    keys = torch.ones(1, _N).requires_grad_()
    sort_by_network(keys, keys, wiring(bitonic, _N), exact=False).sum().backward()
    packed = np.zeros((16, 1), np.uint8), np.zeros(16, np.int64)
    retrieval_metrics(*packed, *packed)
    mean_average_precision(*packed, *packed, k=1)
