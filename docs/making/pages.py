"""A hook of MkDocs: pages that lie elsewhere, what the code says of itself, and links as GitHub knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.making import links, made, notebooks

ROOT = Path(__file__).resolve().parents[2]
REPORTS = "reports/reference"
# Pages of the site that lie outside docs/, under the same paths.
ELSEWHERE = ("CHANGELOG.md", "CONTRIBUTING.md")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the committed reports to the contents, below the results."""
    results = next(entry["Results"] for entry in config.nav or [] if "Results" in entry)
    results.append(
        {"Reports": [{path.parent.name: _uri(path)} for path in sorted(ROOT.glob(f"{REPORTS}/*/report.md"))]}
    )
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the notebooks as pages, and what lies elsewhere in the repository."""
    for name in ELSEWHERE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for pattern in ("report.md", "*.png", "table.tex", "across.csv"):
        for path in sorted(ROOT.glob(f"{REPORTS}/*/{pattern}")):
            files.append(File.generated(config, _uri(path), abs_src_path=str(path)))
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        for name, content in notebooks.as_pages(notebook).items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fills in what the code says, and turns links that are relative to the repository."""
    uri = page.file.src_uri
    if uri == "index.md":
        page.meta["hide"] = ["navigation"]
    inside = uri not in ELSEWHERE and not uri.startswith(REPORTS)
    return links.turned(made.filled(markdown), f"docs/{uri}" if inside else uri, ROOT)


def _uri(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
