import math
from dataclasses import fields

import pytest
import torch

from nsh_core import Config, UserError, make_config, sorters
from nsh_core.losses import (
    agreeing_bits,
    bit_balance,
    listwise,
    masked_nce,
    nt_xent,
    pairwise,
    quantization,
    sorted_nce,
)
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


SELECTIONS = pytest.mark.parametrize(
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


@SELECTIONS
def test_sorted_nce_is_the_papers_sum(options, chosen):
    ranked = torch.randn(4, 10, dtype=torch.double)
    expected = reference_sorted_nce(ranked, options["num_positives"], [list(chosen)] * 4)
    assert sorted_nce(ranked, **options).item() == pytest.approx(expected)


@pytest.mark.parametrize("softmaxes", [1, 2])
@pytest.mark.parametrize("negatives", ["all", "hardest-3", "farthest-4", "random-3"])
@pytest.mark.parametrize(("num_positives", "gap"), [(1, 0), (4, 2), (5, 0)])
def test_runs_of_equal_ranks_give_the_loss_of_their_ranks(num_positives, gap, negatives, softmaxes):
    counts = torch.tensor([[3, 0, 5, 4], [12, 0, 0, 0], [0, 1, 1, 10], [4, 4, 4, 0]])
    values = torch.randn(4, 4, dtype=torch.double)
    runs = Ranked(values.requires_grad_(), counts.double())
    by_rank = torch.stack([row.repeat_interleave(number) for row, number in zip(values, counts, strict=True)])
    assert torch.equal(runs.by_rank(12), by_rank)
    losses = [
        sorted_nce(ranked, num_positives, gap, negatives, torch.Generator().manual_seed(0), 12, softmaxes)
        for ranked in (runs, by_rank)
    ]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, values, retain_graph=True)[0] for loss in losses))


@SELECTIONS
def test_two_softmaxes_are_a_cross_entropy_of_probabilities(options, chosen):
    ranked = 5 * torch.randn(4, 10, dtype=torch.double)
    losses = []
    for row in ranked.tolist():
        for positive in row[: options["num_positives"]]:
            first = [math.exp(value) for value in (positive, *(row[k] for k in chosen))]
            second = [math.exp(value / sum(first)) for value in first]
            losses.append(-math.log(second[0] / sum(second)))
            assert math.log(1 + len(chosen) / math.e) <= losses[-1] <= math.log(1 + len(chosen) * math.e)
    assert sorted_nce(ranked, **options, softmaxes=2).item() == pytest.approx(sum(losses) / len(losses))


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


@SELECTIONS
def test_surrogates_without_sorting_are_their_sums(options, chosen):
    latents, codes = torch.randn(2, 4, 10, dtype=torch.double).requires_grad_()
    m, gap, negatives = options["num_positives"], options.get("gap", 0), options.get("negatives", "all")
    expected = {listwise: 0.0, pairwise: 0.0}
    for teacher, student in zip(latents.tolist(), codes.tolist(), strict=True):
        by_teacher = sorted(range(10), key=lambda item: -teacher[item])
        positives, repelled = by_teacher[:m], [by_teacher[rank] for rank in chosen]
        listed = [*positives, *repelled]
        for item in listed:
            target = math.exp(teacher[item]) / sum(math.exp(teacher[other]) for other in listed)
            share = math.exp(student[item]) / sum(math.exp(student[other]) for other in listed)
            expected[listwise] -= target * math.log(share) / 4
        for item in positives:
            others = sum(math.exp(student[other]) for other in repelled)
            expected[pairwise] -= math.log(math.exp(student[item]) / (math.exp(student[item]) + others)) / m / 4
    for surrogate, value in expected.items():
        loss = surrogate(latents, codes, m, gap, negatives, [torch.Generator()]).mean()
        assert loss.item() == pytest.approx(value)
        by_latents, by_codes = torch.autograd.grad(loss, (latents, codes), allow_unused=True)
        assert by_latents is None
        assert by_codes.abs().max() > 0


@SELECTIONS
def test_masked_nce_is_its_sum_and_with_hard_masks_sorted_nce(options, chosen):
    latents = torch.randn(4, 10, dtype=torch.double)
    m, gap, negatives = options["num_positives"], options.get("gap", 0), options.get("negatives", "all")
    if negatives == "random-6":
        with pytest.raises(ValueError, match="'random-6' draws from a list"):
            masked_nce(latents, lambda counts: latents, m, gap, negatives)
        return
    keys = torch.randint(0, 5, (4, 10)).double().requires_grad_()
    hard, soft = sorters.build("argsort"), sorters.build("lapsum", temperature=0.7)
    by_mask = masked_nce(latents, lambda counts: hard.first(keys, counts), m, gap, negatives)
    assert by_mask.mean().item() == pytest.approx(sorted_nce(hard.sort_payload(keys, latents), **options).item())

    loss = masked_nce(latents, lambda counts: soft.first(keys, counts), m, gap, negatives).mean()
    assert torch.autograd.grad(loss, keys)[0].abs().max() > 0
    expected = 0.0
    for matrix, row in zip(soft.permutation(keys.detach()), latents.tolist(), strict=True):
        weights, repelling = matrix[:m].sum(dim=0).tolist(), matrix[list(chosen)].sum(dim=0).tolist()
        others = sum(weight * math.exp(value) for weight, value in zip(repelling, row, strict=True))
        for weight, value in zip(weights, row, strict=True):
            expected -= weight * math.log(math.exp(value) / (math.exp(value) + others)) / m / 4
    assert loss.item() == pytest.approx(expected)


def test_nt_xent_is_its_formula():
    first, second = (torch.nn.functional.normalize(torch.randn(3, 5, dtype=torch.double), dim=1) for _ in range(2))
    z = torch.cat([first, second])
    losses = []
    for i in range(6):
        scores = {j: math.exp(float(z[i] @ z[j]) / 0.3) for j in range(6) if j != i}
        losses.append(-math.log(scores[(i + 3) % 6] / sum(scores.values())))
    assert nt_xent(first, second, 0.3).item() == pytest.approx(sum(losses) / 6)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 5)])
def test_nt_xent_has_the_gradient_of_its_formula(shape):
    generator = torch.Generator().manual_seed(0)
    views = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    temperature = torch.linspace(0.1, 0.7, max(1, len(shape) - 1), dtype=torch.float64).view(-1, 1, 1)
    temperature = temperature if len(shape) == 3 else 0.1
    assert torch.autograd.gradcheck(lambda *given: nt_xent(*given, temperature), views)
    with pytest.raises(ValueError, match="'temperature' of nt_xent must not require a gradient"):
        nt_xent(*views, torch.ones(1, requires_grad=True))


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


@pytest.mark.parametrize("surrogate", ["listwise", "pairwise"])
def test_the_objective_hands_latents_over_without_sorting_in_both_directions(surrogate):
    weights = {"anchor_weight": 0, "balance_weight": 0, "sorted_nce_weight": 0.5}
    loss = {"surrogate": surrogate, "teacher_temperature": 0.2, "student_temperature": 0.4, "nce_temperature": 0.7}
    config = make_config({"code_length": 8, "loss": weights | loss | {"num_positives": 2}})
    first, second = make_outputs(16, 8, 0), make_outputs(16, 8, 1)
    losses = []
    for here, there in ((first, second), (second, first)):
        latents = here.latents @ there.latents.T
        codes = torch.nn.functional.cosine_similarity(here.codes[:, None], there.codes[None], dim=2)
        if surrogate == "listwise":
            losses.append(torch.nn.functional.cross_entropy(codes / 0.4, (latents / 0.2).softmax(dim=1)))
        else:
            nearest = latents.argsort(dim=1, descending=True)
            losses.append(sorted_nce(codes.gather(1, nearest) / 0.7, 2))
    terms = objective_of(config, first, second)
    assert set(terms) == {surrogate, "loss"}
    torch.testing.assert_close(terms[surrogate], (losses[0] + losses[1]).detach() / 2)
    torch.testing.assert_close(terms["loss"], 0.5 * terms[surrogate])
    terms["loss"].backward()
    assert first.latents.grad is None
    assert first.relaxed.grad.abs().max() > 0


@pytest.mark.parametrize("stop", [True, False])
def test_the_objective_masks_in_both_directions(stop):
    weights = {"anchor_weight": 0, "balance_weight": 0}
    loss = {"surrogate": "masked_nce", "nce_temperature": 0.7, "num_positives": 2, "gap": 1, "stop_gradient": stop}
    config = make_config({"code_length": 8, "loss": weights | loss, "sorter": {"name": "neuralsort"}})
    first, second = make_outputs(16, 8, 0), make_outputs(16, 8, 1)
    losses = []
    for here, there in ((first, second), (second, first)):
        keys = ((here.codes @ there.codes.T) / 2 + 4).detach()
        matrix = sorters.build("neuralsort").permutation(keys)
        masks = {2: matrix[:, :2].sum(dim=1), 3: matrix[:, :3].sum(dim=1), 16: matrix.sum(dim=1)}
        latents = here.latents @ there.latents.T / 0.7
        stacked = lambda counts, masks=masks: torch.stack([masks[count] for count in counts], dim=1)  # noqa: E731
        losses.append(masked_nce(latents, stacked, 2, 1, "all").mean())
    terms = objective_of(config, first, second)
    torch.testing.assert_close(terms["masked_nce"], (losses[0] + losses[1]).detach() / 2)
    terms["loss"].backward()
    assert first.relaxed.grad.abs().max() > 0
    assert (first.latents.grad is None) == stop


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["loss.softmaxes=2"], r"softmaxes = 2 says nothing about loss.surrogate = masked_nce"),
        (["loss.negatives=random-8"], r"loss.negatives = random-8 draws from a list"),
    ],
)
def test_a_mask_refuses_what_takes_a_list(assignments, message):
    with pytest.raises(UserError, match=message):
        make_config({}, ["loss.surrogate=masked_nce", *assignments])


@pytest.mark.parametrize("setting", ["stop_gradient=false", "softmaxes=2"])
def test_a_surrogate_without_sorting_refuses_what_says_nothing_about_it(setting):
    with pytest.raises(UserError, match=r"says nothing about loss.surrogate = listwise: leave it at"):
        make_config({}, ["loss.surrogate=listwise", f"loss.{setting}"])


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
