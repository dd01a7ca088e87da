import doctest
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from optuna.trial import TrialState

import study.interface
from nsh_core import Config, UserError
from nsh_core.data import from_arrays
from nsh_core.registry import SORTERS
from nsh_core.sorters.softsort import SoftSort
from study import StoredStudy, Study
from study import UserError as OfStudy
from study.execution.events import Evaluated
from tests.conftest import feature_arrays
from tests.study.commands import ROOT, outcome

FACTORS = {"sorter.name": ["softsort", "argsort"]}
BASE = {"code_length": 8, "train.epochs": 2, "train.evaluate_every": 1}


def tiny(results: Path, **more: object) -> Study:
    return Study("tiny", base=BASE, factors=FACTORS, seeds=2, results=results, **more)


@pytest.mark.slow(10)
def test_stopped_and_resumed_it_is_the_study_of_the_command_and_tells_of_everything_once(tmp_path, undisturbed):
    evaluations, ends = [], []

    def interrupt(event: Evaluated) -> None:
        evaluations.append(event)
        if event.epoch == 2:
            raise KeyboardInterrupt

    own = tiny(tmp_path)
    assert repr(own) == f"Study tiny on digits: 2 arms, 2 seeds, not run yet in {tmp_path / 'tiny'}"
    with pytest.raises(KeyboardInterrupt):
        own.run(jobs=1, on_evaluation=interrupt)
    told = own.trials.query("state == 'complete'")
    assert own.run(jobs=1, on_trial=ends.append, on_evaluation=evaluations.append) is own
    assert own.is_complete
    assert len(ends) == 4 - len(told)
    assert {(end.arm, end.seed, end.phase, end.state) for end in ends} <= {
        (arm, seed, "final", "complete") for arm in FACTORS["sorter.name"] for seed in (0, 1)
    }
    by_arm = own.trials.set_index(["arm", "seed"])
    assert all(end.measures["test_map"] == by_arm.test_map[end.arm, end.seed] for end in ends)
    last = {(one.arm, one.seed): one.val_map for one in evaluations if one.epoch == 2}
    assert last.items() <= by_arm.val_map.to_dict().items()
    again = []
    own.run(jobs=1, on_trial=again.append, on_evaluation=again.append)
    assert again == []
    command = outcome(undisturbed / "tiny")
    assert outcome(own.folder)[command.columns].equals(command)


@pytest.fixture
def stored(undisturbed: Path) -> StoredStudy:
    return StoredStudy(undisturbed / "tiny")


def test_what_a_stored_study_says(stored):
    assert len(stored.trials) == 4
    assert set(stored.summary.arm) == set(FACTORS["sorter.name"]) == set(stored.ranking.arm)
    assert list(stored.comparisons.arm.unique()) == ["argsort"]
    assert repr(stored) == f"Study tiny on digits: 2 arms, 2 seeds, 4 of 4 trials over. {stored.verdict.headline}"
    assert str(stored.verdict).startswith(stored.verdict.headline)
    page = stored._repr_html_()
    assert "<h4>Does the tiny study run?</h4>" in page
    assert all(f"<td>{arm}</td>" in page for arm in FACTORS["sorter.name"])
    claim, planned = stored.compare("argsort", "softsort"), stored.verdict.families[0].claims[0]
    assert str(claim) == claim.sentence == planned.sentence


def test_a_figure_is_its_owners_alone(stored, tmp_path):
    plt.get_backend()  # is chosen when first asked for
    before = plt.get_fignums(), plt.rcParams.copy()
    figure = stored.figure("arms")
    figure.savefig(tmp_path / "arms.png")
    assert (tmp_path / "arms.png").stat().st_size > 5000
    assert (plt.get_fignums(), plt.rcParams) == before


def test_a_report_is_written(stored, tmp_path):
    page = stored.report(tmp_path)
    assert page == tmp_path / "tiny" / "report.html"
    assert stored.verdict.headline.split(":")[0] in page.read_text()


def test_optunas_study_is_the_one_in_storage(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    trials = tiny(tmp_path).optuna_study.get_trials()
    assert [trial.state for trial in trials] == 4 * [TrialState.COMPLETE]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: Study("sorter_ablatoin"), r"unknown study 'sorter_ablatoin', known: .*did you mean 'sorter_.*"),
        (lambda: Study(3), r"study must be text, got 3.*"),
        (lambda: Study("mine", factors=3), r"study mine: factors: .* a valid dictionary, got 3"),
        (lambda: Study("mine", factors={}), r"study mine: factors: a study needs at least one factor: .*"),
        (lambda: Study("mine", factors={"code_length": []}), r"study mine: factors.code_length: a factor needs at .*"),
        (lambda: Study("mine", factors={"code_length": 8}), r"study mine: factors.code_length: .*"),
        (lambda: Study("mine", factors=FACTORS, sedes=3), r".*: sedes: unknown setting, got 3, .* mean 'seeds'\?"),
        (lambda: Study("mine", factors={"sorter.nme": ["softsort"]}), r".*'softsort': sorter.nme: unknown .*"),
        (lambda: Study("temperature", seeds=0), r"seeds must be a whole number of at least 1, got 0"),
        (lambda: Study("temperature", seeds=True), r"seeds must be .*, got True"),
        (lambda: Study("temperature", seeds="3"), r"seeds must be .*, got '3'"),
        (lambda: Study("temperature", settings="train.epochs=3"), r"settings must be a list, got 'train.epochs=3'.*"),
        (lambda: Study("temperature", settings={"train.epochz": 3}), r".*train.epochz: unknown setting, .*"),
        (lambda: Study("temperature", settings={"train.epochs": {1}}), r"settings: train.epochs must be a plain .*"),
        (lambda: Study("temperature", plugins="a.py"), r"plugins must be a list, got 'a.py': write \['a.py'\]"),
        (lambda: Study("temperature", mode="grod"), r"unknown mode 'grod', known: .*; did you mean 'grid'\?"),
        (lambda: Study.from_yaml("temperature"), r"a spec is a .yaml, .yml or .json file, got 'temperature'"),
        (lambda: Study("mine", factors=FACTORS, trials=5), r"study mine: mode grid tunes nothing: leave out trials,.*"),
        (lambda: Study("mine", factors=FACTORS, dataset=np.ones((9, 4))), r"a data set .* ndarray \[9, 4\], .*"),
        (lambda: Study("mine", factors=FACTORS, dataset=torch.ones(9, 4)), r"a data set .* Tensor \[9, 4\], .*"),
        (lambda: Study("mine", factors=FACTORS, dataset=[[1, 2]]), r"a data set .*, got \[\[1, 2\]\], .*from_arrays.*"),
        (lambda: Study("temperature", results=3), r"results must be a path, got 3"),
        (lambda: Study("temperature", storage=3), r"storage must be text, got 3, allowed: a journal file's path, .*"),
        (lambda: StoredStudy(3), r"folder must be a path, got 3"),
        (lambda: Study("temperature").report(3), r"reports must be a path, got 3"),
        (lambda: Study("temperature").export(3), r"archive must be a path, got 3"),
        (lambda: Study.from_yaml(3), r"a spec must be a path, got 3"),
        (lambda: Study("temperature").measure_cost(None), r"repeats must be a whole number of at least 1, got None"),
        (lambda: Study("temperature").run(on_trial=3), r"on_trial must be a function, got 3"),
        (lambda: Study("temperature").run(on_evaluation=[]), r"on_evaluation must be a function, got \[\]"),
        (lambda: Study("temperature", settings=["train.epochs"]), r".*setting is written NAME=VALUE, .*"),
        (lambda: StoredStudy("results/mine").trials, r"no results in results/mine: run the study first"),
        (lambda: Study("temperature").run(jobs=0), r"jobs must be a whole number of at least 1, got 0"),
        (lambda: Study("temperature").run(others="mixed"), r"others must be one of refuse, mix, rerun, got 'mixed'.*"),
        (lambda: Study("temperature", dataset="digitz").run(), r"unknown dataset 'digitz', known: .*'digits'\?"),
        (lambda: Study("temperature").trials, r"no results in results/temperature: run\(\) first"),
    ],
)  # fmt: skip
def test_a_mistaken_call_says_in_a_line_what_is_wrong(call, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"^(study temperature[:,] )?{line}$"):
        call()
    assert not list(tmp_path.rglob("run.json"))


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda one: one.figure("armz"), r"unknown figure 'armz', known: .*; did you mean 'arms'\?"),
        (lambda one: one.figure("pareto"), r"figure 'pareto' has nothing to show of study tiny"),
        (lambda one: one.compare("softsort", "softsort"), r"a comparison wants two arms, got 'softsort' twice"),
        (lambda one: one.compare("softsrt", "argsort"), r"tiny has no arm 'softsrt' .*, known: .*did you mean .*"),
    ],
)
def test_a_mistaken_question_says_in_a_line_what_is_wrong(call, line, stored):
    with pytest.raises(UserError, match=f"^{line}$"):
        call(stored)


def test_the_error_of_a_mistaken_call_has_one_class():
    assert OfStudy is UserError


def test_what_a_notebook_defines_is_refused_before_workers_miss_it(tmp_path):
    SORTERS.register("mine", type("Mine", (SoftSort,), {"__module__": "__main__"}))
    try:
        with pytest.raises(UserError, match=r"^sorter 'mine' is defined in a notebook or script, .*my_sorter.py"):
            tiny(tmp_path).run(jobs=1)
    finally:
        SORTERS.unregister("mine")


@pytest.mark.slow(10)
def test_tries_are_judged_by_an_objective_within_constraints(tmp_path):
    (tmp_path / "goal.py").write_text(
        "from study.registry import OBJECTIVES\n\n"
        "@OBJECTIVES.register('worst')\n"
        "def worst(measures):\n"
        "    return -measures['val_map']\n"
    )
    tune = {"trials": 4, "seed": 99, "sampler": "halton", "objective": "worst"}
    tune["constraints"] = {"loss.num_positives": {"max": 3.0}}
    own = tiny(tmp_path, tune=tune, plugins=[str(tmp_path / "goal.py")]).run(jobs=1)
    tries = own.trials.query("phase == 'tuning'")
    positives = tries.config.map(lambda text: Config.model_validate_json(text).loss.num_positives)
    allowed = tries[positives <= 3]
    assert 0 < len(allowed) < len(tries)
    for arm, finals in own.trials.query("phase == 'final'").groupby("arm"):
        mine = allowed[allowed.arm == arm]
        assert set(finals.tuned) == {mine.tuned[mine.val_map.idxmin()]}
    [stored, finals] = own.session.queue.studies
    assert {(one.user_attrs["arm"], one.value) for one in stored.trials} == set(
        zip(tries.arm, -tries.val_map, strict=True)
    )
    kept = [all(value <= 0 for value in trial.constraints.values()) for trial in stored.trials]
    assert sum(kept) == len(allowed)
    assert [study.metric_names for study in (stored, finals)] == [["worst"], ["validation mAP@all"]]
    assert any("was tuned for worst with loss.num_positives at most 3" in line for line in own.verdict.cautions)


@pytest.mark.slow(5)
def test_data_in_memory_train_as_they_do_from_a_file(tmp_path):
    arrays = {name: value for name, value in feature_arrays().items() if name != "train_labels"}
    np.savez(tmp_path / "mine.npz", **arrays)
    settings = {"train.batch_size": 16}
    own = tiny(tmp_path / "memory", dataset=from_arrays(**arrays, name="mine"), settings=settings).run(jobs=1)
    file = tiny(tmp_path / "file", dataset=str(tmp_path / "mine.npz"), settings=settings).run(jobs=1)
    assert own.results.facts.fingerprint == file.results.facts.fingerprint
    assert list(own.trials.codes_sha256) == list(file.trials.codes_sha256)


def test_settings_are_those_of_the_command_line():
    own = Study("temperature", settings={"train.epochs": 3, "train.device": "cpu", "loss.balance_weight": 1e-3})
    assert own.plan.assignments == ("train.epochs=3", "train.device=cpu", "loss.balance_weight=0.001")
    assert own.key == Study("temperature", settings=list(own.plan.assignments)).key


LOOK = """
import sys
import nsh_core
slow = {"numba", "scipy", "sklearn", "pandas", "matplotlib", "rich", "typer", "torchvision", "timm"}
assert not slow & set(sys.modules), slow & set(sys.modules)
import logging, os, signal, threading
def state():
    return (logging.root.level, len(logging.root.handlers), threading.active_count(), signal.getsignal(signal.SIGTERM),
            signal.getsignal(signal.SIGINT), dict(os.environ))
import matplotlib, optuna, torch
def libraries():
    return (dict.get(matplotlib.rcParams, "backend"), optuna.logging.get_verbosity(), torch.get_num_threads(),
            torch.get_rng_state().sum().item(), logging.getLogger("matplotlib").level)
before = state(), libraries()
from study import Study
assert Study.__name__ == "Study"
assert (state(), libraries()) == before, ((state(), libraries()), before)
"""


@pytest.mark.slow(5)
def test_an_import_changes_nothing_for_others():
    subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)


@pytest.mark.slow(8)
def test_examples_of_docstrings_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tested = doctest.testmod(study.interface)
    assert tested.attempted >= 4
    assert tested.failed == 0
