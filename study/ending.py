"""What is said when a study was run."""

from __future__ import annotations

from pathlib import Path

from study.analysis.verdict import Verdict
from study.typed import report_line

# Of the headlines of groups.
_MOST = 3


def ending(verdict: Verdict, folder: Path) -> str:
    """The answer, where results are, and what writes the report; a line each.

    Args:
        verdict: On the study.
        folder: Of its results.
    """
    headlines = verdict.headlines
    more = [f"And {len(headlines) - _MOST} more, in the report."] if len(headlines) > _MOST else []
    answer = " ".join([*headlines[:_MOST], *more])
    report = report_line(folder) or "report() writes it"
    return f"answer: {answer}\nresults: {folder}\nreport: {report}"
