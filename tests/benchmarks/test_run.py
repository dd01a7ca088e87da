import json

import numpy as np
import pytest
import torch

from benchmarks.cases import Case, groups
from benchmarks.cases.claims import claim_cases
from benchmarks.cases.extraction import extraction_cases
from benchmarks.cases.retrieval import map_cases
from benchmarks.cases.sorted_nce import sorted_nce_cases
from benchmarks.cases.sorting import sort_cases
from benchmarks.cases.training import step_cases, validation_cases
from benchmarks.goals import GOALS
from benchmarks.history import HISTORY
from benchmarks.measure import Seconds, seconds_of
from benchmarks.references import map_loop
from benchmarks.run import bench, measure
from nsh_core.codes import pack
from nsh_core.frozen import device_of_frozen
from nsh_core.metrics import mean_average_precision
from nsh_core.sections import ImageConfig
from tests.study.commands import in_a_fork

CPU = torch.device("cpu")


@pytest.mark.slow(4)
def test_a_quick_run_joins_its_file_with_a_figure_and_says_which_goals_are_met(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.measure.MOST_RUNS", 1)
    file, figure = tmp_path / "runs.json", tmp_path / "cost.png"
    earlier = json.loads(HISTORY.read_bytes())[:1]
    file.write_text(json.dumps(earlier))
    bench(only=["torchsort"], quick=True, output=file, figure=figure)
    kept, run = json.loads(file.read_bytes())
    assert [kept] == earlier
    assert run["torch"] == torch.__version__
    assert [row["n"] for row in run["rows"]] == [64, 128]
    for row in run["rows"]:
        assert row["ratio"] == row["reference_s"] / row["project_s"]
        assert row["max_abs_error"] < 1e-9
    assert figure.read_bytes().startswith(b"\x89PNG")
    [goal] = [line for line in capsys.readouterr().out.splitlines() if "1 x as fast" in line and " 64 " in line]
    assert goal.count("x as fast") == 3  # the goal, before and after


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "quicksort"], "--only must be one of sorted_nce_softsort"),
        (["--only", "torchsort", "--against", "no-such"], "--against must name a commit of"),
        (["--only", "torchsort", "--json", __file__], f"{__file__} holds no runs of benchmarks"),
    ],
)
def test_what_cannot_be_is_one_line(options, message):
    result = in_a_fork("benchmarks", options)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}")


def test_every_goal_is_of_a_group():
    known = groups(CPU, quick=False)
    assert all(any(goal.name.startswith(name) for name in known) for goal in GOALS)


def test_the_references_agree_with_the_project():
    cases = [
        *(sorted_nce_cases(name, (24,), CPU)[0] for name in ("softsort", "neuralsort", "sinkhorn", "lapsum")),
        *(sort_cases(name, "", (16,), 16, CPU)[0] for name in ("diffsort_odd_even", "diffsort_bitonic", "sinkhorn")),
    ]
    for case in cases:
        assert case.error() < 1e-9, case.name
    retrieval, search = map_cases(60, 1500)
    assert retrieval.error() < 1e-12
    distances, _ = search.reference()
    assert distances.shape == (60, 1000)


def test_a_step_has_a_floor_and_says_its_seconds():
    for case in step_cases(CPU, seeds=2):
        both = case.project(), case.reference()
        assert all(isinstance(seconds, Seconds) and seconds > 0 for seconds in both), case.name


@pytest.mark.slow(4)
def test_validations_are_timed_without_the_run():
    [case] = validation_cases(CPU, quick=True)
    assert 0 < case.project() < 60
    assert case.n == 5000


def test_claims_are_seconds_of_one(monkeypatch):
    monkeypatch.setattr("benchmarks.storage.claims_a_second", lambda *given: 50.0 if given[:2] == ("postgresql", 16) else 0, raising=False)  # fmt: skip  # noqa: E501
    [case] = claim_cases(quick=True)
    assert seconds_of(case.project, CPU) == 1 / 50


def test_the_memory_of_other_processes_is_not_told():
    row = measure(Case("away", 1, lambda: Seconds(2.0), here=False), CPU)
    assert (row["project_s"], row["project_mb"], row["reference_s"], row["ratio"]) == (2.0, None, None, None)


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
