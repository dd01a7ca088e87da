"""What all pages share: templates, style, script and plotly, all of it within the one file of a page."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from nsh_core.markdown import as_markdown
from study.reporting.figures.drawing import Drawn
from study.reporting.section import Section, numeric

_TEMPLATES = Path(__file__).with_name("templates")


class Contents:
    """The headings of a page, in order: those below the first level are its contents."""

    def __init__(self) -> None:
        self.links: list[tuple[str, str]] = []

    def add(self, title: str) -> str:
        """Notes a heading.

        Args:
            title: As it is read.

        Returns:
            Its id on the page, which no other heading has.
        """
        slug = re.sub(r"\W+", "-", title.lower()).strip("-") or "part"
        taken = {known for known, _ in self.links}
        name = next(name for name in (slug, *(f"{slug}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)
        self.links.append((name, title))
        return name


@cache
def templates() -> Environment:
    """The templates of reports: of HTML all that is filled in is escaped."""
    environment = Environment(
        loader=PackageLoader("study.reporting"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = as_markdown
    environment.filters["csv"] = _csv
    environment.filters["numeric"] = numeric
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    return environment


def _csv(section: Section) -> str:
    """A table as a CSV file within a link."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([section.columns, *section.rows])
    return f"data:text/csv;charset=utf-8,{quote(buffer.getvalue())}"


def page(template: str, figures: Sequence[Drawn], **context: Any) -> str:
    """A page that stands alone: no network, no file beside it.

    Args:
        template: Its name; it extends page.html.j2.
        figures: That are on it; plotly is too, where one of them has a form for it.
        **context: What the template shows.

    Returns:
        HTML.
    """
    return (
        templates()
        .get_template(template)
        .render(
            context,
            figures=figures,
            contents=Contents(),
            style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup((_TEMPLATES / "page.js").read_text(encoding="utf-8")),
            plotly=_plotly() if any(one.page for one in figures) else "",
        )
    )


@cache
def _plotly() -> str:
    """plotly.js, compressed: the package itself is not imported for it."""
    found = find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    script = Path(found.origin).with_name("package_data") / "plotly.min.js"
    # Without a time the same results give the same bytes.
    return base64.b64encode(gzip.compress(script.read_bytes(), mtime=0)).decode()
