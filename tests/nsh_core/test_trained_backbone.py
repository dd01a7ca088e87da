"""Fine-tuning: which stages are trained, at which rate, and with how much memory."""

import copy
from itertools import chain

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from nsh_core import Hasher, UserError, fit, load_dataset, make_config
from nsh_core.backbones import TrainedBackbone, build_backbone, trained_backbone
from nsh_core.data.images import Images
from nsh_core.preparation import prepared
from nsh_core.sections import ImageConfig
from nsh_core.training.run import Ending, Run
from nsh_core.training.step import Stack
from tests.nsh_core.images import make_folder

STAGES = {"efficientnet_lite0": 8, "timm:test_resnet": 5, "timm:test_vit": 7, "timm:test_convnext": 6}


@pytest.fixture
def photos(tmp_path) -> Images:
    make_folder(tmp_path / "mine", train=6)
    return load_dataset(f"imagefolder:{tmp_path / 'mine'}")


def image_config(name: str, **settings) -> ImageConfig:
    return ImageConfig(**{"backbone": name, "weights": "random", "size": 64, "finetune": True} | settings)


def test_a_trained_backbone_keeps_its_features_in_bounds():
    net = trained_backbone(ImageConfig())
    features = net(torch.rand(40, 3, 16, 16)).detach()
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(128), atol=1e-5, rtol=0)
    assert float(features.std(dim=0).median()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", STAGES)
def test_stages_hold_each_parameter_once_from_input_to_output(torchvision, name):
    net = build_backbone(image_config(name))
    stages = net.stages()
    assert len(stages) == STAGES[name]
    place = {id(parameter): number for number, parameter in enumerate(net.parameters())}
    held = [id(parameter) for parameter in chain.from_iterable(stages)]
    assert sorted(held) == sorted(place)
    # A stage is done with before the next begins: gradients stop where they are asked for, and before.
    firsts = [min(place[id(parameter)] for parameter in stage) for stage in stages]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("count", [1, 3, None])
def test_gradient_and_statistics_move_the_trained_stages_alone(torchvision, name, count):
    net = trained_backbone(image_config(name, trained_stages=count)).train()
    stages = net.backbone.stages()
    trained = stages if count is None else stages[-count:]
    before = copy.deepcopy(net.backbone.state_dict())
    optimizer = torch.optim.SGD((own for own in net.parameters() if own.requires_grad), lr=0.1)
    (net(torch.rand(6, 3, 64, 64)) * torch.randn(net.dim)).square().sum().backward()
    optimizer.step()
    known = {id(parameter) for parameter in chain.from_iterable(trained)}
    moved = {key for key, value in net.backbone.state_dict().items() if not torch.equal(value, before[key])}
    for key, parameter in net.backbone.named_parameters():
        assert (parameter.grad is not None) == (id(parameter) in known), key
        assert id(parameter) in known or key not in moved, key
    for key, module in net.backbone.named_modules():
        if isinstance(module, _BatchNorm):
            assert (f"{key}.running_mean" in moved) == (id(module.weight) in known), key


def test_pretrained_statistics_are_kept_and_random_ones_are_the_batchs():
    for weights in ("pretrained", "random"):
        net = trained_backbone(image_config("efficientnet_lite0", weights=weights, trained_stages=2)).train()
        before = copy.deepcopy(net.backbone.state_dict())
        net(torch.rand(4, 3, 64, 64)).square().sum().backward()
        moved = [key for key, value in net.backbone.state_dict().items() if not torch.equal(value, before[key])]
        assert bool(moved) == (weights == "random")
        assert net.backbone.net._bn1.weight.grad.abs().sum() > 0
        assert net.normalized.num_batches_tracked == 1


@pytest.mark.parametrize("name", ["efficientnet_lite0", "timm:test_resnet", "timm:test_vit"])
def test_checkpointing_is_the_same_step_in_less_memory(torchvision, name):
    images = torch.rand(4, 3, 64, 64)

    def stepped(checkpointing: bool) -> tuple[TrainedBackbone, int]:
        torch.manual_seed(0)
        net = trained_backbone(image_config(name, checkpointing=checkpointing)).train()
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved.numel()) or saved, lambda it: it):
            loss = net(images).square().sum()
        sizes = sum(kept)
        loss.backward()
        return net, sizes

    (plain, most), (thrifty, least) = stepped(False), stepped(True)
    assert least < most
    for (key, one), other in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=key)
    for (key, one), other in zip(plain.state_dict().items(), thrifty.state_dict().values(), strict=True):
        if "num_batches" not in key:
            torch.testing.assert_close(one, other, msg=key)


def test_fine_tuning_moves_the_backbone_at_its_own_rate(torchvision, photos):
    image = {"backbone": "timm:test_resnet", "weights": "random", "finetune": True, "size": 32}

    def tuned(rate: float, **settings: object) -> Hasher:
        own = {"image": image | {"learning_rate": rate, **settings}, "train": {"epochs": 2, "batch_size": 16}}
        return fit(make_config(own), photos)

    def moved(hasher: Hasher) -> list[float]:
        torch.manual_seed(0)
        start = build_backbone(hasher.config.image).stages()
        pairs = zip(hasher.model.backbone.backbone.stages(), start, strict=True)
        return [max(float((a - b).detach().abs().max()) for a, b in zip(*pair, strict=True)) for pair in pairs]

    assert max(moved(tuned(1e-8))) < 1e-6
    assert min(moved(tuned(1e-3))) > 1e-4
    last = tuned(1e-3, trained_stages=2, checkpointing=True)
    assert [way > 1e-4 for way in moved(last)] == [False, False, False, True, True]
    assert last.codes_sha256 == tuned(1e-3, trained_stages=2, checkpointing=True).codes_sha256


def test_a_fine_tuned_hasher_comes_back(torchvision, photos, tmp_path):
    image = {"backbone": "efficientnet_lite0", "finetune": True, "trained_stages": 1, "size": 32}
    hasher = fit(make_config({"image": image, "train": {"epochs": 1, "batch_size": 16}}), photos)
    hasher.save(tmp_path / "hasher")
    again = Hasher.load(tmp_path / "hasher")
    assert (again.encode(photos.test) == hasher.encode(photos.test)).all()


def test_mixed_precision_steps_through_the_same_code(torchvision, photos):
    """As on a GPU, but for the device: bfloat16 within, float32 where weights are kept and codes are compared."""
    image = {"backbone": "timm:test_vit", "weights": "random", "finetune": True, "trained_stages": 3,
             "checkpointing": True, "size": 32}  # fmt: skip
    config = make_config({"image": image, "train": {"epochs": 1, "batch_size": 16}})

    def step(bf16: bool) -> tuple[list[torch.dtype], torch.Tensor]:
        run = Run(config, prepared(config, photos), Ending())
        run.bf16, seen = bf16, []
        norm = run.model.backbone.backbone.net.blocks[-1].mlp.fc1
        norm.register_forward_hook(lambda module, given, made: seen.append(made.dtype))
        run.begin_epoch()
        items = torch.cat(run.views(torch.arange(16)))
        Stack([run]).step([items])
        assert {parameter.dtype for parameter in run.model.parameters()} == {torch.float32}
        return seen, run.model.hash_output.weight.grad

    (full, expected), (half, near) = step(False), step(True)
    assert set(full) == {torch.float32}
    assert set(half) == {torch.bfloat16}
    assert torch.nn.functional.cosine_similarity(expected.flatten(), near.flatten(), dim=0) > 0.95


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trained_stages": 9}, "image.trained_stages must be at most 8 for this backbone, got 9"),
        ({"trained_stages": 2, "finetune": False}, "trained_stages = 2 says nothing about a frozen backbone: leave it"),
        ({"checkpointing": True, "finetune": False}, "checkpointing = True says nothing about a frozen backbone"),
    ],
)
def test_settings_that_say_nothing(settings, message):
    with pytest.raises((UserError, ValueError), match=message):
        trained_backbone(image_config("efficientnet_lite0", **settings))
