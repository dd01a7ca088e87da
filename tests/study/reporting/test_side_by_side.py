import re
from dataclasses import replace

import pandas as pd
import pytest

from nsh_core import UserError
from study import StoredStudy, side_by_side
from study.analysis.side_by_side import shared_differences
from study.reporting.figures.differences import differences
from study.reporting.side_by_side import write_side_by_side
from tests.study.analysis.test_side_by_side import REFERENCE, TERMS, three
from tests.study.commands import report


@pytest.mark.slow(6)
def test_a_page_over_two_data_sets_has_the_numbers_of_each(tmp_path):
    own = tmp_path / TERMS[0]
    own.mkdir()
    (own / "report.html").write_text("its own")
    path = side_by_side([StoredStudy(REFERENCE / TERMS[0]), REFERENCE / TERMS[1]], reports=tmp_path)
    folder = path.parent
    assert path == tmp_path / f"{TERMS[0]}+{TERMS[1]}-side-by-side" / "report.html"
    assert {one.name for one in folder.iterdir()} == {
        "report.html", "report.md", "arms.csv", "differences.csv", "differences.png", "differences.pdf",
    }  # fmt: skip
    page, markdown = path.read_text(), (folder / "report.md").read_text()
    assert '<a href="../loss_terms/report.html">digits</a>' in page
    assert "\n## [digits](../loss_terms/report.html)\n" in markdown
    assert "<h3>cifar10_mobilenetv2</h3>" in page
    for name in TERMS:
        study = StoredStudy(REFERENCE / name)
        assert study.verdict.headline in markdown.replace("\\", "")
        for arm in study.results.arms:
            assert re.search(rf"\n\| {arm} \|.* \**{re.escape(study.results.estimate(arm))}", markdown)
    for row in pd.read_csv(folder / "differences.csv").itertuples():
        size = f"{row.difference:+.3f} [{row.both_low:+.3f}, {row.both_high:+.3f}] {row.outcome}"
        assert re.search(rf"\n\| {row.arm} against {row.reference} \|.*{re.escape(size)}", markdown)
    assert "Columns have no common k of mAP: mAP@all for digits; mAP@1000 for cifar10_mobilenetv2." in markdown


def test_versions_that_differ_are_said(tmp_path):
    one, other = (
        replace(results, facts=results.facts.model_copy(update={"provenance": {"code": "1", "torch": torch}}))
        for results, torch in zip(three(), "23", strict=False)
    )
    page = write_side_by_side([one, other], tmp_path, "versions").with_name("report.md")
    assert "differ, or were not recorded, in torch" in page.read_text()


def test_the_figure_has_a_row_a_pair_and_a_colour_a_study():
    studies = three()
    shared = shared_differences(studies)
    chart = differences(shared, ["x", "y", "z"])
    assert chart is not None
    [panel] = chart.panels
    assert panel.y.names == ("b − a", "c − a")
    assert [mark.name for mark in chart.legend()] == ["x", "y", "z"]
    points = {mark.name: mark for mark in chart.legend()}
    for place, name in enumerate("xyz"):
        assert points[name].x.tolist() == [one.claims[place].row["difference"] for one in shared if place in one.claims]
    assert points["x"].y[0] < points["y"].y[0] < points["z"].y[0]
    assert differences([], []) is None


def test_studies_that_share_nothing_say_so(tmp_path):
    one, other = three()[0], three()[1]
    page = write_side_by_side([one.of_arms(["b"]), other.of_arms(["d"])], tmp_path, "none").with_name("report.md")
    assert "No two of these studies planned the same comparison." in page.read_text()
    assert "No two of these studies have an arm of the same name." in page.read_text()
    assert not (tmp_path / "none" / "differences.csv").exists()
    with pytest.raises(UserError, match="name must be up to 100 letters"):
        write_side_by_side([one, other], tmp_path, "../up")


@pytest.mark.slow(4)
def test_the_command_says_what_does_not_go_together(tmp_path):
    both = ["--side-by-side", TERMS[0], "--side-by-side", TERMS[1], "--results", REFERENCE, "--reports", tmp_path]
    result = report(*both, "--seeds", 2)
    assert result.returncode == 2
    assert result.stderr == "error: --side-by-side takes studies as they are: leave out --seeds\n"
