import pytest
import torch

from nsh_core.config import ModelConfig
from nsh_core.data.dataset import moments
from nsh_core.model import HashModel, sign_through_tanh


def test_the_sign_is_hard_and_its_gradient_is_tanhs():
    relaxed = torch.tensor([-0.3, 0.0, 0.9], requires_grad=True)
    codes = sign_through_tanh(relaxed)
    assert codes.tolist() == [-1, 1, 1]
    (codes * torch.tensor([1.0, 2, 3])).sum().backward()
    assert relaxed.grad.tolist() == [1, 2, 3]


@pytest.mark.parametrize("encoder", ["mlp", "identity"])
@pytest.mark.parametrize("latent", ["head", "features"])
def test_shapes(encoder, latent):
    model = HashModel(ModelConfig(latent=latent, latent_dim=7, width=9, depth=3), 5, 16, encoder)
    outputs = model(torch.randn(4, 5))
    assert outputs.codes.shape == outputs.relaxed.shape == (4, 16)
    assert outputs.latents.shape == (4, 5 if latent == "features" else 7)
    torch.testing.assert_close(outputs.latents.norm(dim=1), torch.ones(4))
    assert len(model.encoder) == (6 if encoder == "mlp" else 0)


def test_standardization_is_of_all_chunks():
    values = torch.randn(100, 3) * torch.tensor([1.0, 5, 0]) + torch.tensor([0.0, 100, 4])
    mean, variance = moments(values.split(7))
    torch.testing.assert_close(mean.float(), values.mean(dim=0))
    torch.testing.assert_close(variance.float(), values.var(dim=0, correction=0), atol=1e-4, rtol=1e-4)
    fitted = {}
    for how in ("none", "center", "zscore"):
        fitted[how] = HashModel(ModelConfig(standardize=how), 3, 8, "identity")
        fitted[how].fit_standardization(*moments(values.split(7)))
    assert fitted["none"].mean.tolist() == [0, 0, 0]
    torch.testing.assert_close(fitted["center"].mean, values.mean(dim=0))
    assert fitted["center"].deviation.unique().numel() == 1
    standard = (values - fitted["zscore"].mean) / fitted["zscore"].deviation
    torch.testing.assert_close(standard.std(dim=0, correction=0), torch.tensor([1.0, 1, 0]), atol=1e-3, rtol=1e-3)
