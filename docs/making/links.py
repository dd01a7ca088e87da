"""Links: in the pages they are those of the repository, so that they work on GitHub too."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from docs.making.notebooks import page_of

_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_README = {"README.md": "index.md"}
# What lies outside docs/ and is part of the site all the same, under its own path.
_SITE = ("reports/reference/", "CHANGELOG.md", "CONTRIBUTING.md")


def turned(markdown: str, path: str, root: Path) -> str:
    """A page with links as the site has them.

    One that is named after its page gets the page's title, one to a file that is none of the site's becomes its text.

    Args:
        markdown: Of the page.
        path: Of its file, from the repository's root.
        root: The repository.
    """
    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _turned(part, path, root) for part in parts)


def _turned(text: str, path: str, root: Path) -> str:
    here = _place(path)

    def turn(link: re.Match[str]) -> str:
        picture, label, target, anchor = link.group(1, 2, 3, 4)
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if ":" in target or aim == path or not (root / aim).exists():
            return link.group()
        place = _place(aim + "/report.md" if (root / aim / "report.md").exists() else aim)
        if place is None:
            return label
        anchor = "" if aim in _README else anchor
        if label == posixpath.basename(aim):
            label = f'"{_title(root / aim)}"'
        return f"{picture}[{label}]({posixpath.relpath(place, posixpath.dirname(here or '') or '.')}{anchor or ''})"

    return _LINK.sub(turn, text)


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")


def _place(path: str) -> str | None:
    """Where a file of the repository is in the site; none where it is not."""
    if path in _README:
        return _README[path]
    if path.startswith(_SITE):
        return path
    if not path.startswith("docs/"):
        return None
    own = path.removeprefix("docs/")
    return page_of(own) if own.endswith(".ipynb") else own if own.endswith((".md", ".png", ".svg")) else None
