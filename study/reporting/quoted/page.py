"""Pages of Markdown whose numbers and verdicts stand between two comments, which say where they are from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from nsh_core.errors import UserError

_END = "<!--/-->"
_PIECES = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,}).*?^[ \t]*(?P=fence)[ \t]*$"
    r"|(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`)"
    r"|<!--(?P<kind>[=?])\s*(?P<expression>.+?)\s*-->",
    re.DOTALL | re.MULTILINE,
)

Evaluate = Callable[[str, str], Any]


@dataclass(frozen=True)
class Piece:
    """A stretch of a page.

    Attributes:
        kind: text; code, a fence or a span; quoted, which comes from tables; condition, which tables must hold.
        raw: As it stands in the page, markers among it.
        line: On which it begins, from 1.
        expression: Of what is quoted or must hold.
    """

    kind: Literal["text", "code", "quoted", "condition"]
    raw: str
    line: int
    expression: str = ""


@dataclass(frozen=True)
class Rewritten:
    """A page as tables have it.

    Attributes:
        text: Of the page.
        broken: A line for each condition that does not hold, and each marker that Markdown takes for a block of HTML.
    """

    text: str
    broken: list[str] = field(default_factory=list)


def pieces(text: str, place: str) -> Iterator[Piece]:
    """The stretches of a page, in order; together they are its text.

    Args:
        text: Of the page.
        place: What the page is called in messages.

    Yields:
        Each stretch.

    Raises:
        UserError: A marker has no end.
    """
    at = 0
    while found := _PIECES.search(text, at):
        line = text.count("\n", 0, found.start()) + 1
        if found.start() > at:
            yield Piece("text", text[at : found.start()], text.count("\n", 0, at) + 1)
        at, kind = found.end(), found["kind"]
        if kind == "=":
            end = text.find(_END, at)
            following = re.compile(r"<!--[=?]").search(text, at)
            if end < 0 or (following and following.start() < end):
                raise UserError(f"{place}:{line}: {found[0]} has no end: {_END} closes what is quoted")
            at = end + len(_END)
            yield Piece("quoted", text[found.start() : at], line, found["expression"])
        elif kind == "?":
            yield Piece("condition", found[0], line, found["expression"])
        else:
            yield Piece("code", found[0], line)
    if at < len(text):
        yield Piece("text", text[at:], text.count("\n", 0, at) + 1)


def rewritten(text: str, evaluate: Evaluate, place: str) -> Rewritten:
    """The page with everything that is quoted as tables have it now.

    Args:
        text: Of the page.
        evaluate: What an expression comes to; its second argument says where it stands.
        place: What the page is called in messages.

    Raises:
        UserError: A marker has no end, or quotes what there is not.
    """
    parts, broken = [], []
    for piece in pieces(text, place):
        here = f"{place}:{piece.line}"
        if piece.kind == "condition" and evaluate(piece.expression, here) is not True:
            broken.append(f"{here}: no longer so: {piece.expression}; reword the sentence beside it, and the condition")
        if piece.kind in ("text", "code"):
            parts.append(piece.raw)
            continue
        raw, block = piece.raw, piece.kind == "condition"
        if piece.kind == "quoted":
            value = str(evaluate(piece.expression, here))
            block = "\n" in value
            # A table is a block, and a block has empty lines around it.
            raw = f"<!--= {piece.expression} -->" + (f"\n\n{value}\n\n" if block else value) + _END
        if _begins_a_line("".join(parts), block):
            broken.append(
                f"{here}: a line of prose begins with a marker, which Markdown takes for HTML: break it elsewhere"
            )
        parts.append(raw)
    return Rewritten("".join(parts), broken)


def _begins_a_line(before: str, block: bool) -> bool:
    """Whether what follows begins a line within prose; a block does not where the line before is empty."""
    above, _, line = before.rpartition("\n")
    return not line.strip(" \t>*-") and not (block and not above.rpartition("\n")[2].strip())
