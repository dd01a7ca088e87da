"""What is told of tuned settings, held against responses of known truth."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from nsh_core import make_config
from study.analysis.importance import FEWEST, dependence_p, fanova, importances, ped_anova, tries_by_arm
from study.analysis.results import Results, read_results
from study.plan.budget import Tuning
from study.reporting.document import write_report
from study.reporting.figures.drawing import figure_of
from study.reporting.tuned_importance import tuned_importance
from tests.study.analysis.tuning_simulations import called, true_shares, tune
from tests.study.commands import ROOT

BUDGET = Tuning(trials=24)
RATE, TAU = "train.learning_rate", "loss.nce_temperature"
FLOOR = "floor (argsort, no gradient)"


def tried(place: int, seed: int = BUDGET.seed, state: str = "complete", phase: str = "tuning", **changes) -> dict:
    """A row of the table of trials: mAP follows the learning rate."""
    rng = np.random.default_rng(place)
    tuned = {} if place == 0 else {RATE: 10 ** rng.uniform(-4, -1), TAU: 10 ** rng.uniform(-2, 0)}
    config = make_config({"seed": seed}, [f"{name}={value}" for name, value in tuned.items()])
    value = np.log10(config.train.learning_rate) if state != "failed" else np.nan
    text = json.dumps(tuned)
    row = {"arm": "a", "seed": seed, "phase": phase, "state": state, "val_map": value, "tuned": text}
    return row | {"config": config.model_dump_json()} | changes


def test_the_setting_that_matters_is_found_in_the_tries_alone():
    rows = [tried(place) for place in range(FEWEST)]
    table = importances(pd.DataFrame(rows), BUDGET).set_index("setting")
    assert list(table.tries) == [FEWEST] * 2
    for way in ("fanova", "ped_anova"):
        assert table[way][RATE] > 3 * table[way][TAU]
        assert table[f"{way}_first"][RATE] > 0.95
        assert (table[f"{way}_low"] <= table[f"{way}_high"]).all()
        assert table[way].between(0, 1).all()
    assert table.p[RATE] < 0.01
    assert table.p[TAU] > 0.05
    # Final runs of what was chosen, and tries without a value, have no say.
    others = [tried(7, seed, phase="final", val_map=100.0) for seed in range(30)] + [tried(90, state="failed")]
    alone, among = (tries_by_arm(pd.DataFrame(own), BUDGET)["a"] for own in (rows, rows + others))
    assert (alone.points == among.points).all()
    assert (alone.values == among.values).all()
    assert importances(pd.DataFrame(rows[1:]), BUDGET).empty
    assert importances(pd.DataFrame([row | {"val_map": 0.5} for row in rows]), BUDGET).empty


def test_tries_of_all_tunings_are_one_each_with_the_round_that_made_it():
    budget = Tuning(trials=13, seed=1000, seeds=2, each_seed=True)
    rows = [tried(13 * repeat + place, 1000 + 2 * repeat + run, val_map=place + run)
            for repeat in (0, 1) for place in range(13) for run in (0, 1)]  # fmt: skip
    rows[5]["state"] = "failed"
    own = tries_by_arm(pd.DataFrame(rows), budget)["a"]
    # Of the first tuning the third try is left out, since one of its runs failed.
    assert list(own.values) == [place + 0.5 for place in (0, 1, *range(3, 13), *range(13))]
    assert list(own.rounds) == [0] * 7 + [1] * 4 + [2] + [3] * 8 + [4] * 4 + [5]
    default = make_config()
    assert np.exp(own.points[0]) == pytest.approx([default.value_of(name) for name in own.settings])


@pytest.mark.slow(3)
def test_shares_are_those_of_a_known_response():
    truth = true_shares("slopes")
    tunings = [tune("slopes", "halton", 60, number) for number in (0, 1)]
    for way, measure, near in (("fanova", fanova, 0.15), ("ped_anova", ped_anova, 0.15)):
        shares = np.mean([measure(own.points, own.values)[0] for own in tunings], axis=0)
        assert shares == pytest.approx(truth[way], abs=near)
        assert shares[0] > shares[1] > shares[2:].max()


def test_p_is_that_of_all_permutations_within_rounds():
    rng = np.random.default_rng(1)
    points, values, rounds = rng.random((9, 2)), rng.random(9), np.repeat([0, 1, 2], 3)

    def explained(setting: np.ndarray, ranks: np.ndarray) -> float:
        rest = ranks - np.polyval(np.polyfit(setting, ranks, 2), setting)
        return 1 - rest.var() / ranks.var()

    ranks = rankdata(values)
    each = [list(itertools.permutations(own)) for own in np.split(ranks, 3)]
    every = [np.concatenate(one) for one in itertools.product(*each)]
    by_chance = np.array([max(explained(setting, one) for setting in points.T) for one in every])
    exact = [(by_chance >= explained(setting, ranks) - 1e-9).mean() for setting in points.T]
    shuffled = rng.permutation(9)
    found = dependence_p(points[shuffled], values[shuffled], rounds[shuffled])
    assert found == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("count", [20, 40])
def test_a_setting_without_effect_is_seldom_told_to_act(count):
    idle = called([tune("none", "halton", count, n) for n in range(150)])
    assert idle.any(axis=1).mean() <= 0.09
    half = called([tune("slopes", "halton", count, n) for n in range(80)])
    assert half[:, 2:].any(axis=1).mean() <= 0.05
    assert half[:, 0].mean() > (0.8 if count == 20 else 0.97)


def test_nor_where_the_search_moved_it_along_with_one_that_acts():
    tunings = [tune("slopes", "climb", 100, n) for n in range(40)]
    assert called(tunings)[:, 2:].any(axis=1).mean() <= 0.08
    # What a test would say that takes all tries as exchangeable.
    assert called(tunings, by_rounds=False)[:, 2:].any(axis=1).mean() > 0.5


@pytest.fixture(scope="module")
def stored() -> Results:
    """Two arms of a committed study: softsort, and the floor, whose sorter has no temperature."""
    results = read_results(ROOT / "results/reference/sorter_ablation-tuned@cifar10_mobilenetv2-ced1")
    trials = results.tables.trials
    return replace(results, tables=replace(results.tables, trials=trials[trials.arm.isin(["softsort", FLOOR])]))


@pytest.mark.slow(4)
def test_reports_show_shares_with_intervals_and_say_where_spaces_differ(stored):
    section = tuned_importance(stored)
    assert section.columns == ["arm", "tries", "setting", "fANOVA [95%]", "PED-ANOVA [95%]", "first", "p"]
    assert [row[:3] for row in section.rows[5:6]] == [[FLOOR, "50", "train.learning_rate"]]
    assert len(section.rows) == 5 + 4
    assert f"differ: {FLOOR} was searched without sorter.temperature." in section.notes[1]
    own = stored.importances.iloc[5]
    assert section.rows[5][3] == f"{own.fanova:.2f} [{own.fanova_low:.2f}, {own.fanova_high:.2f}]"
    assert {place for place in range(9) if stored.importances.p[place] < 0.05} == set(section.best)
    figure = figure_of(stored, "importance")
    assert [axis.get_title() for axis in figure.axes] == ["softsort, 50 tries", f"{FLOOR}, 50 tries"]
    assert {axis.get_xlabel() for axis in figure.axes} == {"share of variance (0 to 1)"}


def test_reports_say_nothing_of_too_few_tries(stored):
    trials = stored.tables.trials
    tries = trials[(trials.arm == FLOOR) & (trials.phase == "tuning")]
    few = trials[(trials.phase == "final") | (trials.arm == FLOOR)].drop(tries.index[17:])
    section = tuned_importance(replace(stored, tables=replace(stored.tables, trials=few)))
    assert section.notes == [
        f"Nothing is told of fewer than 20 tries, whose best quarter holds fewer than five: {FLOOR} (17)."
    ]
    assert section.rows == []


def test_a_report_works_them_out_once_for_all_its_processes(stored, tmp_path, monkeypatch):
    log = tmp_path / "log"

    def counted(trials, tune):
        with log.open("a") as file:
            file.write("worked out\n")
        return importances(trials, tune)

    monkeypatch.setattr("study.analysis.results.importances", counted)
    figures = stored.facts.spec.model_copy(update={"figures": ["budget", "importance"]})
    fresh = replace(stored, facts=stored.facts.model_copy(update={"spec": figures}))
    assert not write_report(fresh, tmp_path / "report").failures
    assert log.read_text() == "worked out\n"
