import pytest
import torch

from nsh_core.training.adam import Optimizers

KINDS = [
    (torch.optim.Adam, {"lr": 0.01, "fused": True}),
    (torch.optim.Adam, {"lr": 0.01, "fused": True}),
    (torch.optim.Adam, {"lr": 0.002, "weight_decay": 0.1, "betas": (0.8, 0.9), "fused": True}),
    (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
]


def test_one_call_gives_the_bits_of_each_optimizers_own_step():
    generator = torch.Generator().manual_seed(0)
    weights = [[torch.randn(size, generator=generator) for size in (33, 7)] for _ in KINDS]
    gradients = [[torch.randn_like(own) for own in run] for run in weights]
    sides = []
    for _ in range(2):
        params = [[own.clone().requires_grad_() for own in run] for run in weights]
        sides.append((params, [kind(own, **more) for own, (kind, more) in zip(params, KINDS, strict=True)]))
    (alone, each), (together, those) = sides
    one = Optimizers(those)
    for step in range(4):
        for params, optimizers in sides:
            for own, optimizer, gradient in zip(params, optimizers, gradients, strict=True):
                optimizer.param_groups[0]["lr"] *= 0.9
                for weight, by_weight in zip(own, gradient, strict=True):
                    weight.grad = by_weight * (step + 1)
                own[1].grad = None if step in (0, 2) else own[1].grad
        for optimizer in each:
            optimizer.step()
        one.step()
    for own, other in zip(alone, together, strict=True):
        assert all(map(torch.equal, own, other))
    for optimizer, other in zip(each, those, strict=True):
        torch.testing.assert_close(other.state_dict(), optimizer.state_dict(), atol=0, rtol=0)


def test_adams_of_one_kind_take_one_call(monkeypatch: pytest.MonkeyPatch):
    calls = []
    monkeypatch.setattr(
        "nsh_core.training.adam.adam", lambda params, *_, **settings: calls.append((len(params), settings["lr"]))
    )
    weights = [torch.ones(3, requires_grad=True) for _ in KINDS]
    for weight in weights:
        weight.grad = torch.ones(3)
    optimizers = Optimizers([kind([own], **more) for own, (kind, more) in zip(weights, KINDS, strict=True)])
    optimizers.step()
    assert calls == []
    optimizers.step()
    assert calls == [(2, 0.01), (1, 0.002), (1, 0.01)]
