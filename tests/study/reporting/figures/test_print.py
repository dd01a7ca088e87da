"""Figures are fit for print: embedded TrueType, real width, text of 7 points and more, nothing cut off."""

import re
from dataclasses import replace

import pytest
from matplotlib.text import Text

from study.analysis.results import Results, read_results
from study.registry import FIGURES
from study.reporting.figures.chart import COLUMN, PAGE
from study.reporting.figures.drawing import figure_of, save
from study.reporting.figures.on_paper import on_paper
from tests.study.reporting.figures.random_charts import mosaic
from tests.study.reporting.test_document import REFERENCE, synthetic

DRAWN = [
    ("sorter_ablation", "arms"), ("label_free", "arms"), ("code_length", "arms"), ("code_length", "bits"),
    ("code_length", "pr"), ("sorter_ablation", "cost"), ("sorter_ablation", "curves"),
]  # fmt: skip


@pytest.fixture(scope="module")
def known() -> dict[str, Results]:
    return {study: read_results(REFERENCE / study) for study in {study for study, _ in DRAWN}}


@pytest.mark.parametrize(("study", "name"), DRAWN)
def test_text_can_be_read_at_column_width_and_is_not_cut(known, study, name):
    chart = FIGURES[name].draw(known[study])
    assert chart.width in (COLUMN, PAGE)
    figure = on_paper(chart)
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert len(texts) > 5
    assert min(text.get_fontsize() for text in texts) >= 7
    assert figure.get_figwidth() == chart.width
    box = figure.get_tightbbox()
    assert -0.02 <= box.x0 <= box.x1 <= chart.width + 0.02
    assert -0.02 <= box.y0 <= box.y1 <= figure.get_figheight() + 0.02


def test_a_pdf_holds_truetype_and_has_the_width_of_a_column(tmp_path):
    chart = mosaic()
    save(chart, tmp_path, "first", "Caption.")
    save(chart, tmp_path, "second", "Caption.")
    written = (tmp_path / "first.pdf").read_bytes()
    assert b"/Type3" not in written
    assert b"/CIDFontType2" in written
    assert float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", written)[1]) == pytest.approx(72 * chart.width)
    for kind in ("pdf", "png"):
        assert (tmp_path / f"first.{kind}").read_bytes() == (tmp_path / f"second.{kind}").read_bytes()


def test_characters_without_a_glyph_are_told_and_no_warning_is_heard(tmp_path, recwarn):
    named = save(FIGURES["arms"].draw(synthetic({"日本": 0.5, "b": 0.6})), tmp_path, "n", "Is.")
    assert named.caption.endswith("Boxes in PNG and PDF stand for 日 本, which their font has not.")
    assert "日本" in str(named.page)
    assert not [one for one in recwarn if "Glyph" in str(one.message)]
    assert "Boxes" not in save(mosaic(), tmp_path, "m", "Is.").caption


def test_what_is_written_has_both_forms(tmp_path):
    chart = replace(mosaic(), alt="Says what.", note="All arms.")
    drawn = save(chart, tmp_path, "n", "Is.")
    assert (drawn.alt, drawn.caption) == ("Says what.", "Is. All arms.")
    assert drawn.page["data"]
    picture = save(on_paper(chart), tmp_path, "picture", "Of a plug-in.")
    assert (picture.alt, picture.caption, picture.page) == ("Of a plug-in.", "Of a plug-in.", None)
    assert b"/Type3" not in (tmp_path / "picture.pdf").read_bytes()


def test_a_figure_from_python_is_a_matplotlib_figure():
    figure = figure_of(synthetic({"a": 0.5, "b": 0.6}), "arms")
    assert figure.get_figwidth() == COLUMN
