"""What a table says of itself in a paper, and by which name a paper refers to it."""

from __future__ import annotations

import re

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.analysis.verdict import Verdict
from study.reporting.latex.text import escape
from study.reporting.notes import BOLD, LABELS, MARK, TIE_AWARE, TIES, brackets


def caption(results: Results, verdict: Verdict, one: bool = False) -> str:
    """The question, what numbers are of, and what marks mean.

    Args:
        results: Of the study.
        verdict: On them.
        one: Whether test mAP alone stands in the table, without standard deviations.
    """
    counts = results.summary_of(RESULT).n
    if counts.empty:
        return " ".join(map(escape, [results.spec.question, verdict.headline]))
    least, most = int(counts.min()), int(counts.max())
    seeds = f"{least} to {most} seeds" if least < most else "one seed" if most == 1 else f"{most} seeds"
    over = f" of {seeds}" if most == 1 else f" over {seeds}" if one else f", ± the standard deviation, over {seeds}"
    sentences = [
        results.spec.question,
        f"Test {results.map_name} on {results.facts.data_name}, mean{over}.",
        *([f"{brackets(results)}."] if most > 1 else []),
        *(["Without ±: the same for every seed."] if not one and results.deterministic else []),
        TIES,
        *([] if one else [TIE_AWARE]),
        *([BOLD] if verdict.best else []),
        *([MARK] if verdict.tied else []),
        *([LABELS] if results.ceilings else []),
    ]
    return " ".join(map(escape, sentences))


def label(key: str) -> str:
    """What a paper refers to it by, of letters, digits and hyphens.

    Args:
        key: The study's name in folders.
    """
    return f"tab:{re.sub('[^A-Za-z0-9]+', '-', key)}"
