"""Arms that learn from labels: shown and marked, and never the best."""

import pytest

from nsh_core import make_config
from study.analysis.headlines import surprises
from study.analysis.ranking import ranking
from study.analysis.results import Results
from study.analysis.tables import tables_of
from study.analysis.verdict import decide
from study.reporting.arms_table import arms_table, glance
from study.reporting.figures.drawing import figure_of
from study.reporting.latex import latex_tables
from tests.study.reporting.test_document import synthetic


def told(results: Results, methods: dict[str, str]) -> Results:
    """Results whose arms are of methods, by the first level of each."""
    trials = results.tables.trials
    names = trials.arm.map({arm.name: methods[next(iter(arm.levels.values()))] for arm in results.spec.arms})
    configs = {name: make_config({"method": {"name": name}}).model_dump_json() for name in methods.values()}
    known = tables_of(
        trials.assign(config=names.map(configs)), results.tables.curves, results.tables.per_query, results.spec
    )
    return Results(known, results.facts)


METHODS = {"nsh": "nsh", "other": "cibhash", "ceiling": "csq"}


@pytest.fixture
def results() -> Results:
    return told(synthetic({"nsh": 0.55, "other": 0.5, "ceiling": 0.9}), METHODS)


def test_a_ceiling_is_never_the_best(results):
    verdict = decide(results)
    assert verdict.best == {"nsh"}
    assert "ceiling" not in verdict.tied
    assert verdict.headline.startswith("nsh is best on the validation queries")
    assert "For scale, learned from labels: ceiling 0.9" in verdict.headline
    assert "the closest other arm: other" in verdict.headline
    assert any("ceiling beats nsh by 0.3" in sentence for sentence in verdict.sentences)
    assert results.ranked_arms == ["nsh", "other", "ceiling"]
    assert surprises(results, verdict.best) == []  # 0.9 is above the continuous input, as it should be


def test_without_a_ceiling_nothing_is_said_of_labels():
    plain = told(synthetic({"nsh": 0.55, "other": 0.5}), {"nsh": "nsh", "other": "cibhash"})
    verdict = decide(plain)
    assert "label" not in verdict.headline
    assert "information" not in arms_table(plain, verdict).columns
    assert "ddagger" not in latex_tables(plain, verdict)


def test_where_all_arms_are_ceilings_one_of_them_is_best():
    both = told(synthetic({"a": 0.8, "b": 0.9}), {"a": "classifier", "b": "csq"})
    verdict = decide(both)
    assert verdict.best == {"b"}
    assert both.contenders(["a", "b"]) == ["a", "b"]


def test_a_ceiling_is_marked_in_tables_and_figures(results):
    verdict = decide(results)
    table = arms_table(results, verdict)
    assert [dict(zip(table.columns, row, strict=True)).get("information") for row in table.rows] == [
        "images", "images", "labels", "",
    ]  # fmt: skip
    assert list(ranking(results).arm) == ["nsh", "other", "ceiling (labels)"]
    assert "\nceiling\\textsuperscript{$\\ddagger$} & " in latex_tables(results, verdict)
    assert "$\\ddagger$ learns from labels" in latex_tables(results, verdict)
    figure = figure_of(results, "arms")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["nsh", "other", "ceiling (labels)"]


def test_a_ceiling_is_marked_at_each_length():
    lengths = {"code_length": [8, 16]}
    names = [f"method={name}, code_length={length}" for name in METHODS for length in (8, 16)]
    means = dict(zip(names, (0.5, 0.6, 0.4, 0.5, 0.8, 0.9), strict=True))
    made = synthetic(means, factors={"method": {name: {} for name in METHODS}} | lengths, within=["code_length"])
    results = told(made, METHODS)
    verdict = decide(results)
    assert verdict.best == {"method=nsh, code_length=8", "method=nsh, code_length=16"}
    shown = glance(results, verdict)
    assert shown is not None
    assert [cell.text.endswith(" ‡") for name, cells in shown.rows for cell in cells if "method" in name or name] == [
        False, False, False, False, True, True, False, False,
    ]  # fmt: skip
    labels = [text.get_text() for text in figure_of(results, "bits").axes[0].texts]
    assert {"ceiling (labels)", "nsh"} <= set(labels)
