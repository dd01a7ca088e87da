"""Random runs of one stack, to be trained together and alone.

python -m tests.nsh_core.training.stacks --examples 500 counts how many were compared and how many were stacked.
"""

import argparse
import functools
import time

import hypothesis
import numpy as np
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from nsh_core import Config, Dataset, Hasher, fit, fit_together, load_dataset, make_config, methods, sorters, stackable
from nsh_core.data.digits import Digits

METHODS = [name for name in methods.names() if issubclass(methods.method(name), methods.DeepMethod)]
SIZES = st.sampled_from([1, 2, 3, 5, 7, 8, 9, 12, 13, 16, 31, 32, 64, 100, 128, 257])


@functools.cache
def few_digits() -> Dataset:
    """The digits with fewer training items, so that an epoch has few steps."""
    dataset = load_dataset("digits")
    assert isinstance(dataset, Digits)
    dataset._train = dataset._train[:200]
    return dataset


@st.composite
def stacks(draw: st.DrawFn) -> list[Config]:
    """Two to five runs of one stack key with random shapes, method, sorters and settings."""
    name = draw(st.sampled_from(["nsh", *METHODS]))
    batch = draw(st.one_of(*[st.sampled_from([32, 64, 96, 128])] * 4, st.integers(4, 80)))
    surrogate = draw(st.sampled_from(["sorted_nce", "sorted_nce", "masked_nce", "listwise", "pairwise"]))
    base = {
        "code_length": draw(SIZES),
        "method": {"name": name},
        "model": {
            "encoder": draw(st.sampled_from(["mlp", "identity"])), "width": draw(SIZES),
            "depth": draw(st.integers(1, 3)),
            "latent_dim": draw(SIZES), "latent": draw(st.sampled_from(["head", "features"])),
            "standardize": draw(st.sampled_from(["none", "center", "zscore"])),
            **draw(st.sampled_from([{}, {"hash_head": "mlp", "hash_width": 33},
                                    {"hash_head": "mlp", "hash_width": 32, "hash_norm": "batch"}])),
        },
        "train": {"epochs": 2 if batch >= 32 else 1, "evaluate_every": 2, "batch_size": batch},
        "loss": {
            "anchor_weight": draw(st.sampled_from([0.0, 1.0])), "code_anchor_weight": draw(st.sampled_from([0.0, 0.5])),
            "quantization_weight": draw(st.sampled_from([0.0, 0.1])),
            "surrogate": surrogate,
            "stop_gradient": surrogate in ("listwise", "pairwise") or draw(st.booleans()),
            "num_positives": 1,
        },
    }  # fmt: skip
    configs = []
    for seed in range(draw(st.integers(2, 5))):
        own = {
            "learning_rate": draw(st.sampled_from([0.0003, 0.001, 0.003])),
            "neighbors": draw(st.sampled_from([0, 3])),
        }
        kinds = ["all", "hardest-2"] + ["random-1"] * (surrogate != "masked_nce")
        positives = draw(st.integers(1, max(1, batch // 2 - 1)))
        own_loss = {"num_positives": positives, "negatives": draw(st.sampled_from(kinds))}
        if surrogate == "sorted_nce":
            own_loss["softmaxes"] = draw(st.sampled_from([1, 1, 2]))
        usable = [one for one in sorters.names() if surrogate == "masked_nce" or sorters.sorts_lists(one)]
        sorter = draw(st.sampled_from(usable))
        hard_forward = sorters.backend(sorter).level_form != "hard" and draw(st.booleans())
        settings = base | {
            "seed": seed,
            "sorter": {"name": sorter, "hard_forward": hard_forward},
            "train": base["train"] | own,
            "loss": base["loss"] | own_loss,
        }
        configs.append(make_config(settings))
    return configs


def compare(configs: list[Config]) -> bool:
    """Asserts that stacked runs are those alone, to the last bit of codes, metrics and losses; whether they stacked."""
    dataset = few_digits()
    torch.set_num_threads(1)
    for config, stacked in zip(configs, fit_together(configs, dataset), strict=True):
        try:
            alone: Hasher | Exception = fit(config, dataset)
        except RuntimeError as error:
            alone = error
        assert type(stacked) is type(alone), (stacked, alone)
        if isinstance(alone, Hasher) and isinstance(stacked, Hasher):
            np.testing.assert_array_equal(stacked.encode(dataset.database), alone.encode(dataset.database))
            assert stacked.metrics == alone.metrics
            assert stacked.history == alone.history
            for (name, weight), other in zip(
                stacked.model.state_dict().items(), alone.model.state_dict().values(), strict=True
            ):
                assert torch.equal(weight, other), name
    return stackable(configs[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    chosen = parser.parse_args()
    counts = {True: 0, False: 0}
    start = time.monotonic()

    @hypothesis.settings(
        max_examples=chosen.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(stacks())
    def run(configs: list[Config]) -> None:
        counts[compare(configs)] += 1

    run()
    seconds = time.monotonic() - start
    print(f"{counts[True]} stacks and {counts[False]} groups that are not stacked, {seconds:.0f} s: all equal")


if __name__ == "__main__":
    main()
