"""Numbers in a page that look measured and are quoted from nothing."""

from __future__ import annotations

import re

from study.reporting.quoted.page import pieces

# A decimal, or a number with a unit of time, size, rate or ratio. Settings and definitions are code spans.
_NUMBER = r"(?<![\w.,@/-])[-+−±~]?(?:\d[\d,]*)?"
_SUSPECT = re.compile(
    rf"{_NUMBER}\.\d+(?![\d.]*\.\d)\b"
    rf"|{_NUMBER}\d(?:\.\d+)?[  ]?(?:%|(?:s|ms|us|µs|ns|min|minutes?|hours?|seconds?|[kKMGT]i?B|times|x|passed)\b)"
    r"|\b\d[\d,]* (?:\w+ )?(?:a|per) second\b"
)
# Names with a version, identifiers of papers, and how intervals are called.
_ALLOWED = re.compile(
    r"(?:Python|torch|torchsort|CUDA|YAML|MLflow|Optuna|C\+\+|WCAG|AVX|SLURM|TPE|PostgreSQL|timm) "
    r"\d+\.\d+(?:\.\d+)*(?:,? (?:or|and|to)? ?\d\.\d+)*(?! ?(?:%|times|m?s\b))"
    r"|\b(?:arXiv[: ]?)?\d{4}\.\d{4,5}\b|\b(?:95|80)% (?:\w+ )?(?:intervals?|CI)\b|\[(?:95|80)% CI\]"
)
_LINK = re.compile(r"\]\([^)]*\)|<[^>]+>|https?://\S+")


def literals(text: str, place: str) -> list[str]:
    """A line for each number in a page that must be quoted, or be a code span where it is a setting.

    Args:
        text: Of the page.
        place: What the page is called in messages.
    """
    found = []
    for piece in pieces(text, place):
        if piece.kind != "text":
            continue
        # What is left out keeps its lines.
        bare = _ALLOWED.sub(_blank, _LINK.sub(_blank, piece.raw))
        for match in _SUSPECT.finditer(bare):
            line = piece.line + bare.count("\n", 0, match.start())
            found.append(f"{place}:{line}: {match[0].strip()!r} is quoted from nothing")
    return found


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "·", match[0])
