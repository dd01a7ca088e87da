import re
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from nsh_core import UserError
from nsh_core.measures import MEASURES
from study.analysis.across import across, other_results
from study.analysis.cautions import never_ran
from study.analysis.generation import Generation
from study.analysis.results import Results, read_results
from study.analysis.run_facts import Continuous, RunFacts
from study.analysis.tables import tables_of, write_tables
from study.analysis.verdict import Verdict, decide
from study.plan.spec import StudySpec
from study.registry import FIGURES
from study.reporting.document import write_report
from study.reporting.figures.drawing import draw
from study.reporting.figures.figure import study_figure
from tests.study.commands import ROOT, SPEC, report, run

REFERENCE = ROOT / "results" / "reference"


def synthetic(
    means: dict[str, float],
    seeds: int = 8,
    spread: float = 0.01,
    factors: dict | None = None,
    within: list[str] | None = None,
) -> Results:
    """Results with chosen mean mAPs; the first arm is the reference."""
    rng = np.random.default_rng(0)
    factors = factors or {"sorter": {arm: {} for arm in means}}
    first = {factor: next(iter(levels)) for factor, levels in factors.items()}
    spec = StudySpec.model_validate(
        {"name": "made", "question": "Which <arm> & why_?", "factors": factors, "reference": first}
        | {"within": within or []}
        | {"figures": ["arms", "heatmap", "bits", "tuning", "curves", "pr", "health", "cost", "gallery"]}
    )
    noise = rng.normal(0, spread, seeds)
    rows, points = [], []
    for one in spec.arms:
        arm, levels = one.name, one.levels
        for seed in range(seeds):
            value = means[arm] + noise[seed] + rng.normal(0, spread / 4)
            row = dict.fromkeys(MEASURES.names(), value) | {"train_seconds": 2.0 + seed, "arm": arm, "seed": seed}
            row |= {f"factor_{factor}": label for factor, label in levels.items()}
            row |= {"phase": "final", "tuned": "{}", "nearest": None, "codes_sha256": f"{arm} {seed}"}
            row |= {"state": "complete", "failure": "", "bits": int(levels.get("code_length", 32))}
            rows.append(row)
            for x in (1.0, 2.0):
                for curve in ("val_map", "sorted_nce", "test_precision_by_radius", "test_recall_by_radius"):
                    points.append({"arm": arm, "seed": seed, "curve": curve, "x": x, "value": value})
    trials = pd.DataFrame(rows)
    facts = RunFacts(
        key="made", spec=spec, dataset="digits", fingerprint="f", map_at=1000, precision_at=100,
        continuous=Continuous(val_map=0.6, test_map=0.6), train_items=1, database_items=1, validation_queries=1,
        test_queries=1, command="python study/run.py", storage="s", written="now", provenance={"commit": "abc"},
    )  # fmt: skip
    per_query = pd.DataFrame(columns=["arm", "seed", "val", "test"])
    return Results(tables_of(trials, pd.DataFrame(points), per_query, spec), facts)


def test_a_clear_difference_is_said_with_its_numbers():
    verdict = decide(synthetic({"softsort": 0.7, "neuralsort": 0.75, "argsort": 0.4}))
    assert verdict.best == {"neuralsort"}
    assert verdict.headline.startswith("neuralsort is best on the validation queries: test mAP@1000 0.75")
    assert re.search(
        r"neuralsort beats softsort by 0\.0[45]\d \[\+0\.0\d+, \+0\.0\d+\], p < 0\.001 \(Holm\)", verdict.headline
    )
    assert "Clearly below softsort: argsort." in verdict.headline
    assert verdict.tied == set()
    assert len(verdict.cautions) == 1
    assert "intervals are over seeds alone" in verdict.cautions[0]


def test_no_difference_is_said_too():
    verdict = decide(synthetic({"softsort": 0.7, "neuralsort": 0.69}, spread=0.05))
    assert len(verdict.sentences) == 1
    assert "not told apart" in verdict.sentences[0]
    assert len(verdict.tied) == 1


def test_a_pair_that_differs_beside_marks_that_pay_for_the_choice_is_explained(monkeypatch):
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75, "sinkhorn": 0.74})
    explained = "As a pair named beforehand neuralsort and softsort differ: marks pay for the choice of the best, too."
    assert explained not in decide(results).headline
    monkeypatch.setattr("study.analysis.verdict._not_told_apart", lambda *_: {"softsort", "sinkhorn"})
    assert decide(results).headline.endswith(f"Not told apart from neuralsort: softsort, sinkhorn. {explained}")


def test_two_seeds_mark_no_arm_as_not_told_apart():
    verdict = decide(synthetic({"softsort": 0.7, "neuralsort": 0.75, "argsort": 0.4}, seeds=2))
    assert verdict.tied == set()
    assert "Two seeds cannot tell any arm from one chosen as the best: none is marked for it." in verdict.cautions
    assert not any("Two seeds" in caution for caution in decide(synthetic({"one": 0.7, "two": 0.7}, seeds=3)).cautions)


def test_few_seeds_are_called_few():
    verdict = decide(synthetic({"softsort": 0.7, "neuralsort": 0.75}, seeds=3))
    assert "Sign flips over the 3 seeds alone do not show it: p = 0.25, which cannot go below 0.25." in verdict.headline
    assert any("run more seeds" in caution for caution in verdict.cautions)
    single = decide(synthetic({"softsort": 0.7, "neuralsort": 0.75}, seeds=1))
    assert "one seed" in single.headline
    assert any("One seed says nothing" in caution for caution in single.cautions)


def test_cost_is_shown_where_it_was_measured_by_itself(tmp_path):
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75})
    write_report(results, tmp_path / "without")
    rows = [
        {"arm": arm, "repeat": repeat, "train_seconds": 2.0 * (1 + repeat), "total_seconds": 3.0,
         "peak_memory_mb": 100.0, "peak_cuda_mb": 0.0, "load": 0.5, "host": "h"}
        for arm in ("softsort", "neuralsort")
        for repeat in range(3)
    ]  # fmt: skip
    measured = Results(replace(results.tables, cost=pd.DataFrame(rows)), results.facts)
    write_report(measured, tmp_path / "with")
    for folder, shown in (("without", False), ("with", True)):
        page = (tmp_path / folder / "report.md").read_text()
        assert ("| train s | total s | MB | GPU MB |" in page) == shown
        assert ("train s & total s & MB & GPU MB" in (tmp_path / folder / "table.tex").read_text()) == shown
        assert (tmp_path / folder / "cost.png").exists() == shown
    assert "| 4.0 | 3.0 | 100 | 0 |" in (tmp_path / "with" / "report.md").read_text()


def test_one_collapsed_run_costs_no_other_arm_its_test():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75, "sinkhorn": 0.7}, seeds=6)
    known = results.tables

    def when(lost: pd.Series) -> Results:
        trials = known.trials.copy()
        trials.loc[lost, ["state", "failure"]] = ["failed", "code_collapse: one code"]
        return Results(tables_of(trials, known.curves, known.per_query, results.spec), results.facts)

    arm = known.trials.arm == "sinkhorn"
    most = decide(when(arm & (known.trials.seed > 1)))
    assert most.tied <= {"sinkhorn"}
    alone = decide(when(arm & (known.trials.seed > 0)))
    assert alone.tied == set()
    assert any("One seed alone: sinkhorn" in caution for caution in alone.cautions)
    gone = decide(when(arm))
    assert gone.headline.endswith("All runs collapse: sinkhorn.")
    assert any(caution.startswith("sinkhorn: 6 of 6 runs collapsed") for caution in gone.cautions)
    assert not any("of the other runs" in caution for caution in gone.cautions)


def test_an_arm_whose_tries_all_collapse_is_named():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75})
    trials = results.tables.trials
    own = trials.arm == "neuralsort"
    trials.loc[own, ["phase", "state", "failure"]] = ["tuning", "failed", "code_collapse: one code"]
    tables = tables_of(trials, results.tables.curves, results.tables.per_query, results.spec)
    lost = Results(tables, results.facts)
    assert never_ran(lost) == ["neuralsort"]
    assert "neuralsort: all tries of its tuning collapsed, so it has no final run." in decide(lost).cautions


def test_arms_that_never_vary_are_not_tested():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75})
    trials = results.tables.trials
    trials["test_map"] = trials.arm.map({"softsort": 0.7, "neuralsort": 0.8})
    tables = tables_of(trials, results.tables.curves, results.tables.per_query, results.spec)
    [sentence] = decide(Results(tables, results.facts)).sentences
    assert sentence == "neuralsort against softsort: +0.100, the same for every seed, so no test."


def test_an_arm_that_is_the_same_for_every_seed_is_called_deterministic():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75})
    trials = results.tables.trials
    own = trials.arm == "neuralsort"
    trials.loc[own, "codes_sha256"], trials.loc[own, "test_map"] = "same", 0.75
    tables = tables_of(trials, results.tables.curves, results.tables.per_query, results.spec)
    same = Results(tables, results.facts)
    assert same.deterministic == {"neuralsort"}
    assert same.estimate("neuralsort") == "0.750 (deterministic)"
    assert "test mAP@1000 0.750 (deterministic)" in decide(same).headline


def test_failures_are_said():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75})
    known = results.tables
    own = known.trials.arm == "neuralsort"

    def when(which: pd.Series, failure: str) -> Verdict:
        trials = known.trials.copy()
        trials.loc[which, ["state", "failure"]] = ["failed", failure]
        return decide(Results(tables_of(trials, known.curves, known.per_query, results.spec), results.facts))

    broken = when(own, "error: x")
    assert broken.best == {"softsort"}
    assert broken.cautions[0] == "neuralsort: 8 of its trials have no result (error: x)."
    collapsed = when(own & (known.trials.seed < 2), "code_collapse: all items have one code")
    low, high = binomtest(2, 8).proportion_ci()
    assert collapsed.cautions[0].startswith(
        f"neuralsort: 2 of 8 runs collapsed, a share of 0.25 [{low:.2f}, {high:.2f}] (Clopper-Pearson);"
    )


@pytest.mark.slow(4)
@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"sorter": {"a": {}, "b": {}}}, {"arms", "curves", "pr", "health"}),
        ({"m": [1, 2], "k": [3, 4, 5]}, {"arms", "heatmap", "curves", "pr", "health"}),
        ({"s": ["x", "y"], "m": [1, 2], "k": [3, 4]}, {"arms", "heatmap", "curves", "pr", "health"}),
        ({"code_length": [8, 16]}, {"arms", "bits", "curves", "pr", "health"}),
        ({"s": ["x", "y"], "code_length": [8, 16]}, {"arms", "bits", "heatmap", "curves", "pr", "health"}),
    ],
)
def test_each_figure_is_drawn_where_it_applies(tmp_path, factors, expected):
    spec = StudySpec.model_validate(
        {"name": "n", "question": "q", "factors": factors, "reference": {f: next(iter(v)) for f, v in factors.items()}}
    )
    means = {arm.name: 0.5 + 0.02 * number for number, arm in enumerate(spec.arms)}
    images = {one.name: one.png for one in draw(synthetic(means, 3, factors=factors), tmp_path)}
    assert set(images) == expected
    for name in expected:
        assert images[name].startswith(b"\x89PNG")
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_stands_alone_and_names_are_escaped(tmp_path):
    hostile = "<script>alert('x')</script>|50%_of_$"
    results = synthetic({"softsort": 0.7, hostile: 0.71})
    write_report(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "Which &lt;arm&gt; &amp; why_?" in page
    assert not re.search(r'(?:src|href)="(?!data:|#|\w+\.\w+")', page)
    assert page.count("data:image/png;base64,") == 4
    markdown = (tmp_path / "report.md").read_text()
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    latex = (tmp_path / "table.tex").read_text()
    assert r"50\%\_of\_\$" in latex
    # The second midrule is above the continuous input.
    assert [latex.count(f"\\{rule}") for rule in ("toprule", "midrule", "bottomrule")] == [1, 2, 1]


@pytest.mark.parametrize(
    ("draw_it", "line"),
    [
        (lambda results: {}["hey"], "figure 'mine' failed: KeyError: 'hey'"),
        (
            lambda results: 5,
            "figure 'mine' failed: TypeError: it must give a Chart, a matplotlib Figure or None, got int",
        ),
        (lambda results: sys.exit(), "figure 'mine' failed: SystemExit"),
    ],
)
def test_a_figure_that_fails_is_named_and_everything_else_is_written(tmp_path, draw_it, line):
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75}, 3)
    results.spec.figures[:] = ["mine", "arms"]
    FIGURES.register("mine", study_figure("Mine.")(draw_it))
    try:
        written = write_report(results, tmp_path)
    finally:
        FIGURES.unregister("mine")
    assert written.failures == [line]
    assert written.headline == decide(results).headline
    assert {path.name for path in tmp_path.iterdir()} == {
        "arms.png", "arms.pdf", "report.md", "report.html", "table.tex",
    }  # fmt: skip
    page = (tmp_path / "report.md").read_text()
    assert f"- left out: {line}" in page
    assert "![arms](arms.png)" in page
    assert "![mine]" not in page


@pytest.mark.slow(5)
def test_the_commands_end_with_2_where_a_figure_fails(undisturbed_copy, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from study.registry import FIGURES\nfrom study.reporting.figures.figure import study_figure\n\n"
        "@FIGURES.register('arms_of_mine')\n@study_figure('Mine.')\ndef mine(results):\n    return 1 / 0\n"
    )
    spec = tmp_path / "tiny.yaml"
    spec.write_text(SPEC.replace("[arms,", "[arms_of_mine, arms,"))
    exported = run(
        "--study", spec, "--plugin", plugin, "--results", undisturbed_copy, "--export", tmp_path / "all.zip"
    )  # fmt: skip
    reported = report(
        "--study", "tiny", "--plugin", plugin, "--results", undisturbed_copy, "--reports", tmp_path / "reports"
    )  # fmt: skip
    for result in (exported, reported):
        assert result.returncode == 2
        assert result.stderr == (
            f"error: figure 'arms_of_mine' of {plugin} failed: ZeroDivisionError: division by zero\n"
        )
    assert "is best on the validation queries" in reported.stdout
    assert (tmp_path / "reports" / "tiny" / "report.html").exists()
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert "reports/tiny/report.md" in archive.namelist()


def test_results_are_read_back_as_written(tmp_path):
    results = synthetic({"softsort": 0.7, "one": 0.75})
    write_tables(results.tables, Generation(tmp_path))
    results.facts.write(tmp_path)
    again = read_results(tmp_path)
    pd.testing.assert_frame_equal(again.tables.summary, results.tables.summary)
    pd.testing.assert_frame_equal(again.tables.comparisons, results.tables.comparisons)
    assert decide(again).headlines == decide(results).headlines
    assert decide(again).sentences == decide(results).sentences


def test_results_of_another_version_are_named(tmp_path):
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75})
    results.tables.trials.drop(columns="phase", inplace=True)
    write_tables(results.tables, Generation(tmp_path))
    results.facts.write(tmp_path)
    with pytest.raises(UserError, match="run the study again: written by another version, without phase"):
        read_results(tmp_path)


def test_arms_are_compared_within_their_groups_and_named_so(tmp_path):
    factors = {"method": {"nsh": {}, "itq": {}}, "code_length": [16, 32]}
    means = {"method=nsh, code_length=16": 0.4, "method=nsh, code_length=32": 0.6}
    means |= {"method=itq, code_length=16": 0.5, "method=itq, code_length=32": 0.5}
    results = synthetic(means, factors=factors, within=["code_length"])
    verdict = decide(results)
    assert verdict.best == {"method=itq, code_length=16", "method=nsh, code_length=32"}
    first, second = verdict.headlines
    assert first.startswith("code_length=16: itq is best on the validation queries: test mAP@1000 0.50")
    assert "itq beats nsh by 0.1" in first
    assert second.startswith("code_length=32: nsh is best")
    assert "It is the reference; the closest other arm: itq loses to nsh by 0." in second
    assert results.arms[:2] == ["method=nsh, code_length=16", "method=itq, code_length=16"]
    write_report(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "At a glance" in page
    assert re.search(r"<tr[^>]*><th[^>]*>itq</th><td[^>]*><b>0\.5\d\d \[.*?\]</b></td><td[^>]*>0\.", page)
    assert "At a glance" in (tmp_path / "report.md").read_text()


def test_the_headline_answers_the_questions_that_a_study_names(tmp_path):
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75, "argsort": 0.4})
    named = {"First?": [("neuralsort", "softsort")], "Second?": [("argsort", "softsort"), ("neuralsort", "argsort")]}
    spec = results.spec.model_copy(update={"comparisons": named})
    known = results.tables
    tables = tables_of(known.trials, known.curves, known.per_query, spec)
    again = Results(tables, results.facts.model_copy(update={"spec": spec}))
    verdict = decide(again)
    assert re.match(
        r"First\? neuralsort beats softsort by 0\.0[45]\d\. Second\? neuralsort beats argsort by 0\.3\d\d; "
        r"softsort beats argsort by 0\.[23]\d\d\. neuralsort is best on the validation queries",
        verdict.headline,
    )
    assert [family.title for family in verdict.families] == ["First?", "Second?"]
    write_report(again, tmp_path)
    for page in ("report.md", "report.html"):
        assert "Second?" in (tmp_path / page).read_text()


def test_the_headline_says_what_factors_are_worth_where_a_study_asks_that(tmp_path):
    factors = {"s": {"x": {}, "y": {}}, "m": [1, 2]}
    means = {"s=x, m=1": 0.5, "s=x, m=2": 0.5, "s=y, m=1": 0.6, "s=y, m=2": 0.6}
    results = synthetic(means, factors=factors)
    spec = results.spec.model_copy(update={"asks": "factors"})
    asked = Results(results.tables, results.facts.model_copy(update={"spec": spec}))
    assert re.fullmatch(
        r"s \((\d+)% of the variance\), against x: y \+0\.\d{3} \[\+0\.\d{3}, \+0\.\d{3}\]\. "
        r"m \(\d+% of the variance\), against 1: (not told apart: 2|2 [+-]0\.00\d \[.*\])\.",
        decide(asked).headline,
    )
    write_report(asked, tmp_path)
    assert "What each factor is worth" in (tmp_path / "report.md").read_text()


def test_the_command_reports_on_a_real_run(undisturbed, reported):
    assert "is best on the validation queries" in (reported / "stdout").read_text()
    made = {path.name for path in (reported / "tiny").iterdir()}
    assert {"report.html", "report.md", "table.tex", "arms.png", "arms.pdf", "curves.png", "pr.png"} <= made
    page = (reported / "tiny" / "report.html").read_text()
    for fact in ("fingerprint", "commit", "torch", "python study/run.py --study"):
        assert fact in page
    reported = re.findall(r"<td[^>]*>(0\.\d{3})</td>", page)
    summary = pd.read_csv(undisturbed / "tiny" / "summary.csv")
    assert f"{summary[summary.metric == 'val_map']['mean'].max():.3f}" in reported


def test_an_open_comparison_says_how_many_seeds_would_settle_it():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.71}, seeds=5, spread=0.08)
    [sentence] = decide(results).sentences
    row = results.tables.comparisons[results.tables.comparisons.metric == "test_map"].iloc[0]
    assert row.seeds_needed > 5
    assert f"5 seeds cannot tell these two apart; {row.seeds_needed} would" in sentence


def test_a_study_on_several_data_sets_is_judged_together(tmp_path):
    one = synthetic({"softsort": 0.5, "neuralsort": 0.55, "argsort": 0.2})
    other = synthetic({"softsort": 0.3, "neuralsort": 0.33, "argsort": 0.1, "sinkhorn": 0.4})
    facts = {"continuous": Continuous(val_map=0.4, test_map=0.4), "fingerprint": "of other data"}
    other = Results(other.tables, other.facts.model_copy(update=facts))
    table = across([one, other]).set_index("arm")
    assert list(table.index) == ["softsort", "neuralsort", "argsort"]
    assert (table["rank"] == [2, 1, 3]).all()
    assert table.iqm["neuralsort"] == pytest.approx((0.55 / 0.6 + 0.33 / 0.4) / 2, abs=0.03)
    assert (table.iqm_low < table.iqm).all()
    assert (table.iqm < table.iqm_high).all()
    assert np.isnan(table.better["softsort"])
    assert table.better["neuralsort"] > 0.9 > 0.1 > table.better["argsort"]
    write_report(one, tmp_path, [other])
    assert (tmp_path / "across.png").exists()
    assert len(pd.read_csv(tmp_path / "across.csv")) == 3
    assert "## Across data sets" in (tmp_path / "report.md").read_text()
    strangers = synthetic({"softsort": 0.3, "sinkhorn": 0.4})
    with pytest.raises(UserError, match="share fewer than two arms"):
        across([one, strangers])
    with pytest.raises(UserError, match=r"each once: of 3 there are 2 data sets \(digits, digits\)"):
        across([one, other, one])


def test_other_data_are_a_folder_as_it_is_or_among_all_results(tmp_path, monkeypatch):
    for place in ("r/one", "elsewhere/two"):
        shutil.copytree(REFERENCE / "sorter_ablation", tmp_path / place)
    monkeypatch.chdir(tmp_path)
    for where in ("r/one", "one", "elsewhere/two", str(tmp_path / "elsewhere" / "two")):
        assert other_results(where, Path("r")).facts.key == "sorter_ablation"
    with pytest.raises(UserError, match=r"^--across onne: no .* neither is r/onne; did you mean 'one'\?$"):
        other_results("onne", Path("r"))
