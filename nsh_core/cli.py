"""How every command line ends: 0, or a line on stderr and 1 for a failed run, 2 for bad input, 130 for Ctrl-C.

143 and 129 are those of SIGTERM and SIGHUP.
"""

from __future__ import annotations

import gc
import signal
import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from nsh_core.errors import TrainingFailure, UserError, printable
from nsh_core.missing import missing

BAD_INPUT = 2
INTERRUPTED = 130
_MOST_DIGITS = 9


def run(app: typer.Typer) -> NoReturn:
    """Runs a typer app and exits; no traceback for anything that the user can mend.

    SIGTERM and SIGHUP end it as Ctrl-C does: workers are stopped, tables written.
    """
    got: list[int] = []

    def interrupt(number: int, _: object) -> None:
        got.append(number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, interrupt)
    try:
        status = app(standalone_mode=False)
    except UserError as error:
        status = _complain(str(error))
    except TyperException as error:
        message = getattr(error, "format_message", error.__str__)().replace("Value error, ", "")
        # A command line of nothing is answered by the help, which typer has printed, with no message behind it.
        status = _complain(message) if message else BAD_INPUT
    except ModuleNotFoundError as error:
        missing(error)
    except TrainingFailure as error:
        _complain(f"{error.name}: {error}")
        status = 1
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    # What a process leaves behind is the system's to free: Python would look through all that was imported for garbage.
    gc.freeze()
    sys.exit(128 + got[0] if got else status or 0)


def at_least_one(text: str) -> int:
    """The value of an option that counts something; typer's own check of a range does not say what it got.

    Args:
        text: As typed.

    Returns:
        The number, at least 1.

    Raises:
        typer.BadParameter: It is no whole number of at least 1.
    """
    if text.isdecimal() and len(text) > _MOST_DIGITS:
        raise typer.BadParameter(f"must be a number of at most {_MOST_DIGITS} digits, got one of {len(text)}")
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _complain(message: str) -> int:
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return BAD_INPUT
