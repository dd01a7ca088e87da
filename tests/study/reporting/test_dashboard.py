import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from study.reporting.dashboard import figures
from study.storage.opening import open_storage
from tests.pages import block
from tests.study.reporting.test_document import synthetic


@pytest.fixture
def finished(undisturbed, reported, tmp_path) -> Path:
    """A copy of the tiny study's results and report: a dashboard writes into its storage."""
    shutil.copytree(undisturbed, tmp_path / "r")
    shutil.copytree(reported, tmp_path / "p")
    return tmp_path


def test_the_note_holds_question_and_numbers(finished):
    study = optuna.load_study(study_name="tiny", storage=open_storage(str(finished / "r" / "optuna.journal")))
    note = get_note(study)
    assert note.startswith("# Does the tiny study run?")
    assert "| softsort | 2 |" in note


@contextmanager
def served(journal: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """optuna-dashboard on a journal: its address, and the numbers of the studies by name."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [str(Path(sys.executable).parent / "optuna-dashboard"), str(journal), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                studies = json.load(urllib.request.urlopen(f"{address}/api/studies"))["study_summaries"]
                break
            except OSError:
                time.sleep(0.1)
        yield f"{address}/dashboard", {study["study_name"]: study["study_id"] for study in studies}
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow(8)
def test_the_dashboard_shows_the_study_in_a_browser(finished, browser):
    with served(finished / "r" / "optuna.journal") as (address, studies):
        assert list(studies) == ["tiny"]
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        page.goto(address)
        page.get_by_text("tiny").first.wait_for(timeout=30_000)
        page.goto(f"{address}/studies/{studies['tiny']}/note")
        page.get_by_text("Does the tiny study run?").first.wait_for(timeout=30_000)
        page.get_by_text("is best on the validation queries").first.wait_for(timeout=30_000)
        page.goto(f"{address}/studies/{studies['tiny']}")
        page.get_by_text("Test mAP of each arm, the best on validation queries above").first.wait_for(timeout=30_000)
        page.get_by_text("validation mAP@all").first.wait_for(timeout=30_000)
        page.get_by_text("continuous input, cosine").first.wait_for(timeout=30_000)
        page.screenshot(path=finished / "dashboard.png", full_page=True)


SEARCHED = {
    "train.learning_rate", "sorter.temperature", "loss.num_positives", "loss.nce_temperature",
    "loss.anchor_temperature", "method.options.temperature", "method.options.kl_weight",
}  # fmt: skip
FACTORS = {"method", "code_length"}


@pytest.mark.slow(12)
def test_the_dashboard_shows_what_tuning_tried_in_a_browser(tuned, tmp_path, browser):
    journal = shutil.copy(tuned / "optuna.journal", tmp_path)
    page = browser.new_page(viewport={"width": 1400, "height": 3000})

    def plotted(graph: str) -> list[dict]:
        """What a plot shows, once it shows anything."""
        drawn = f"document.getElementById('{graph}')?.data"
        some = f"{drawn}?.some(one => (one.x ?? one.dimensions ?? []).length > 3)"
        page.wait_for_function(some, timeout=30_000)
        return page.evaluate(f"{drawn}.map(({{x, y, z, dimensions}}) => ({{x, y, z, dimensions}}))")

    with served(Path(journal)) as (address, studies):
        assert set(studies) == {"tuned", "tuned tuning"}
        tries = f"{address}/studies/{studies['tuned tuning']}"
        page.goto(tries)
        [bars] = plotted("graph-hyperparameter-importances")
        assert set(bars["y"]) == SEARCHED | FACTORS
        assert max(share for name, share in zip(bars["y"], bars["x"], strict=True) if name in SEARCHED) > 0
        page.goto(f"{tries}/analytics")
        assert len(plotted("plot-slice")[1]["x"]) > 3
        contour, points, _ = plotted("graph-contour")
        assert len([value for row in contour["z"] for value in row if value is not None]) > 3
        assert len(points["x"]) > 3
        assert len(plotted("graph-rank")[1]["x"]) > 3
        page.goto(f"{tries}/smartSelection")
        [lines] = plotted("plot-parallel-coordinate")
        assert {one["label"] for one in lines["dimensions"]} >= {"train.learning_rate", *FACTORS}
        page.goto(f"{tries}/note")
        page.get_by_text("Tries of tuning: Which method is best when tuned?").first.wait_for(timeout=30_000)
        page.screenshot(path=tmp_path / "dashboard.png", full_page=True)


def test_optuna_alone_reads_and_copies_a_study_as_the_docs_say(tuned, tmp_path, monkeypatch):
    shutil.copytree(tuned, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with warnings.catch_warnings(action="ignore"):
        read_and_copied = block("python", "tries.best_params") + block("python", "optuna.copy_study")
        exec(read_and_copied.replace("sorter_ablation-tuned tuning", "tuned tuning"), names)
        [copied] = optuna.get_all_study_summaries("sqlite:///tries.db")
    assert set(names["tries"].best_params) <= SEARCHED | FACTORS
    assert {f"params_{name}" for name in SEARCHED | FACTORS} <= set(names["table"])
    assert "train.learning_rate" in Path("slice.html").read_text()
    assert (copied.study_name, copied.n_trials) == ("tuned tuning", 12)


def test_the_report_opens_in_a_browser_without_a_network(finished, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.context.set_offline(True)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto((finished / "p" / "tiny" / "report.html").as_uri())
    assert page.title() == "tiny"
    assert "is best on the validation queries" in page.locator(".answer").inner_text()
    # Two arms and the continuous input, and their difference by class.
    for table, rows in (("Arms", 3), ("By class", 1)):
        assert page.locator(f"table[data-title='{table}'] tbody tr").count() == rows
    widths = page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) == 5
    assert min(widths) > 300
    assert "crossed out: wrong" in page.locator("#figure-gallery figcaption").inner_text()
    page.screenshot(path=finished / "report.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert problems == []


def test_the_dashboard_has_the_figures_of_the_report():
    results = synthetic({"a": 0.5, "<b>": 0.6}, 3)
    drawn = figures(results)
    assert set(drawn) == {"arms", "curves"}
    assert drawn["arms"].layout.title.text == "Test mAP of each arm, the best on validation queries above"
    assert tuple(drawn["arms"].layout.yaxis.ticktext) == ("&lt;b&gt;", "a")
    assert {trace.name for trace in drawn["curves"].data} == {"a", "&lt;b&gt;"}
