import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from study.storage.opening import open_storage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def finished(undisturbed, reported, tmp_path) -> Path:
    """A copy of the tiny study's results and report: a dashboard writes into its storage."""
    shutil.copytree(undisturbed, tmp_path / "r")
    shutil.copytree(reported, tmp_path / "p")
    return tmp_path


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def test_the_note_holds_question_and_numbers(finished):
    study = optuna.load_study(study_name="tiny", storage=open_storage(str(finished / "r" / "optuna.journal")))
    note = get_note(study)
    assert note.startswith("# Does the tiny study run?")
    assert "| softsort | 2 |" in note


@pytest.mark.slow(8)
def test_the_dashboard_shows_the_study_in_a_browser(finished, browser):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [str(Path(sys.executable).parent / "optuna-dashboard"), str(finished / "r" / "optuna.journal")]
    server = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                studies = json.load(urllib.request.urlopen(f"{address}/api/studies"))["study_summaries"]
                break
            except OSError:
                time.sleep(0.1)
        assert [study["study_name"] for study in studies] == ["tiny"]
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        page.goto(f"{address}/dashboard")
        page.get_by_text("tiny").first.wait_for(timeout=30_000)
        page.goto(f"{address}/dashboard/studies/{studies[0]['study_id']}/note")
        page.get_by_text("Does the tiny study run?").first.wait_for(timeout=30_000)
        page.get_by_text("is best on the validation queries").first.wait_for(timeout=30_000)
        page.goto(f"{address}/dashboard/studies/{studies[0]['study_id']}")
        page.get_by_text("Test mAP@all of each arm").first.wait_for(timeout=30_000)
        page.get_by_text("validation mAP@all").first.wait_for(timeout=30_000)
        page.get_by_text("mean, 95% interval").first.wait_for(timeout=30_000)
        page.screenshot(path=finished / "dashboard.png", full_page=True)
    finally:
        server.kill()
        server.wait()


def test_the_report_opens_in_a_browser_without_a_network(finished, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.context.set_offline(True)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto((finished / "p" / "tiny" / "report.html").as_uri())
    assert page.title() == "tiny"
    assert "is best on the validation queries" in page.locator(".answer").inner_text()
    # Two arms and the continuous input, and their difference by class.
    assert page.locator("tbody tr").count() == 4
    widths = page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
    assert len(widths) == 5
    assert min(widths) > 300
    assert "wrong ones are crossed out" in page.locator("figcaption").last.inner_text()
    page.screenshot(path=finished / "report.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert problems == []
