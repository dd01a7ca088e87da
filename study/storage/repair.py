"""Finds damaged lines of a journal, and sets them aside so that every other study and trial can be used again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby
from pathlib import Path

from optuna.study import StudyDirection
from optuna.trial import TrialState

from nsh_core.errors import UserError
from nsh_core.files import write_atomically
from study.storage.journal import DamagedLine, JournalFile, line_of, operation_of
from study.storage.optuna_internals import JournalOperation

# In longer lines a changed bit is not looked for: that would take minutes.
_MOST_BYTES = 4096
_CODE, _STUDY, _NAME = rb'"op_code":(\d+)', rb'"study_id":(\d+)', rb'"study_name":("[ -~]+?")'


@dataclass(frozen=True)
class Damage:
    """A line of a journal that is not what was written.

    Attributes:
        line: Its number, from 1.
        reason: What is wrong with it.
    """

    line: int
    reason: str


def damage(path: Path) -> list[Damage]:
    """The damaged lines of a journal; half a last line is none, since the next writer cuts it off.

    Args:
        path: Of the journal.

    Raises:
        UserError: It cannot be read.
    """
    reasons = ((number, _reason(line)) for number, line in enumerate(_lines(path), 1))
    return [Damage(number, reason) for number, reason in reasons if reason]


def repair(path: Path) -> list[str]:
    """Puts damaged lines right where one changed bit explains them, and sets the others aside into PATH.damaged.

    Optuna counts studies and trials by their lines. Where a line may have been one of those that count, what stands
    elsewhere in the journal says whether one is missing, and an empty study or a failed trial takes its place.

    Args:
        path: Of a journal that nobody uses at the moment.

    Returns:
        What was done, a line each.

    Raises:
        UserError: It cannot be read or written.
    """
    try:
        if not path.is_file():
            raise UserError(f"--repair is for journals, and {path} is no file")
        with JournalFile(str(path)).held():
            return _repair(path)
    except OSError as error:
        raise UserError(f"cannot repair {path}: {error.strerror or error}") from None


def _repair(path: Path) -> list[str]:
    done: list[str] = []
    # Whole lines, and among them runs of damaged ones that still want something in their place.
    parts: list[list[bytes]] = []
    open_places: list[int] = []
    aside: list[bytes] = []
    numbered = enumerate(_lines(path), 1)
    for damaged, group in groupby(numbered, key=lambda pair: bool(_reason(pair[1]))):
        numbers, lines = zip(*group, strict=True)
        if not damaged:
            parts.append(list(lines))
            continue
        where = f"line {numbers[0]}" if len(lines) == 1 else f"lines {numbers[0]} to {numbers[-1]}"
        mended = _with_one_bit_changed(b"".join(lines))
        if mended is not None:
            done.append(f"{where}: one bit was changed, and is put right")
            parts.append(mended)
            continue
        aside += lines
        done.append(f"{where}: set aside")
        for line in lines:
            open_places.append(len(parts))
            parts.append([line])
    for place in open_places:
        before, after = parts[:place], parts[place + 1 :]
        stand_ins = _stand_ins(parts[place][0], b"".join(chain(*before)), b"".join(chain(*after)))
        counts = [_contradictions([*before, lines, *after]) for lines in stand_ins]
        parts[place] = stand_ins[counts.index(min(counts))]
    if aside:
        kept = path.with_name(f"{path.name}.damaged")
        write_atomically(kept, (kept.read_bytes() if kept.exists() else b"") + b"".join(aside))
        done.append(f"{kept} has what was set aside")
    if done:
        write_atomically(path, b"".join(chain(*parts)))
    return done


def _with_one_bit_changed(damaged: bytes) -> list[bytes] | None:
    """The whole lines that damaged ones were before one bit of them changed, if that explains them."""
    if len(damaged) > _MOST_BYTES:
        return None
    for place in range(8 * len(damaged)):
        text = bytearray(damaged)
        text[place // 8] ^= 1 << place % 8
        lines = bytes(text).splitlines(keepends=True)
        # Without a checksum any text would do.
        if all(b'"check"' in line and not _reason(line) for line in lines):
            return lines
    return None


def _stand_ins(line: bytes, before: bytes, after: bytes) -> list[list[bytes]]:
    """What may take the place of a damaged line, what its readable part suggests first."""
    code, study = re.search(_CODE, line), re.search(_STUDY, line)
    known = study or re.search(rb".*" + _STUDY, before, re.DOTALL)
    # Whoever opens a study writes its name again, which makes no second one.
    known_names = set(re.findall(_NAME, before))
    names = [json.loads(name) for name in dict.fromkeys(re.findall(_NAME, line + after)) if name not in known_names]
    names.append(f"damaged line of {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}")
    a_study = {
        "op_code": JournalOperation.CREATE_STUDY,
        "worker_id": "repair",
        "directions": [StudyDirection.MAXIMIZE],
    }
    a_trial = {
        "op_code": JournalOperation.CREATE_TRIAL,
        "worker_id": "repair",
        "study_id": int(known[1]) if known else 0,
        "state": TrialState.FAIL,
        "datetime_start": None,
        "user_attrs": {"failure": "damaged"},
    }
    choices: dict[int | None, list[list[bytes]]] = {
        None: [[]],
        JournalOperation.CREATE_STUDY: [[line_of({**a_study, "study_name": name})] for name in names],
        JournalOperation.CREATE_TRIAL: [[line_of(a_trial)]],
    }
    first = int(code[1]) if code and int(code[1]) in choices else None
    return [*choices.pop(first), *chain(*choices.values())]


def _contradictions(parts: Iterable[Sequence[bytes]]) -> tuple[int, int]:
    """How many operations are about a study or trial that does not exist when they come, and studies about nothing."""
    trials = wrong = 0
    studies: set[str] = set()
    meant: set[int] = set()
    for line in chain(*parts):
        try:
            operation = operation_of(line)
        except DamagedLine:
            continue
        code = operation["op_code"]
        wrong += operation.get("study_id", -1) >= len(studies) or operation.get("trial_id", -1) >= trials
        if code == JournalOperation.CREATE_STUDY:
            studies.add(operation["study_name"])
        trials += code == JournalOperation.CREATE_TRIAL
        meant |= {operation["study_id"]} if "study_id" in operation else set()
    return wrong, len(studies) - len(meant)


def _lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            return [line for line in file if line.endswith(b"\n")]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None


def _reason(line: bytes) -> str:
    try:
        operation_of(line)
    except DamagedLine as error:
        return str(error)
    return ""
