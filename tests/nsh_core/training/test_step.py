from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from pydantic import Field
from torch import Tensor, nn

from nsh_core import Config, Hasher, fit, fit_together, make_config, stackable
from nsh_core.losses import nt_xent, products
from nsh_core.methods import DeepMethod, MethodOptions
from nsh_core.model import HashModel, Outputs, forward_together
from nsh_core.registry import METHODS
from nsh_core.training.run import Ending, Run
from nsh_core.training.step import Stack
from tests.nsh_core.training.stacks import compare, stacks


@pytest.mark.slow(15)
@given(stacks())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_stacked_equals_alone_for_every_shape(configs):
    compare(configs)


# Found by random shapes where stacks did not equal runs alone: vectors of one number, and ends of arrays.
@pytest.mark.parametrize(
    ("changes", "stacks_them"),
    [
        ({"model.latent_dim": 1}, True),
        ({"code_length": 1, "model.width": 257}, True),
        ({"code_length": 100, "train.batch_size": 4, "model.width": 257, "model.depth": 3, "model.latent_dim": 7,
          "train.neighbors": 3, "loss.num_positives": 2}, False),
        ({"train.batch_size": 7, "loss.num_positives": 1, "code_length": 9}, False),
    ],
)  # fmt: skip
def test_shapes_that_once_differed(changes, stacks_them):
    assignments = [f"{name}={value}" for name, value in changes.items()]
    configs = [make_config({"train": {"epochs": 1}}, [*assignments, f"seed={seed}"]) for seed in range(3)]
    assert compare(configs) is stacks_them


def test_batches_that_fill_no_whole_vectors_are_not_stacked():
    for size, expected in ((32, True), (64, True), (33, False), (48, False)):
        assert stackable(make_config({}, [f"train.batch_size={size}", "train.device=cpu"])) is expected


def test_products_are_those_of_each_run():
    first, second = torch.randn(3, 5, 4), torch.randn(3, 7, 4)
    for run in range(3):
        assert torch.equal(products(first, second)[run], products(first[run], second[run]))


def test_the_encoder_is_the_module_that_runs():
    """A layer put into it changes the outputs, alone and in a stack."""
    torch.manual_seed(0)
    models = [HashModel(make_config({"model": {"width": 8}}), 5, "mlp") for _ in range(2)]
    items = [torch.randn(6, 5), torch.randn(6, 5)]
    before = forward_together(models, items)
    own = models[1](items[1])
    models[1].encoder.append(nn.LayerNorm(8))
    after = forward_together(models, items)
    assert torch.equal(after.logits[0], before.logits[0])
    assert not torch.equal(after.logits[1], before.logits[1])
    assert torch.equal(after.logits[1], models[1](items[1]).logits)
    assert not torch.equal(models[1](items[1]).codes, own.codes)
    assert not torch.equal(models[1].logits(items[1]), own.logits)


@pytest.fixture
def remembering():
    """A method with a memory bank: the mean code of all steps so far."""

    @METHODS.register("remembering")
    class Remembering(DeepMethod):
        paper = "none"
        made = 0

        class Options(MethodOptions):
            weight: float = Field(1.0, ge=0)

        def __init__(self, configs: Sequence[Config]) -> None:
            super().__init__(configs)
            type(self).made += 1

        def __call__(self, first: Outputs, second: Outputs, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
            mean = first.codes.mean(dim=1, keepdim=True)
            steps = self.state.get("steps", torch.zeros_like(mean[..., :1]))
            bank = self.state.get("bank", torch.zeros_like(mean))
            total = bank + mean
            self.state |= {"steps": steps + 1, "bank": total.detach()}
            balance = (total / (steps + 1)).square().mean(dim=(1, 2)) * self.setting("weight", mean).view(-1)
            contrast = nt_xent(first.codes, second.codes, 30.0)
            return {"balance": balance, "loss": contrast + balance}

    yield Remembering
    METHODS.unregister("remembering")


def run_of(seed: int, epochs: int) -> Config:
    settings = {"code_length": 12, "method": {"name": "remembering"}, "seed": seed}
    return make_config(settings | {"train": {"epochs": epochs, "evaluate_every": 1}})


def test_an_objective_lives_as_long_as_its_run(remembering, digits):
    fit(run_of(0, 3), digits)
    assert remembering.made == 1


class Stop(Exception):
    pass


@pytest.mark.parametrize("stop_after", [1, 3])
def test_what_a_method_remembers_goes_on_from_a_checkpoint(remembering, digits, tmp_path, stop_after):
    whole = fit(run_of(0, 5), digits)

    def stop(record):
        if record["epoch"] == stop_after + 1:
            raise Stop

    with pytest.raises(Stop):
        fit(run_of(0, 5), digits, on_evaluation=stop, checkpoints=tmp_path)
    restored = Stack([Run(run_of(0, 5), digits, Ending(), folder=tmp_path)])
    assert restored.objective.state["steps"].item() == stop_after * (1197 // 64)
    resumed = fit(run_of(0, 5), digits, checkpoints=tmp_path)
    assert resumed.codes_sha256 == whole.codes_sha256
    assert resumed.history == whole.history


def test_runs_that_end_early_leave_the_memory_of_the_others(remembering, digits):
    configs = [run_of(0, 4), run_of(1, 2), run_of(2, 4)]
    for config, stacked in zip(configs, fit_together(configs, digits), strict=True):
        assert isinstance(stacked, Hasher)
        alone = fit(config, digits)
        np.testing.assert_array_equal(stacked.encode(digits.database), alone.encode(digits.database))
        assert stacked.history == alone.history
