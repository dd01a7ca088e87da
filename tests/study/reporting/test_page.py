import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from matplotlib.figure import Figure

from nsh_core import make_config
from nsh_core.plain_yaml import read_yaml
from study.analysis.generation import Generation
from study.analysis.results import Results, read_results
from study.analysis.searched import Searched
from study.analysis.tables import write_tables
from study.plan.spec import StudySpec
from study.reporting import document
from study.reporting.base_settings import base_settings
from study.reporting.cite import NSH, PROJECT
from study.reporting.figures.drawing import Drawn, save
from study.reporting.page import Contents
from study.reporting.recipes import recipes
from study.reporting.search_spaces import search_spaces
from study.reporting.section import numeric
from tests.study.commands import ROOT
from tests.study.reporting.test_document import synthetic

HOSTILE = "</script><script>alert('x')</script>"
MEANS = {f"arm{number}": 0.5 + 0.02 * ((7 * number) % 10) for number in range(9)} | {HOSTILE: 0.31}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The folder of a report with a figure for plotly, and one that is large and has only its picture."""
    folder = tmp_path_factory.mktemp("page")
    figure = Figure((2, 1))
    png = save(figure, folder, "shown", "A line.").png
    trace = {"type": "scatter", "x": [1, 2, 3], "y": [3, 1, None], "name": HOSTILE}
    plot = {"data": [trace], "layout": {"width": 900, "height": 300, "xaxis": {"title": {"text": HOSTILE}}}}
    rows = [f"factor={'long' * 6}, other={number}" for number in range(3)]
    points = {"type": "scatter", "mode": "markers", "x": [1, 2, 3], "y": [0, 1, 2]}
    axis = {"tickvals": [0, 1, 2], "ticktext": rows, "range": [2.5, -0.5], "domain": [0, 1], "anchor": "x"}
    named = {"data": [points], "layout": {"height": 200, "margin": {"t": 6, "b": 40, "l": 260}, "yaxis": axis}}
    drawn = [
        Drawn("rows", "Points.", png, alt="Points", page=named),
        Drawn("shown", "A line.", png, alt=f"Falls {HOSTILE}", page=plot),
        Drawn("photos", "Photos.", png, large=True),
    ]
    results = synthetic(MEANS)
    results.tables.trials["config"] = make_config({"train.epochs": 7}).model_dump_json()
    write_tables(results.tables, Generation(folder / "results"))
    results.facts.write(folder / "results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "draw", lambda *_: drawn)
        document.write_report(read_results(folder / "results"), folder / "report")
    return folder / "report"


def opened(browser, folder: Path, width: int = 1280, scheme: str = "light", script: bool = True):
    """The page, and what its console said."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=script, offline=True
    )
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    return page, said


def names(page) -> list[str]:
    """The arms as their table shows them."""
    rows = page.locator("table[data-title=Arms] tbody tr:not([hidden]) th")
    return [text.removesuffix(" †") for text in rows.all_text_contents()]


def test_tables_sort_by_numbers_and_are_filtered(made, browser):
    page, said = opened(browser, made)
    written = names(page)
    head = page.locator("table[data-title=Arms] thead th", has_text="test mAP")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    ascending = names(page)
    assert [name for name in ascending if name in MEANS] == sorted(MEANS, key=MEANS.__getitem__)
    assert len(ascending) == len(MEANS) + 1
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert names(page) == ascending[::-1]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert names(page) == written
    page.get_by_label("Filter Arms").fill("ARM3")
    assert names(page) == ["arm3"]
    assert page.locator(".tools output").first.inner_text() == f"1 of {len(written)} rows"
    assert said == []


@pytest.mark.slow(4)
def test_a_figure_comes_alive_follows_the_colours_and_is_printed_as_its_picture(made, browser):
    page, said = opened(browser, made)
    figure = page.locator("#figure-shown")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#figure-shown.drawn .main-svg", timeout=60_000)
    assert figure.locator("img").is_hidden()
    assert figure.locator(".plot").get_attribute("aria-label") == f"Falls {HOSTILE}"
    box = figure.locator(".plot").bounding_box()
    assert box["width"] < 1280 - 200
    ink = "getComputedStyle(document.querySelector('#figure-shown .xtick text')).fill"
    assert page.evaluate(ink) == "rgb(28, 39, 51)"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{ink} === 'rgb(230, 235, 240)'")
    page.emulate_media(media="print")
    assert figure.locator("img").is_visible()
    assert figure.locator(".plot").is_hidden()
    assert page.evaluate("document.title") == "made"
    assert said == []


def test_without_javascript_pictures_and_tables_are_there(made, browser):
    page, _ = opened(browser, made, script=False)
    assert page.locator("#figure-shown img").is_visible()
    assert page.locator("#figure-photos img").bounding_box()["width"] > 900
    assert len(names(page)) == len(MEANS) + 1
    assert page.get_by_role("navigation").get_by_text("How to cite").is_visible()


@pytest.mark.slow(4)
def test_on_a_phone_names_of_rows_stand_above_their_points(made, browser):
    for width in (1280, 360):
        page, said = opened(browser, made, width=width)
        page.locator("#figure-rows").scroll_into_view_if_needed()
        page.wait_for_selector("#figure-rows.drawn .main-svg", timeout=60_000)
        plane = page.locator("#figure-rows .plotly .nsewdrag").bounding_box()
        points = [one.bounding_box() for one in page.locator("#figure-rows .points path").all()]
        names = [one.bounding_box() for one in page.get_by_text("factor=long").all() if one.is_visible()]
        assert len(names) == len(points) == 3
        for name, point in zip(names, points, strict=True):
            above = name["y"] + name["height"] <= point["y"] + 1
            assert above == (width == 360)
            assert (name["x"] + name["width"] < plane["x"]) == (width == 1280)
        assert width != 360 or plane["width"] > 290
        assert page.locator("#figure-rows").evaluate("one => one.scrollWidth <= one.clientWidth")
        assert said == []


@pytest.mark.slow(4)
def test_on_a_phone_rows_are_cards_within_the_page(made, browser):
    page, said = opened(browser, made, width=360)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.locator("#figure-shown").scroll_into_view_if_needed()
    page.wait_for_selector("#figure-shown.drawn .main-svg", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    cut = "cells => cells.filter(cell => cell.getBoundingClientRect().right > 360).length"
    assert page.eval_on_selector_all("td, tbody th, .plot", cut) == 0
    label = "getComputedStyle(document.querySelector('td[data-label=seeds]'), '::before').content"
    assert page.evaluate(label) == '"seeds"'
    assert page.locator("#figure-shown .plot").bounding_box()["width"] <= 360
    assert said == []


def test_plotly_is_there_for_a_figure_alone(made, tmp_path, monkeypatch):
    assert 'id="plotly"' in (made / "report.html").read_text()
    monkeypatch.setattr(document, "draw", lambda *_: [])
    document.write_report(synthetic({"one": 0.7, "two": 0.6}), tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 100_000


def test_what_users_wrote_ends_no_script(made):
    page = (made / "report.html").read_text()
    assert HOSTILE not in page
    [_, figure] = re.findall(r'<script type="application/json">(.*?)</script>', page)
    assert json.loads(figure)["data"][0]["name"] == HOSTILE
    assert page.index('id="figure-photos"') < page.index('id="figure-shown"')


def test_links_lead_to_files_and_the_table_is_in_its_own(made):
    page = (made / "report.html").read_text()
    linked = re.findall(r'<li><a href="([^#"]+)">', page)
    assert "../results/summary.csv" in linked
    there = [place for place in linked if not place.endswith(".pdf")]
    assert all((made / place).exists() for place in there)
    [address] = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', page)
    rows = list(csv.reader(io.StringIO(unquote(address))))
    assert rows[0][:2] == ["arm", "seeds"]
    assert {row[0].removesuffix(" †") for row in rows[1:]} == {*MEANS, "continuous input, by cosine"}


def luminance(color: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """By WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_has_contrast_on_every_ground_in_both_modes():
    style = (ROOT / "study" / "reporting" / "templates" / "page.css").read_text()
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", mode)) for mode in style.split("@media", 2)[:2])
    assert set(light) == set(dark)
    for colors in (light, dark):
        for ground in ("paper", "answer", "caution", "best", "code"):
            for text in ("ink", "soft", "link"):
                assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        for edge in ("answer-edge", "caution-edge", "soft"):
            assert contrast(colors[edge], colors["paper"]) >= 3, edge


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0.743 [0.713, 0.773] †", "", "deterministic"], False),
        (["0.743 [0.713, 0.773] †", "0.5", "deterministic"], True),
        (["[0.713, 0.773]", "[-0.1, 0.2]"], True),
        (["p < 0.001", "p = 0.2", "<0.001"], True),
        (["softsort", "sinkhorn", "2 of 10"], False),
        (["+.5", "-1e-05"], True),
        (["", ""], False),
    ],
)
def test_a_column_of_numbers_is_known(cells, expected):
    assert numeric([["arm", cell] for cell in cells], 1) == expected


def test_headings_have_ids_of_their_own():
    contents = Contents()
    titles = ["Which sorter?", "Which sorter", "???", "???"]
    assert [contents.add(title) for title in titles] == ["which-sorter", "which-sorter-2", "part", "part-2"]


def test_settings_of_the_base_run_have_ranges_meanings_and_what_differs():
    results = synthetic({"one": 0.7, "two": 0.6})
    assert base_settings(results) is None
    results.tables.trials["config"] = make_config({"train.epochs": 7}).model_dump_json()
    section = base_settings(Results(results.tables, results.facts))
    rows = {row[0]: row[1:] for row in section.rows}
    assert rows["train.epochs"] == ["7", "30", "at least 1, at most 100000", "passes over the training items"]
    assert rows["train.patience"][:3] == ["none", "none", "at least 1, at most 10000 or none"]
    assert rows["train.bf16"][2] == "true, false"
    assert rows["model.hash_head"][2] == "linear, mlp"
    assert rows["sorter.temperature"][2] == "above 0, at most 10000 or none"
    assert [section.rows[place][0] for place in section.best] == ["train.epochs"]


def test_search_spaces_say_where_arms_searched_and_what_they_tried():
    results = synthetic({"one": 0.7, "two": 0.6}, seeds=3)
    assert search_spaces(results) is None
    trials, spec = results.tables.trials.copy(), results.spec.model_dump() | {"mode": "tuned", "tune": {"trials": 3}}
    rate = "train.learning_rate"
    tries = trials.assign(phase="tuning", config=make_config().model_dump_json())
    tries["tuned"] = tries.seed.map({0: "{}", 1: json.dumps({rate: 0.01}), 2: json.dumps({rate: 0.002})})
    facts = results.facts.model_copy(update={"spec": StudySpec.model_validate(spec)})
    tuned = Results(replace(results.tables, trials=tries), facts)
    [row] = search_spaces(tuned).rows
    assert row == [rate, "0.001", "0.002 to 0.01", "one, two"]
    span = {arm: {rate: Searched(low=0.0003, high=0.03, log=True)} for arm in ("one", "two")}
    [row] = search_spaces(replace(tuned, facts=facts.model_copy(update={"spaces": span}))).rows
    assert row == [rate, "0.0003 to 0.03", "log", "0.001", "0.002 to 0.01", "one, two"]


def test_recipes_go_on_from_the_command():
    results = synthetic({"one": 0.7, "two": 0.6})
    assert [one.command for one in recipes(results)] == ["python study/report.py --study made"]
    results.tables.trials["trial"] = range(4, 4 + len(results.tables.trials))
    command = "python study/run.py --study made --dataset corel5k --results 'my results'"
    asked = Results(results.tables, results.facts.model_copy(update={"command": command}))
    assert [one.command for one in recipes(asked)] == [
        command,
        f"{command} --verify 4",
        "python study/run.py --study made --results 'my results' --dataset FILE.npz",
        f"{command} --export made.zip",
        "python study/report.py --study made --results 'my results'",
    ]


def test_the_citation_is_that_of_the_project():
    cited = read_yaml((ROOT / "CITATION.cff").read_text())
    assert cited["title"] in PROJECT
    assert cited["authors"][0]["name"] in PROJECT
    [paper] = cited["references"]
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    for part in (paper["title"], authors, paper["collection-title"], str(paper["year"]), paper["doi"], paper["url"]):
        assert f"{{{part}}}" in NSH
    assert f"{paper['start']}--{paper['end']}" in NSH
