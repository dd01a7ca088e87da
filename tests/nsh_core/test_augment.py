import colorsys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nsh_core.data import augment
from nsh_core.data.augment import RECIPES, blurred, grayed, jittered, random_views, turned_hue


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 3, 70, 70, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("side", [32, 70, 80])
def test_views_have_their_side_stay_in_bounds_and_repeat_by_seed(images, recipe, side):
    views, again, other = (
        random_views(images, recipe, side, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert views.shape == (6, 3, side, side)
    assert 0 <= views.min() <= views.max() <= 1
    assert torch.equal(views, again)
    assert not torch.equal(views, other)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("side", [32, 70])
def test_views_do_not_depend_on_how_many_are_made_at_once(images, recipe, side, monkeypatch):
    whole = random_views(images, recipe, side, torch.Generator().manual_seed(1))
    for at_once in (1, 4):
        monkeypatch.setattr(augment, "_PIXELS", at_once * side**2)
        assert torch.equal(random_views(images, recipe, side, torch.Generator().manual_seed(1)), whole)


@pytest.mark.parametrize("turn", [-0.2, 0.05, 0.4])
def test_hue_turns_as_in_hsv(images, turn):
    turned = turned_hue(images, torch.full((6, 1, 1), turn))
    for pixel, expected in zip(images[0, :, ::9, 5].T, turned[0, :, ::9, 5].T, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel.tolist())
        assert expected.tolist() == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=1e-5)


def test_no_strength_changes_nothing_and_no_saturation_is_grey(images):
    torch.testing.assert_close(jittered(images, torch.zeros(4, 6)), images, atol=1e-5, rtol=0)
    gray = jittered(images, torch.tensor([[0.0], [0], [-1], [0]]).expand(4, 6))
    torch.testing.assert_close(gray, grayed(images), atol=1e-5, rtol=0)
    dark = jittered(images, torch.tensor([[-0.5], [0], [0], [0]]).expand(4, 6))
    torch.testing.assert_close(dark, images / 2, atol=1e-5, rtol=0)


def test_blur_is_scipys(images):
    sigma = torch.linspace(0.5, 2, 6)
    mine = blurred(images, sigma, 13)
    for image, own, s in zip(images, mine, sigma.tolist(), strict=True):
        expected = gaussian_filter(image.numpy(), (0, s, s), mode="mirror", radius=6)
        np.testing.assert_allclose(own.numpy(), expected, atol=1e-4)


def test_crops_hold_a_part_and_flip_half_of_the_time():
    ramp = torch.linspace(0, 1, 64).expand(400, 3, 64, 64)
    plain = RECIPES["cibhash"]
    views = random_views(ramp, "cibhash", 64, torch.Generator().manual_seed(0))
    slopes = views[:, :, :, -8:].mean(dim=(1, 2, 3)) - views[:, :, :, :8].mean(dim=(1, 2, 3))
    assert 0.4 < (slopes > 0).float().mean() < 0.6
    assert plain.crop == 0.5
