"""Imported once by the process that workers are forked from, so that none has to spend these seconds."""

from nsh_core.garbage import left_alone

with left_alone():
    import numpy as np
    import torch._dynamo  # noqa: F401, torch's optimizers import it at their first use

    import study.execution.worker  # noqa: F401
    from nsh_core.metrics import retrieval_metrics

# numba reads what it has compiled at the first call.
_one = np.zeros((1, 1), np.uint8), np.zeros(1, np.int64)
retrieval_metrics(*_one, *_one)
