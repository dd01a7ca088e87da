"""What can go wrong by name: user errors end a command with exit code 2, failures end one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, what was got, what is allowed."""


class TrainingFailure(RuntimeError):
    """A run that cannot go on; the message says when and why.

    Attributes:
        name: A stable identifier.
    """

    name = "failure"


class NotFinite(TrainingFailure):
    """A term of the loss, or a weight, became NaN or infinite."""

    name = "not_finite"


class CodeCollapse(TrainingFailure):
    """Every item of the database got the same hash code."""

    name = "code_collapse"


TRAINING_FAILURES = (NotFinite.name, CodeCollapse.name)


def in_a_line(error: BaseException) -> str:
    """The type of an error and what it says, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")


def printable(text: str) -> str:
    """A line in which signs that would turn it round or move the cursor, or are no text, are shown as what they are.

    Args:
        text: The line.
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the CPU or on a GPU: torch has a type of its own for the latter alone."""
    text = str(error)
    told = "can't allocate memory" in text or "out of memory" in text
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and told)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Says whose code failed, where that may be a plug-in's.

    Args:
        what: It, in words: "measure 'x'".

    Yields:
        Nothing; the block runs that code.

    Raises:
        UserError: The code raised, or ended the process. User errors, failures of a run and a lack of memory stay as
            they are.
    """
    try:
        yield
    except (UserError, TrainingFailure):
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{what} failed: {in_a_line(error)}") from error
