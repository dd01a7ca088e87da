"""What pages take from the code: `<!-- made: settings -->` on a line of its own becomes that text."""

from __future__ import annotations

import re
from collections.abc import Callable

from docs.making import commands, measures, names, settings, tables

MADE: dict[str, Callable[[], str]] = {
    "study/run.py": commands.of_runs,
    "study/report.py": commands.of_reports,
    "nsh": commands.of_one_run,
    "settings": settings.of_a_run,
    "spec": settings.of_a_spec,
    "methods": names.methods,
    "sorters": names.sorters,
    "others": names.others,
    "studies": names.studies,
    "tables": tables.files,
    "run.json": tables.run_facts,
    "measures": measures.catalogue,
}
_MARK = re.compile(r"^<!-- made: (\S+) -->$", re.MULTILINE)


def filled(markdown: str) -> str:
    """A page with what the code says in its places.

    Args:
        markdown: Of the page.

    Raises:
        KeyError: A place asks for what is not there.
    """
    return _MARK.sub(lambda mark: MADE[mark[1]](), markdown)
