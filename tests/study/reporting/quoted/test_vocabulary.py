"""What pages quote is what the committed tables say, read by hand."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nsh_core.config import make_config
from nsh_core.errors import UserError
from study.reporting.quoted import evaluator, vocabulary

ROOT = Path(__file__).parents[4]
TABLES = ROOT / "results" / "reference"
STUDY = "sorter_ablation"


@pytest.fixture(scope="module")
def say(without_plugins):
    measured = ROOT / "docs" / "measured.csv"
    names = vocabulary([TABLES, ROOT / "docs" / "search" / "results"], measured, ROOT / "docs")
    evaluate = evaluator(names)
    return lambda expression: evaluate(expression, "here")


def rows(study, file="comparisons"):
    with (TABLES / study / f"{file}.csv").open(newline="") as opened:
        return [row for row in csv.DictReader(opened) if row["metric"] == "test_map"]


def number(row, name):
    return float(row[name])


def word(row, smallest=0.005):
    """The verdict from a row of comparisons, written anew."""
    reach = stats.t.ppf(1 - 0.05 / float(row["tests"]), number(row, "degrees")) * number(row, "se")
    if number(row, "p_holm") < 0.05:
        return "beats" if number(row, "difference") > 0 else "loses to"
    return "is equivalent to" if abs(number(row, "difference")) + reach < smallest else "is not told apart from"


def test_verdicts_and_differences_are_those_of_the_rows(say):
    turned = {"beats": "loses to", "loses to": "beats"}
    words = set()
    for row in rows(STUDY) + rows("first_ranks-grid"):
        study = STUDY if row in rows(STUDY) else "first_ranks-grid"
        pair = f"'{study}', {row['arm']!r}, {row['reference']!r}"
        told = say(f"told({pair})")
        assert told == word(row)
        words.add(told)
        low, high = number(row, "both_low"), number(row, "both_high")
        assert say(f"difference({pair})") == f"{number(row, 'difference'):+.3f} [{low:+.3f}, {high:+.3f}]"
        back = f"'{study}', {row['reference']!r}, {row['arm']!r}"
        assert say(f"told({back})") == turned.get(told, told)
        assert say(f"difference({back})") == f"{-number(row, 'difference'):+.3f} [{-high:+.3f}, {-low:+.3f}]"
    assert len(words) > 1


def test_a_clause_has_each_arm_with_its_verdict_and_size(say):
    clause = say(f"versus('{STUDY}', 'softsort', ['blackbox', 'neuralsort'])")
    [lost] = [row for row in rows(STUDY) if row["arm"] == "blackbox"]
    assert clause.startswith(f"softsort beats blackbox by {-number(lost, 'difference'):.3f} [")
    assert f" neuralsort ({say(f'''difference('{STUDY}', 'softsort', 'neuralsort')''')})" in clause


def test_levels_are_those_of_the_summary(say):
    for row in rows(STUDY, "summary"):
        low, high = number(row, "both_low"), number(row, "both_high")
        assert say(f"level('{STUDY}', {row['arm']!r})") == f"{number(row, 'mean'):.3f} [{low:.3f}, {high:.3f}]"
        assert say(f"mean('{STUDY}', {row['arm']!r})") == f"{number(row, 'mean'):.3f}"
    means = [number(row, "mean") for row in rows(STUDY, "summary")]
    assert say(f"range('{STUDY}')") == f"{min(means):.3f} to {max(means):.3f}"


def test_the_best_is_that_of_validation_queries_and_stands_out_in_the_table(say):
    trials = pd.read_parquet(TABLES / STUDY / "trials.parquet")
    best = trials.groupby("arm").val_map.mean().idxmax()
    assert say(f"best('{STUDY}')") == best
    table = say(f"levels({{'digits': '{STUDY}'}})")
    bold = [line for line in table.splitlines() if "**" in line]
    assert bold == [f"| {best} | **{say(f'''level('{STUDY}', {best!r})''')}** |"]
    marked = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if "†" in line]
    assert say(f"tied('{STUDY}')").replace(" and ", ", ") == ", ".join(name.partition(" (")[0] for name in marked)
    assert len(table.splitlines()) == trials.arm.nunique() + 3


def test_a_main_effect_is_the_difference_of_means(say):
    trials = pd.read_parquet(TABLES / "transfer" / "trials.parquet")
    done = trials[(trials.phase == "final") & (trials.state == "complete")]
    means = done.groupby("factor_teacher").test_map.mean()
    told = say("effect('transfer', 'teacher', 'neighbours')")
    assert float(told.split()[0]) == pytest.approx(means["neighbours"] - means["instances"], abs=0.0006)
    assert say("shown('transfer', 'teacher', 'neighbours')") is True
    worth = means["neighbours"] - means["instances"]
    assert say("worth('transfer', 'teacher', 'neighbours')") == pytest.approx(worth, abs=0.0006)
    assert say("spread('transfer', 'teacher')") == pytest.approx(means.max() - means.min(), abs=0.0006)
    beside = done[done.factor_code_anchor == "with"].groupby("factor_surrogate").test_map.mean()
    told = say("worth('transfer', 'surrogate', 'no surrogate', {'code_anchor': ['with']})")
    assert told == pytest.approx(beside["no surrogate"] - beside["softsort"], abs=0.0006)


def test_a_rank_correlation_is_spearmans(say):
    done = pd.read_parquet(TABLES / "label_free" / "trials.parquet")
    means = done.groupby("arm")[["final_loss", "test_map"]].mean()
    rho = stats.spearmanr(-means.final_loss, means.test_map).statistic
    assert float(say("rank('label_free', 'final_loss')").split()[0]) == pytest.approx(rho, abs=0.006)
    cells = done.groupby(["factor_train.learning_rate", "arm"])[["final_loss", "test_map"]].mean()
    own = [stats.spearmanr(-cell.final_loss, cell.test_map).statistic for _, cell in cells.groupby(level=0)]
    assert float(say("rank_within('label_free', 'final_loss', 'train.learning_rate')")) == pytest.approx(
        np.mean(own), abs=0.006
    )
    chosen = means.test_map[means.final_loss.idxmin()]
    lost, low, high = map(float, re.findall(r"[\d.]+", say("loses('label_free', 'final_loss')")))
    assert lost == pytest.approx(means.test_map.max() - chosen, abs=0.0006)
    assert 0 <= low <= lost <= high
    quantities = (
        "final_sorted_nce",
        "final_anchor",
        "bit_balance",
        "bit_correlation",
        "bit_entropy",
        "effective_codes",
        "sorter_fidelity",
    )
    ends = [re.findall(r"[\d.]+", say(f"loses('label_free', '{name}')"))[2] for name in quantities]
    assert say("may_lose('label_free')") == pytest.approx(min(high, *map(float, ends)), abs=0.0006)


def test_a_study_is_found_on_all_its_data(say):
    found = say(f"on('{STUDY}')")
    keys = [path.name for path in TABLES.iterdir() if path.name == STUDY or path.name.startswith(f"{STUDY}@")]
    assert sorted(found.values()) == sorted(keys)
    assert next(iter(found)) == "digits"
    assert found["CIFAR-10, MobileNetV2"].startswith(f"{STUDY}@cifar10_mobilenetv2")


def test_a_table_of_verdicts_has_a_row_for_each_group_with_the_arm(say):
    lines = say("verdicts({'digits': 'code_length'}, 'softsort', ['pairwise', 'lapsum'])").splitlines()
    assert lines[0] == "| softsort against | pairwise | lapsum |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| digits, {n} bits" for n in (8, 16, 32, 64, 128)]
    [row] = [
        row
        for row in rows("code_length")
        if row["arm"].startswith("surrogate=pairwise") and row["group"] == "code_length=8"
    ]
    low, high = -number(row, "both_high"), -number(row, "both_low")
    sign = {"beats": "**loses**", "loses to": "**beats**"}.get(word(row), "open")
    assert lines[2].split(" | ")[1] == f"{sign}, {-number(row, 'difference'):+.3f} [{low:+.3f}, {high:+.3f}]"


def test_a_table_by_two_factors_has_the_level_of_each_pair(say):
    held = "{'loss.nce_temperature': '0.3'}"
    lines = say(f"crossed({{'A': 'temperature'}}, 'sorter.temperature', 'sorter.name', {held})").splitlines()
    assert lines[0] == "| temperature | A, softsort | A, neuralsort |"
    means = {row["arm"]: number(row, "mean") for row in rows("temperature", "summary")}
    temperatures = [line.split(" | ")[0].strip("| ") for line in lines[2:]]
    assert temperatures == ["0.1", "0.25", "0.5", "1.0", "2.0", "4.0"]
    for temperature, line in zip(temperatures, lines[2:], strict=True):
        for sorter, cell in zip(("softsort", "neuralsort"), line.split(" | ")[1:], strict=True):
            mean = means[f"sorter={sorter}, temperature={temperature}, nce_temperature=0.3"]
            assert cell.startswith(f"{mean:.3f} [")


def test_facts_of_a_run(say):
    facts = json.loads((TABLES / STUDY / "run.json").read_text())
    assert say(f"command('{STUDY}')") == f"`{facts['command']}`"
    assert say(f"continuous('{STUDY}')") == f"{facts['continuous']['test_map']:.3f}"
    assert say(f"seeds('{STUDY}')") == 10
    trials = pd.read_parquet(TABLES / "as_published" / "trials.parquet")
    two = trials[trials.arm.str.contains("softmaxes=two")]
    assert say("collapsed('as_published', 'softmaxes=two')") == f"{(two.state == 'failed').sum()} of {len(two)}"


def test_a_benchmark_is_that_of_the_latest_run(say):
    runs = json.loads((ROOT / "docs" / "benchmarks.json").read_text())
    [row] = [row for row in runs[-1]["rows"] if row["name"] == "sorted_nce_softsort" and row["n"] == 512]
    assert say("benchmark('benchmarks.json', 'sorted_nce_softsort', 'ratio', 512)") == f"{row['ratio']:.3g}"
    assert len(say("benchmarks('benchmarks.json')").splitlines()) == len(runs[-1]["rows"]) + 2


def test_settings_and_constants_are_those_of_the_code(say):
    assert say("setting('loss.num_positives')") == str(make_config({}).loss.num_positives)
    assert say("constant('study.analysis.seeds', 'ALPHA')") == "0.05"
    assert say("given('.706', 'a paper')") == ".706"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("level('sorter_ablatoin', 'softsort')", "there is no study 'sorter_ablatoin', known: "),
        ("level('paper_table@cifar10', 'nsh')", "study 'paper_table@cifar10' may be any of "),
        (f"level('{STUDY}', 'sinkhrn')", f"there is no arm of {STUDY} 'sinkhrn', known: 'softsort', 'neuralsort', "),
        (f"told('{STUDY}', 'lapsum', 'blackbox')", f"{STUDY} plans no comparison of lapsum and blackbox, known: "),
        ("told('code_length', 'pairwise', 'softsort')", "group '' may be any of code_length=8, "),
        (f"effect('{STUDY}', 'surrogate', 'softsort')", f"{STUDY} has no main effects"),
        (
            "interaction('transfer', {'teacher': ['instance']})",
            "transfer has no factor and level ('teacher', 'instance')",
        ),
        ("effect('transfer', 'teacher', 'none')", "there is no such level, known: teacher: neighbours"),
        (
            "crossed({'A': 'temperature'}, 'sorter.temperature', 'sorter.name', {'loss.nce_temperature': '7'})",
            "no arm of temperature has {'loss.nce_temperature': '7'}, factors: sorter.name, sorter.temperature",
        ),
        ("rank('label_free', 'los')", "there is no quantity 'los', known: "),
        (
            "rank_within('label_free', 'final_loss', 'rate')",
            "label_free has no factor 'rate', known: train.learning_rate",
        ),
        ("on('nothing')", "there is no study 'nothing', known: "),
        ("measured('none')", "there is no measurement 'none'"),
        ("benchmark('benchmarks.json', 'map', 'ratio')", "there are 0 such cases, known: "),
        ("benchmark('none.json', 'map', 'ratio')", "there is no file of benchmarks "),
        ("setting('loss.temprature')", "there is no setting 'loss.temprature'"),
        ("constant('study.analysis.seeds', 'NONE')", "there is no such constant"),
        ("given('1', '')", "'1' needs a source"),
    ],
)
def test_what_is_not_there_is_told_in_a_line_with_what_is(say, expression, told):
    with pytest.raises(UserError) as error:
        say(expression)
    line = str(error.value).removeprefix(f"here: {expression}: ")
    assert "\n" not in line
    assert told in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,value\n", "must have the columns id, value, unit, what, command, date, machine, commit"),
        ("{head}\na,1,,b,c,d,e,f\na,2,,b,c,d,e,f\n", ":3: a stands there twice"),
        ("{head}\na,1,s,b,,d,e,f\n", ":2: a has no command"),
    ],
)
def test_a_measurement_says_where_it_is_from(tmp_path, text, told):
    path = tmp_path / "measured.csv"
    path.write_text(text.format(head="id,value,unit,what,command,date,machine,commit"))
    with pytest.raises(UserError, match=told):
        vocabulary([], path, tmp_path)


def test_a_table_of_measurements_is_a_file(tmp_path):
    (tmp_path / "t.csv").write_text("bits,ms\n16,2.01\n")
    path = tmp_path / "measured.csv"
    path.write_text("id,value,unit,what,command,date,machine,commit\nt,t.csv,,b,c,d,e,f\nu,3,ms,b,c,d,e,f\n")
    names = vocabulary([], path, tmp_path)
    assert names["measured_table"]("t") == "| bits | ms |\n| --- | --- |\n| 16 | 2.01 |"
    assert names["measured"]("u") == "3 ms"
    assert names["measured"]("u", unit=False) == "3"
