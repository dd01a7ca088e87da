import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nsh_core import Hasher, UserError, fit, make_config
from nsh_core.__main__ import app
from tests.study.commands import in_a_fork


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return in_a_fork("nsh_core", arguments)


@pytest.fixture(scope="session")
def trained(once):
    def make(folder: Path) -> None:
        settings = ("--set", "code_length=16", "--set", "train.epochs=2", "--seed", "0")
        result = command("train", "--dataset", "digits", *settings, "--out", str(folder))
        assert result.returncode == 0, result.stderr
        (folder / "stdout").write_text(result.stdout)

    folder = once("trained", make)
    return folder, (folder / "stdout").read_text()


def metrics_of(output: str) -> dict[str, str]:
    return dict(line.split(": ") for line in output.strip().splitlines())


def test_train_prints_its_metrics_last(trained):
    metrics = metrics_of(trained[1])
    assert trained[1].startswith("labels: 10 classes (0 to 9), one an item\n")
    assert {"val_map", "test_map", "test_map_expected", "sorter_fidelity", "effective_codes"} <= set(metrics)
    assert 0.3 < float(metrics["test_map"]) < 1


def test_train_says_what_it_keeps_and_where(trained):
    assert f"hasher: {trained[0]}\n" in trained[1]
    unkept = command("train", "--set", "train.epochs=1")
    assert "note: the hasher will not be kept: --out FOLDER saves it\n" in unkept.stdout
    assert "hasher: " not in unkept.stdout


@pytest.mark.parametrize("option", ["--out", "--checkpoints"])
def test_a_folder_that_cannot_be_written_into_is_told_before_training(option, tmp_path):
    (tmp_path / "file").touch()
    for place, reason in (("file", "a folder is expected, got a file"), ("file/x", "Not a directory")):
        refused = command("train", "--set", "train.epochs=100000", option, str(tmp_path / place))
        assert refused.returncode == 2
        assert refused.stderr == f"error: cannot write into {tmp_path / place}: {reason}\n"


def test_metrics_are_printed_though_the_hasher_cannot_be_saved(tmp_path, monkeypatch, capsys):
    def full(self: Hasher, folder: Path) -> None:
        raise UserError("no space left")

    monkeypatch.setattr(Hasher, "save", full)
    with pytest.raises(UserError, match="no space left"):
        app(["train", "--set", "train.epochs=1", "--out", str(tmp_path / "new")], standalone_mode=False)
    assert "test_map: 0." in capsys.readouterr().out


def test_another_hasher_is_not_overwritten(trained, feature_file, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "hasher")
    held = (folder / "hasher.json").read_bytes()
    any_bits = ["train", "--set", "train.epochs=2", "--seed", "0", "--out", str(folder)]
    same = [*any_bits, "--set", "code_length=16"]
    for asked, told in (
        (
            [*any_bits, "--set", "code_length=8"],
            r"config \(code_length = 16, this run: 8\): remove it, or choose",
        ),
        (
            [*same, "--dataset", str(feature_file)],
            r"data set \(digits \w{16}, this run: features:\S+ \w{16}\): ",
        ),
    ):
        with pytest.raises(UserError, match=f"{folder} holds a hasher of another {told}"):
            app(asked, standalone_mode=False)
        assert (folder / "hasher.json").read_bytes() == held
    app(same, standalone_mode=False)
    (folder / "hasher.json").write_text("{}")
    with pytest.raises(UserError, match=r"hasher holds a hasher already, and .* is damaged: .*: remove it, or choose"):
        app(same, standalone_mode=False)


def test_a_command_line_of_nothing_is_answered_by_the_help():
    nothing = command()
    assert (nothing.returncode, nothing.stderr) == (2, "")
    assert "train" in nothing.stdout


def test_evaluate_gives_what_train_gave(trained):
    evaluated = command("evaluate", "--model", str(trained[0]), "--dataset", "digits")
    assert evaluated.returncode == 0
    trained_metrics = metrics_of(trained[1])
    assert metrics_of(evaluated.stdout).items() <= trained_metrics.items()


def test_encode_writes_packed_codes(trained, digits, tmp_path):
    np.save(tmp_path / "x.npy", digits.test.items)
    result = command(
        "encode", "--model", str(trained[0]), "--input", str(tmp_path / "x.npy"), "--out", str(tmp_path / "b.npy")
    )
    assert result.returncode == 0, result.stderr
    codes = np.load(tmp_path / "b.npy")
    assert codes.shape == (300, 2)
    np.testing.assert_array_equal(codes, Hasher.load(trained[0]).encode(digits.test.items))


def test_what_cannot_be_read_is_one_line_and_exit_code_2(trained, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for arguments in (
        ("train", "--dataset", f"features:{tmp_path / 'pipe'}"),
        ("encode", "--model", str(trained[0]), "--input", str(tmp_path / "pipe"), "--out", str(tmp_path / "b.npy")),
    ):
        refused = command(*arguments)
        assert refused.returncode == 2
        assert refused.stderr == f"error: cannot read {tmp_path / 'pipe'}: a file is expected, got a pipe\n"


def test_save_and_load_keep_everything(digits, tmp_path):
    hasher = fit(make_config({"train": {"epochs": 1}}), digits)
    hasher.save(tmp_path)
    loaded = Hasher.load(tmp_path)
    np.testing.assert_array_equal(loaded.encode(digits.test), hasher.encode(digits.test))
    for name in ("config", "metrics", "history", "curves", "seconds"):
        assert getattr(loaded, name) == getattr(hasher, name)


def test_a_hasher_says_what_it_is(hasher):
    measured = f"val_map {hasher.metrics['val_map']:.3f}, test_map {hasher.metrics['test_map']:.3f}"
    assert repr(hasher) == f"Hasher nsh on digits: 8 bits, {measured}"
    assert repr(Hasher(hasher.config, hasher.model, "mlp")) == "Hasher nsh: 8 bits, not evaluated"


def test_encode_checks_its_items(digits, tmp_path):
    hasher = fit(make_config({"train": {"epochs": 1}}), digits)
    with pytest.raises(UserError, match=r"'items' must have shape \[N, 64\], N >= 1, got \[3, 65\]"):
        hasher.encode(np.zeros((3, 65)))
    with pytest.raises(UserError, match="NaN"):
        hasher.encode(np.full((3, 64), np.nan))


def test_a_damaged_hasher_is_named(trained, tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*hasher.json: No such file"):
        Hasher.load(tmp_path)
    (tmp_path / "hasher.json").write_text("{}")
    with pytest.raises(UserError, match=r"hasher.json is no checkpoint of this project or is damaged"):
        Hasher.load(tmp_path)
