"""Backbones of timm, with random weights and such as are saved here: there is no network."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import linear, relu

from nsh_core import Hasher, UserError, fit, load_dataset, make_config
from nsh_core.backbones import build_backbone, dim_of_features, names, weights_version
from nsh_core.extraction import extract
from nsh_core.sections import ImageConfig
from tests.nsh_core.images import make_folder

pytestmark = pytest.mark.usefixtures("torchvision")


@pytest.fixture(scope="module", autouse=True)
def timm(torchvision):
    return pytest.importorskip("timm")


def image_config(model: str, **settings) -> ImageConfig:
    return ImageConfig(backbone=f"timm:{model}", **{"weights": "random", "size": 64} | settings)


@pytest.mark.parametrize(
    ("model", "size", "mean"),
    [("test_resnet", 64, 0.5), ("test_vit", 32, 0.5), ("test_convnext", 64, 0.5), ("mobilenetv3_small_050", 40, 0.485)],
)
def test_features_are_timms_own_without_its_classifier(timm, model, size, mean):
    config = image_config(model, size=size)
    net = build_backbone(config).eval()
    torch.manual_seed(1)
    whole = timm.create_model(model, **({"img_size": size} if "vit" in model else {})).eval()
    whole.load_state_dict(net.net.state_dict(), strict=False)
    images = torch.rand(2, 3, size, size)
    data = timm.data.resolve_model_data_config(whole)
    mean_, deviation = (torch.tensor(data[part]).view(3, 1, 1) for part in ("mean", "std"))
    with torch.no_grad():
        features = net(images)
        expected = whole.forward_head(whole.forward_features((images - mean_) / deviation), pre_logits=True)
    torch.testing.assert_close(features, expected)
    assert data["mean"][0] == mean
    assert features.shape[1] == net.dim == dim_of_features(config)


def test_vgg16_gives_fc7_after_its_relu(timm, monkeypatch):
    # Its hidden layer cut to 256 units: the published one takes seconds to draw.
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, mlp_ratio=1 / 16))
    net = build_backbone(image_config("vgg16", size=224)).eval()
    image = torch.rand(1, 3, 224, 224)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        hidden = net.net.features((image - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)).flatten(1)
        assert hidden.shape == (1, 25088)
        for layer in (net.net.pre_logits.fc1, net.net.pre_logits.fc2):
            hidden = relu(linear(hidden, layer.weight.flatten(1), layer.bias))
        torch.testing.assert_close(net(image), hidden)
    assert net.dim == 4096


def test_nothing_is_left_out_at_random(timm, monkeypatch):
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, drop_path_rate=0.5, drop_rate=0.5))
    net, images = build_backbone(image_config("test_vit")), torch.rand(2, 3, 64, 64)
    assert any(type(module).__name__ == "DropPath" for module in net.modules())
    torch.testing.assert_close(net.train()(images), net.eval()(images))


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize("head", [False, True])
def test_weights_of_a_file_come_back(timm, tmp_path, ending, head):
    torch.manual_seed(5)
    saved = timm.create_model("test_resnet", num_classes=7 if head else 0).eval()
    file = tmp_path / f"mine.{ending}"
    if ending == "pth":
        torch.save({"state_dict": saved.state_dict()}, file)
    else:
        save_file(saved.state_dict(), file)
    net = build_backbone(image_config("test_resnet", weights=str(file))).eval()
    held = saved.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in net.net.state_dict().items())


def test_weights_of_torchvision_are_converted(timm, torchvision, tmp_path):
    own = torchvision.models.resnet18(weights=None)
    torch.save(own.state_dict(), tmp_path / "resnet18.pth")
    net = build_backbone(image_config("resnet18", weights=str(tmp_path / "resnet18.pth"))).eval()
    own.fc = torch.nn.Identity()
    images = torch.rand(1, 3, 64, 64)
    mean, deviation = (torch.tensor(part).view(3, 1, 1) for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        torch.testing.assert_close(net(images), own.eval()((images - mean) / deviation))


def test_a_file_that_does_not_fit_is_one_line(timm, tmp_path):
    other = timm.create_model("test_vit", num_classes=0, img_size=64)
    save_file(other.state_dict(), tmp_path / "vit.safetensors")
    part = dict(list(timm.create_model("test_resnet", num_classes=0).state_dict().items())[:-2])
    save_file(part, tmp_path / "part.safetensors")
    (tmp_path / "torn.pth").write_bytes(b"PK\3\4 torn")
    torch.save({}, tmp_path / "empty.pth")
    torch.save({"fc.weight": torch.zeros(3, 2), "fc.bias": torch.zeros(3)}, tmp_path / "head.pth")
    for name, message in (
        ("vit.safetensors", r"does not fit timm:test_resnet: .*Missing key"),
        ("part.safetensors", r"does not fit timm:test_resnet: .*Missing key\(s\) in state_dict: \"layer4"),
        ("torn.pth", "holds no weights"),
        ("empty.pth", "holds no weights$"),
        ("head.pth", "holds no weights but those of a classifier$"),
        ("vit.safetensor.pth", r"^cannot read image.weights = .*: No such file"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            build_backbone(image_config("test_resnet", weights=str(tmp_path / name)))
        assert "\n" not in str(caught.value)


def test_files_run_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="holds no weights"):
        build_backbone(image_config("test_resnet", weights=str(tmp_path / "evil.pth")))


@pytest.mark.slow(4)
def test_features_of_other_weights_are_never_mixed(timm, tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "photos", train=6)
    file = tmp_path / "mine.safetensors"
    image = {"backbone": "timm:test_resnet", "weights": str(file), "size": 32, "stored_views": 2}
    config = make_config({"code_length": 8, "image": image, "train": {"epochs": 1, "batch_size": 8}})
    dataset = load_dataset(f"imagefolder:{tmp_path / 'photos'}")

    def trained(seed: int) -> Hasher:
        torch.manual_seed(seed)
        save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
        return fit(config, dataset)

    first, second = trained(1), trained(2)
    assert first.codes_sha256 != second.codes_sha256
    assert len(list((tmp_path / "cache" / "features").glob("*/facts.json"))) == 2
    assert first.data.fingerprint != second.data.fingerprint
    queries = second.index(tmp_path / "photos" / "train").search(tmp_path / "photos" / "test").queries
    assert len(queries.codes) == 12
    with pytest.raises(UserError, match=r"^the features are of timm:test_resnet with image.weights = .* \(sha256:"):
        first.index(tmp_path / "photos" / "train")
    facts = extract(dataset, config.image, tmp_path / "f.npz", views=2)
    assert load_dataset(f"features:{tmp_path / 'f.npz'}").image_facts.weights_version == facts["weights_version"]


def test_a_name_without_a_tag_is_of_the_weights_that_timm_means_now():
    assert weights_version(image_config("vgg16", weights="pretrained")) == "tv_in1k"
    assert weights_version(image_config("vgg16.tv_in1k", weights="pretrained")) == ""
    assert weights_version(image_config("vgg16")) == weights_version(ImageConfig()) == ""


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("vit_small_patch14_dinov2", 225, "^image.size must be a multiple of 14 for timm:vit_small_.*, got 225; near"),
        ("crossvit_tiny_240", 224, "^image.size = 224 does not suit timm:crossvit_tiny_240, which is made for 240"),
        ("vgg61", 224, r"^timm [\d.]+ has no model 'vgg61'; near are vgg19, vgg16, vgg13$"),
        ("vgg16.tv_in2k", 224, r"has no model 'vgg16.tv_in2k'; near are vgg16.tv_in1k"),
    ],
)  # fmt: skip
def test_what_timm_does_not_have_or_take(model, size, message):
    with pytest.raises(UserError, match=message):
        build_backbone(image_config(model, size=size))


def test_a_model_that_timm_lacks_is_named_before_anything_is_done():
    with pytest.raises(UserError, match=r"has no model 'resnet5'; near are resnet"):
        make_config({}, ["image.backbone=timm:resnet5"])


def test_former_names_are_told_by_names_that_timm_has(timm):
    for name in names._FORMER:
        with pytest.raises(UserError, match=f"^backbone {name!r} is now timm:") as caught:
            names.check_name(name)
        now = re.search(r"timm:([\w.]+)", str(caught.value)).group(1)
        assert now in timm.list_models() + timm.list_pretrained()


def test_weights_that_cannot_be_had(timm, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", refuse)
    with pytest.raises(
        UserError,
        match=r"^cannot get the weights of timm:test_resnet \(no network here\): fetch https://huggingface.co/timm/test_",
    ):
        build_backbone(image_config("test_resnet", weights="pretrained"))
    with pytest.raises(UserError, match=r"^timm has no weights for efficientnet_b6:"):
        build_backbone(image_config("efficientnet_b6", weights="pretrained"))


def test_images_to_codes_by_a_model_of_timm(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "photos", train=6)
    dataset = load_dataset(f"imagefolder:{tmp_path / 'photos'}")
    image = {"backbone": "timm:test_vit", "weights": "random", "size": 32, "stored_views": 2}
    for name in ("nsh", "itq"):
        settings = {"code_length": 8, "image": image, "train": {"epochs": 1, "batch_size": 8}, "method.name": name}
        hasher = fit(make_config(settings), dataset)
        assert hasher.dim == 64
        assert np.isfinite(hasher.metrics["test_map"])
