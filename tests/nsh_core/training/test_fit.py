import dataclasses
import math
import os
import re
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from nsh_core import CodeCollapse, Config, Hasher, NotFinite, UserError, fit, load_dataset, make_config, sorters
from nsh_core.evaluation import continuous_map
from nsh_core.methods import NSH
from nsh_core.metrics import mean_average_precision
from nsh_core.registry import METHODS, SORTERS
from nsh_core.sorters.softsort import SoftSort
from nsh_core.training.run import Ending, Run
from nsh_core.training.schedule import learning_rates
from tests.study.commands import Fork, in_a_fork

FAST = {"code_length": 12, "train": {"epochs": 3, "evaluate_every": 2}}


def fast(*assignments: str):
    return make_config(FAST, assignments)


@pytest.fixture(scope="module")
def fitted(digits) -> Callable[[Config], Hasher]:
    """The hasher of a config on digits, to be read only; trained once."""
    known: dict[str, Hasher] = {}

    def of(config: Config) -> Hasher:
        if config.digest() not in known:
            known[config.digest()] = fit(config, digits)
        return known[config.digest()]

    return of


def test_training_learns_on_digits(digits):
    hasher = fit(make_config({"train": {"epochs": 10}}), digits)
    untrained = fit(make_config({"train": {"epochs": 1, "learning_rate": 1e-9}}), digits)
    assert hasher.metrics["test_map"] > 0.65 > 0.55 > untrained.metrics["test_map"]
    assert [record["epoch"] for record in hasher.history] == [10]
    assert {"sorted_nce", "anchor", "balance", "loss", "val_map"} <= set(hasher.history[0])


@pytest.mark.parametrize("name", sorters.names())
def test_every_backend_trains_and_repeats_by_seed(digits, name):
    by_list = ["loss.negatives=random-8"] if sorters.sorts_lists(name) else ["loss.surrogate=masked_nce"]
    config = fast(f"sorter.name={name}", "train.epochs=1", *by_list)
    first, again, other = (fit(c, digits) for c in (config, config, config.model_copy(update={"seed": 1})))
    codes = first.encode(digits.database)
    np.testing.assert_array_equal(codes, again.encode(digits.database))
    assert first.metrics == again.metrics
    assert (codes != other.encode(digits.database)).any()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"config": {"code_length": 16}}, "config must be what make_config({'code_length': 16}) gives, got {'code_len"),
        ({"dataset": "digits"}, "dataset must be what load_dataset(NAME) gives, got 'digits'; nsh_core.data.from_arr"),
        ({"dataset": np.ones((100, 64))}, "dataset must be what load_dataset(NAME) gives, got ndarray [100, 64]; "),
        ({"on_evaluation": 3}, "on_evaluation must be a function, got 3"),
        ({"checkpoints": 3}, "checkpoints must be a path, got 3"),
    ],
)
def test_a_mistaken_call_is_named_before_anything_trains(digits, given, line):
    with pytest.raises(UserError, match=f"^{re.escape(line)}"):
        fit(**({"config": fast(), "dataset": digits} | given))


def test_metrics_are_those_of_the_codes(digits, fitted):
    hasher = fitted(fast())
    database = hasher.encode(digits.database)
    for prefix, split in (("val", digits.validation), ("test", digits.test)):
        arguments = hasher.encode(split.items), split.labels, database, digits.database.labels
        assert hasher.metrics[f"{prefix}_map"] == mean_average_precision(*arguments)
        assert hasher.metrics[f"{prefix}_map_expected"] == mean_average_precision(*arguments, ties="expected")
    assert hasher.history[-1]["val_map"] == hasher.metrics["val_map"]
    assert len(hasher.curves["test_precision_by_radius"]) == 13


def test_labels_do_not_reach_training(digits, fitted):
    scrambled = load_dataset("digits")
    for name in ("database", "validation", "test"):
        split = getattr(scrambled, name)
        setattr(scrambled, name, dataclasses.replace(split, labels=np.zeros_like(split.labels)))
    first, second = fitted(fast()), fit(fast(), scrambled)
    np.testing.assert_array_equal(first.encode(digits.database), second.encode(digits.database))
    assert second.metrics["test_map"] == 1


def test_test_queries_do_not_reach_selection(digits):
    other = load_dataset("digits")
    other.test = dataclasses.replace(other.test, items=np.zeros_like(other.test.items))
    config = fast("train.epochs=8", "train.evaluate_every=1", "train.patience=1", "train.learning_rate=0.1")
    first, second = fit(config, digits), fit(config, other)
    assert first.history == second.history
    assert first.metrics["test_map"] != second.metrics["test_map"]


def test_patience_stops_early(digits):
    config = fast("train.epochs=50", "train.evaluate_every=1", "train.patience=2", "train.learning_rate=1e-9")
    assert len(fit(config, digits).history) < 50


class BrokenMethod(NSH):
    def __call__(self, *arguments):
        raise KeyError("hey")


class BrokenSorter(SoftSort):
    def sort_levels(self, *arguments):
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("registry", "entry", "setting", "line"),
    [
        (METHODS, BrokenMethod, "method.name", "method 'broken' failed: KeyError: 'hey'"),
        (SORTERS, BrokenSorter, "sorter.name", "sorter 'broken' failed: SystemExit: 0"),
    ],
)
def test_a_plugin_that_fails_in_training_is_named(digits, registry, entry, setting, line):
    registry.register("broken", entry)
    try:
        with pytest.raises(UserError) as caught:
            fit(fast(f"{setting}=broken"), digits)
    finally:
        registry.unregister("broken")
    assert str(caught.value) == line


class Stop(Exception):
    pass


@pytest.mark.parametrize("stop_after", [1, 2])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_a_stopped_run_goes_on_to_the_same_codes(digits, fitted, tmp_path, stop_after, optimizer):
    config = fast("train.epochs=5", f"train.optimizer={optimizer}", "loss.negatives=random-9", "train.evaluate_every=2")
    whole = fitted(config)
    seen = []

    def stop(record):
        seen.append(record)
        if len(seen) == stop_after:
            raise Stop

    with pytest.raises(Stop):
        fit(config, digits, on_evaluation=stop, checkpoints=tmp_path)
    resumed = fit(config, digits, checkpoints=tmp_path)
    np.testing.assert_array_equal(whole.encode(digits.database), resumed.encode(digits.database))
    assert resumed.history == whole.history
    assert resumed.metrics == whole.metrics


@pytest.mark.slow(6)
def test_a_killed_process_goes_on_to_the_same_codes(digits, tmp_path):
    command = ["train", "--set", "train.epochs=12", "--set", "code_length=16"]
    kept = [*command, "--checkpoints", str(tmp_path / "c"), "--out", str(tmp_path / "killed")]
    process = Fork("nsh_core", *kept)
    while process.poll() is None and not (tmp_path / "c" / "checkpoint.json").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert in_a_fork("nsh_core", kept).returncode == 0
    assert in_a_fork("nsh_core", [*command, "--out", str(tmp_path / "whole")]).returncode == 0
    killed, whole = (Hasher.load(tmp_path / name) for name in ("killed", "whole"))
    np.testing.assert_array_equal(killed.encode(digits.database), whole.encode(digits.database))
    assert killed.metrics == whole.metrics


def test_checkpoints_of_another_run_are_refused(digits, tmp_path):
    fit(fast("train.epochs=1"), digits, checkpoints=tmp_path)
    with pytest.raises(UserError, match=r"holds a checkpoint of another config .* choose another folder"):
        fit(fast("train.epochs=2"), digits, checkpoints=tmp_path)


def test_a_loss_that_is_not_finite_has_a_name(digits, monkeypatch):
    monkeypatch.setattr("nsh_core.methods.nsh.nt_xent", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(NotFinite, match=r"anchor became nan in epoch 1"):
        fit(fast(), digits)


def test_a_collapse_has_a_name(digits, monkeypatch):
    monkeypatch.setattr(Hasher, "encode_batch", lambda self, batch: np.zeros((len(batch), 2), np.uint8))
    with pytest.raises(CodeCollapse, match="all 1197 database items have one code after epoch 2"):
        fit(fast(), digits)


def test_what_does_not_fit_is_refused(digits):
    with pytest.raises(UserError, match="batch_size = 2000 exceeds the 1197 training items of digits"):
        fit(fast("train.batch_size=2000"), digits)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device: allowed here are auto and cpu"):
            fit(fast("train.device=cuda"), digits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", sorters.names())
def test_every_backend_trains_on_cuda(digits, name):
    by_mask = [] if sorters.sorts_lists(name) else ["loss.surrogate=masked_nce"]
    config = fast(f"sorter.name={name}", "train.device=cuda", "train.epochs=10", *by_mask)
    hasher = fit(config, digits)
    assert hasher.model.mean.device.type == "cuda"
    assert hasher.metrics["test_map"] > 0.3


def test_the_callers_threads_are_left_alone(digits):
    torch.set_num_threads(2)
    fit(fast("train.epochs=1"), digits)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_multi_label_features_train(tmp_path):
    from tests.conftest import feature_arrays

    np.savez(tmp_path / "f.npz", **feature_arrays(multi=True, stored=np.uint8))
    dataset = load_dataset(f"features:{tmp_path / 'f.npz'}")
    hasher = fit(make_config({"code_length": 8, "train": {"epochs": 20, "batch_size": 16}}), dataset)
    assert hasher.metrics["test_map"] > 0.8
    assert continuous_map(dataset, None)["test_map"] > 0.8


def test_the_continuous_line_of_digits_is_the_designs(digits):
    assert continuous_map(digits, None)["test_map"] == pytest.approx(0.67, abs=0.03)


def test_the_continuous_line_of_cifar_is_the_designs(cifar_features):
    dataset = load_dataset(cifar_features)
    for name in ("validation", "test"):
        split = getattr(dataset, name)
        setattr(dataset, name, dataclasses.replace(split, items=split.items[:500], labels=split.labels[:500]))
    assert continuous_map(dataset, 1000)["test_map"] == pytest.approx(0.484, abs=0.03)


def test_a_step_of_sgd_has_momentum_and_plain_views_are_the_items(digits):
    config = fast("train.optimizer=sgd", "train.views=plain", "train.learning_rate=0.5")
    run = Run(config, digits, Ending())
    assert isinstance(run.optimizer, torch.optim.SGD)
    assert run.optimizer.defaults["momentum"] == 0.9
    index = torch.tensor([5, 3, 8])
    for view in run.views(index):
        assert torch.equal(view, torch.from_numpy(digits.database.items[[5, 3, 8]]))
    # The second view is of another item where it is drawn from neighbours.
    run = Run(fast("train.views=plain", "train.neighbors=2"), digits, Ending())
    first, second = run.views(torch.arange(200))
    assert torch.equal(first, torch.from_numpy(digits.database.items[:200]))
    assert 60 < (first != second).any(dim=1).sum() < 140


def test_plain_views_want_items_and_not_views_of_them_alone(feature_file):
    with pytest.raises(UserError, match=r"train.views = plain wants training items without augmentation, and features"):
        fit(fast("train.views=plain"), load_dataset(f"features:{feature_file}"))


@pytest.mark.slow(5)
@pytest.mark.parametrize("schedule", ["cosine", "constant", "step"])
@pytest.mark.parametrize("warmup", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("epoch", [0, 2])
def test_learning_rates_warm_up_and_fall(schedule, warmup, epoch):
    config = make_config({"train": {"epochs": 5, "schedule": schedule, "warmup_epochs": warmup}}).train
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    optimizer = torch.optim.Adam([{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.02}])
    rates = learning_rates(optimizer, config, steps=4, epoch=epoch)
    for step in range(4 * epoch, 20):
        done = step / 4
        warm = min(1.0, (done + 0.25) / warmup) if warmup else 1.0
        falling = {
            "cosine": 0.5 * (1 + math.cos(math.pi * done / 5)),
            "constant": 1.0,
            "step": 1.0 if done < 2 else 0.1 if done < 4 else 0.01,
        }[schedule]
        for group, top in zip(optimizer.param_groups, (0.1, 0.02), strict=True):
            assert group["lr"] == pytest.approx(top * warm * falling, rel=1e-12)
        optimizer.step()
        rates.step()
