import pytest
import torch

from nsh_core import make_config
from nsh_core.data.moments import moments
from nsh_core.model import HashModel
from nsh_core.straight_through import sign_through


def test_the_sign_is_hard_and_its_gradient_is_tanhs():
    relaxed = torch.tensor([-0.3, 0.0, 0.9], requires_grad=True)
    codes = sign_through(relaxed)
    assert codes.tolist() == [-1, 1, 1]
    (codes * torch.tensor([1.0, 2, 3])).sum().backward()
    assert relaxed.grad.tolist() == [1, 2, 3]
    assert sign_through(torch.full((9,), float("nan"))).isnan().all()


@pytest.mark.parametrize("encoder", ["mlp", "identity"])
@pytest.mark.parametrize("latent", ["head", "features"])
def test_shapes(encoder, latent):
    shape = {"latent": latent, "latent_dim": 7, "width": 9, "depth": 3}
    model = HashModel(make_config({"code_length": 16, "model": shape}), 5, encoder)
    outputs = model(torch.randn(4, 5))
    assert outputs.codes.shape == outputs.relaxed.shape == (4, 16)
    assert outputs.latents.shape == (4, 5 if latent == "features" else 7)
    torch.testing.assert_close(outputs.latents.norm(dim=1), torch.ones(4))
    assert len(model.encoder) == (6 if encoder == "mlp" else 0)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_an_mlp_hash_head_is_what_its_layers_say(norm):
    shape = {"hash_head": "mlp", "hash_width": 6, "hash_norm": norm}
    model = HashModel(make_config({"code_length": 3, "model": shape}), 5, "identity")
    model.train()
    items = torch.randn(20, 5)
    hidden = items @ model.hash_head[0].weight.T + model.hash_head[0].bias
    if norm == "batch":
        hidden = (hidden - hidden.mean(dim=0)) / (hidden.var(dim=0, correction=0) + 1e-5).sqrt()
    expected = hidden.relu() @ model.hash_output.weight.T + model.hash_output.bias
    torch.testing.assert_close(model(items).logits, expected)


def test_standardization_is_of_all_chunks():
    values = torch.randn(100, 3) * torch.tensor([1.0, 5, 0]) + torch.tensor([0.0, 100, 4])
    mean, variance = moments(values.split(7))
    torch.testing.assert_close(mean.float(), values.mean(dim=0))
    torch.testing.assert_close(variance.float(), values.var(dim=0, correction=0), atol=1e-4, rtol=1e-4)
    fitted = {}
    for how in ("none", "center", "zscore"):
        fitted[how] = HashModel(make_config({"model": {"standardize": how}}), 3, "identity")
        fitted[how].fit_standardization(*moments(values.split(7)))
    assert fitted["none"].mean.tolist() == [0, 0, 0]
    torch.testing.assert_close(fitted["center"].mean, values.mean(dim=0))
    assert fitted["center"].deviation.unique().numel() == 1
    standard = (values - fitted["zscore"].mean) / fitted["zscore"].deviation
    torch.testing.assert_close(standard.std(dim=0, correction=0), torch.tensor([1.0, 1, 0]), atol=1e-3, rtol=1e-3)


def test_only_methods_that_need_latents_have_them():
    model = HashModel(make_config({"method": {"name": "cibhash"}}), 5, "identity")
    outputs = model(torch.randn(4, 5))
    assert model.latent_head is None
    assert outputs.latents.shape == (4, 0)


def test_a_periodic_methods_bits_are_signs_of_cosines():
    model = HashModel(make_config({"method": {"name": "spectral"}}), 5, "identity")
    items = 10 * torch.randn(30, 5)
    assert torch.equal(model.codes(items), torch.where(model.logits(items).cos() >= 0, 1.0, -1.0))
