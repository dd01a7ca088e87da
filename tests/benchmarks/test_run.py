import json
import subprocess

import numpy as np
import pytest
import torch

from benchmarks.cases import map_cases, sort_cases, sorted_nce_cases
from benchmarks.extraction import extraction_cases
from benchmarks.references import map_loop
from nsh_core.codes import pack
from nsh_core.frozen import device_of_frozen
from nsh_core.metrics import mean_average_precision
from nsh_core.sections import ImageConfig
from tests.study.commands import in_a_fork


def bench(*options: object) -> subprocess.CompletedProcess[str]:
    return in_a_fork("benchmarks", options)


@pytest.mark.slow(5)
def test_a_quick_run_writes_its_lines_and_figure(tmp_path):
    result = bench(
        "--only", "torchsort", "--quick", "--json", tmp_path / "lines.json", "--figure", tmp_path / "cost.png"
    )
    assert result.returncode == 0, result.stderr
    lines = json.loads((tmp_path / "lines.json").read_text())
    assert [line["n"] for line in lines] == [64, 128]
    for line in lines:
        assert line["ratio"] == line["reference_s"] / line["project_s"]
        assert line["max_abs_error"] < 1e-9
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_case_is_one_line():
    result = bench("--only", "quicksort")
    assert result.returncode == 2
    assert result.stderr.startswith("error: --only must be one of sorted_nce_softsort")


def test_the_references_agree_with_the_project():
    cpu = torch.device("cpu")
    cases = [
        *sorted_nce_cases("softsort", (24,), cpu),
        *sorted_nce_cases("neuralsort", (24,), cpu),
        *(sort_cases(name, "", (16,), 16, cpu)[0] for name in ("diffsort_odd_even", "diffsort_bitonic", "sinkhorn")),
    ]
    for case in cases:
        assert case.error() < 1e-9, case.name
    retrieval, search = map_cases(60, 1500)
    assert retrieval.error() < 1e-12
    distances, _ = search.reference()
    assert distances.shape == (60, 1000)


def test_an_extraction_is_that_of_eager_mode(tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setenv("NSH_CACHE", str(tmp_path))
    image = ImageConfig(backbone="efficientnet_lite0", weights="random", size=64)
    [case] = extraction_cases(16, device_of_frozen(), image)
    assert case.name == "extraction_efficientnet_lite0"
    largest = {name: np.abs(array).max() for name, array in case.project().items()}
    assert largest.keys() == {"train_views", "database", "query"}
    assert case.error() < 1e-4 * max(largest.values())


def test_the_loop_of_the_field_is_the_conventional_value():
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 2, (count, 16)) * 2 - 1 for count in (20, 300)]
    labels = [rng.integers(0, 4, count) for count in (20, 300)]
    ours = mean_average_precision(pack(codes[0]), labels[0], pack(codes[1]), labels[1], 50)
    as_float = [array.astype(np.float32) for array in codes]
    assert abs(map_loop(as_float[0], labels[0], as_float[1], labels[1], 50) - ours) < 1e-12
