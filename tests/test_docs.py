"""The documentation site: it builds, without a network, and says all that the code has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nsh_core
import study
from nsh_core.measures import MEASURES
from nsh_core.registry import METHODS, SORTERS
from nsh_core.sections import TrainConfig
from study.analysis.columns import COMPARISONS
from tests.conftest import Once
from tests.pages import PAGES, ROOT

# What a browser fetches by itself; links that a reader follows are not.
FETCHED = re.compile(r'<(?:script|img|link)\b[^>]*\b(?:src|href)="(?:https?:)?//')


@pytest.fixture(scope="session")
def site(once: Once) -> Path:
    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
        environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")

    return once("site", build)


@pytest.mark.slow(12)
def test_the_site_builds_strictly_and_fetches_nothing(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        assert not FETCHED.search(page.read_text()), page


def test_reference_pages_have_what_the_code_has(site):
    def text(page: str) -> str:
        return (site / "reference" / page).read_text()

    assert all(f"<code>{name}</code>" in text("measures.html") for name in MEASURES.names())
    assert all(f"<code>train.{name}</code>" in text("settings.html") for name in TrainConfig.model_fields)
    assert all(f"<code>{name}</code>" in text("tables.html") for name in COMPARISONS)
    for registry in (METHODS, SORTERS):
        # Other tests load plug-ins.
        for name in (name for name in registry.names() if not registry.plugin_of(name)):
            assert f'id="{name}"' in text("names.html"), name
    assert "--measure-cost" in text("commands.html")
    for name in [*nsh_core.__all__, *study.__all__, "compare"]:
        entry = "load" if name == "load_plugins" else name
        assert re.search(rf'id="[\w.]+\.{entry}"', text("python.html")), name


def test_notebooks_are_pages_with_what_they_showed(site):
    page = (site / "notebooks" / "first_study.html").read_text()
    assert "is best on the validation queries" in page
    assert re.search(r'<img[^>]* src="first_study_files/[^"]+\.png"', page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_formula_is_taken_for_a_tag(page):
    text = re.sub(r"^```.*?^```$|`[^`]*`|^    .*?$|<!--.*?-->", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"<[A-Za-z/][^>\n]*", text) == []
