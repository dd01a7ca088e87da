import math
from dataclasses import fields

import pytest
import torch

from nsh_core import Config, make_config, sorters
from nsh_core.losses import agreeing_bits, bit_balance, nt_xent, quantization, sorted_nce
from nsh_core.methods.nsh import NSH
from nsh_core.model import Outputs
from nsh_core.sorters.levels import Ranked
from nsh_core.straight_through import sign_through


def reference_sorted_nce(ranked: torch.Tensor, m: int, negatives: list[list[int]]) -> float:
    """The paper's double sum, one exponential at a time."""
    total = 0.0
    for row, chosen in zip(ranked.tolist(), negatives, strict=True):
        repelled = sum(math.exp(row[k]) for k in chosen)
        total += sum(-math.log(math.exp(c) / (math.exp(c) + repelled)) for c in row[:m]) / m
    return total / len(ranked)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"num_positives": 3}, range(3, 10)),
        ({"num_positives": 1, "gap": 2}, range(3, 10)),
        ({"num_positives": 3, "negatives": "hardest-4"}, range(3, 7)),
        ({"num_positives": 3, "gap": 1, "negatives": "hardest-2"}, range(4, 6)),
        ({"num_positives": 3, "gap": 1, "negatives": "farthest-2"}, range(8, 10)),
        ({"num_positives": 3, "gap": 1, "negatives": "random-6"}, range(4, 10)),
    ],
)
def test_sorted_nce_is_the_papers_sum(options, chosen):
    ranked = torch.randn(4, 10, dtype=torch.double)
    expected = reference_sorted_nce(ranked, options["num_positives"], [list(chosen)] * 4)
    assert sorted_nce(ranked, **options).item() == pytest.approx(expected)


@pytest.mark.parametrize("negatives", ["all", "hardest-3", "farthest-4", "random-3"])
@pytest.mark.parametrize(("num_positives", "gap"), [(1, 0), (4, 2), (5, 0)])
def test_runs_of_equal_ranks_give_the_loss_of_their_ranks(num_positives, gap, negatives):
    counts = torch.tensor([[3, 0, 5, 4], [12, 0, 0, 0], [0, 1, 1, 10], [4, 4, 4, 0]])
    values = torch.randn(4, 4, dtype=torch.double)
    runs = Ranked(values.requires_grad_(), counts.double())
    by_rank = torch.stack([row.repeat_interleave(number) for row, number in zip(values, counts, strict=True)])
    assert torch.equal(runs.by_rank(12), by_rank)
    losses = [
        sorted_nce(ranked, num_positives, gap, negatives, torch.Generator().manual_seed(0), n=12)
        for ranked in (runs, by_rank)
    ]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, values, retain_graph=True)[0] for loss in losses))


def test_random_negatives_come_from_behind_the_gap_and_from_the_generator():
    ranked = torch.full((50, 12), -20.0)
    ranked[:, 6:] = 0
    for seed in (0, 1):
        loss = sorted_nce(ranked, 4, 2, "random-3", torch.Generator().manual_seed(seed))
        assert loss.item() == pytest.approx(math.log1p(3 * math.exp(20)))
    uneven = torch.randn(50, 12)
    first, again, other = (
        sorted_nce(uneven, 4, 2, "random-3", torch.Generator().manual_seed(seed)).item() for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("options", [{"num_positives": 10}, {"num_positives": 5, "gap": 5}, {"num_positives": 0}])
def test_sorted_nce_needs_enough_ranks(options):
    with pytest.raises(ValueError, match="need more than n = 10"):
        sorted_nce(torch.zeros(2, 10), **options)


def test_nt_xent_is_its_formula():
    first, second = (torch.nn.functional.normalize(torch.randn(3, 5, dtype=torch.double), dim=1) for _ in range(2))
    z = torch.cat([first, second])
    losses = []
    for i in range(6):
        scores = {j: math.exp(float(z[i] @ z[j]) / 0.3) for j in range(6) if j != i}
        losses.append(-math.log(scores[(i + 3) % 6] / sum(scores.values())))
    assert nt_xent(first, second, 0.3).item() == pytest.approx(sum(losses) / 6)


def test_regularizers():
    assert bit_balance(torch.tensor([[1.0, 1.0], [-1.0, 1.0]])).item() == pytest.approx(0.5)
    assert quantization(torch.tensor([[0.5, -1.0]])).item() == pytest.approx(0.125)


def make_outputs(n: int, bits: int, seed: int) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, bits, generator=generator, dtype=torch.double)
    relaxed = logits.tanh().requires_grad_()
    latents = torch.nn.functional.normalize(torch.randn(n, 6, generator=generator, dtype=torch.double), dim=1)
    return Outputs(logits, relaxed, sign_through(relaxed), latents.requires_grad_(), logits)


def objective_of(config: Config, first: Outputs, second: Outputs) -> dict[str, torch.Tensor]:
    """The terms of a single run."""
    alone = [Outputs(*(getattr(view, field.name)[None] for field in fields(view))) for view in (first, second)]
    return {name: term[0] for name, term in NSH([config])(*alone, [torch.Generator()]).items()}


def test_the_objective_sorts_latents_by_the_codes_in_both_directions():
    config = make_config({"code_length": 8, "loss": {"num_positives": 2, "anchor_weight": 0, "balance_weight": 0}})
    first, second = make_outputs(16, 8, 0), make_outputs(16, 8, 1)
    terms = objective_of(config, first, second)
    sorter = sorters.build("softsort")
    losses = []
    for here, there in ((first, second), (second, first)):
        keys = 8 - (here.codes[:, None] != there.codes[None]).sum(dim=2).double()
        matrix = sorter.permutation(keys)
        gathered = torch.einsum("ijk,kd->ijd", matrix, there.latents)
        ranked = torch.einsum("id,ijd->ij", here.latents, gathered) / config.loss.nce_temperature
        losses.append(sorted_nce(ranked, 2))
    torch.testing.assert_close(terms["sorted_nce"], (losses[0] + losses[1]) / 2)
    assert set(terms) == {"sorted_nce", "loss"}


@pytest.mark.parametrize("stop", [True, False])
def test_stop_gradient_keeps_sorted_nce_out_of_the_latents(stop):
    config = make_config({"code_length": 8, "loss": {"stop_gradient": stop, "anchor_weight": 0}})
    first, second = make_outputs(16, 8, 0), make_outputs(16, 8, 1)
    objective_of(config, first, second)["loss"].backward()
    assert first.relaxed.grad.abs().max() > 0
    assert (first.latents.grad is None) == stop


def test_the_loss_is_the_weighted_sum_of_its_terms():
    weights = {"sorted_nce": 0.7, "anchor": 0.5, "code_anchor": 0.4, "balance": 2.0, "quantization": 0.3}
    config = make_config({"code_length": 8, "loss": {f"{name}_weight": weight for name, weight in weights.items()}})
    terms = objective_of(config, make_outputs(16, 8, 0), make_outputs(16, 8, 1))
    assert terms["loss"].item() == pytest.approx(sum(weights[name] * terms[name].item() for name in weights))


def test_the_code_anchor_is_nt_xent_on_the_codes():
    config = make_config({"code_length": 8, "loss": {"code_anchor_weight": 1, "code_anchor_temperature": 0.2}})
    first, second = make_outputs(16, 8, 0), make_outputs(16, 8, 1)
    expected = nt_xent(first.codes / math.sqrt(8), second.codes / math.sqrt(8), 0.2)
    torch.testing.assert_close(objective_of(config, first, second)["code_anchor"], expected)


def test_agreeing_bits_counts():
    codes = torch.tensor([[1.0, 1, -1], [-1, -1, -1]])
    assert agreeing_bits(codes, codes).tolist() == [[3, 1], [1, 3]]
