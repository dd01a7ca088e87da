"""Random command lines, specs, arrays and pictures, each handed to a command.

Every outcome is success, or exit code 2 with one line that begins with `error: `, within 5 s of a processor and 2 GiB
beyond what the imports take. python -m tests.study.attack --examples 2000 counts the outcomes and prints what is none.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from nsh_core import fit, load_dataset, make_config
from tests.study.commands import Fork
from tests.study.random_arrays import arrays
from tests.study.random_commands import Given, command_lines
from tests.study.random_pictures import pictures
from tests.study.random_specs import specs

SECONDS = 5
MEMORY = 2 * 2**30
_HANGS = 60  # of the clock: other processes may have the processor

KINDS: dict[str, Callable[[Path], st.SearchStrategy[Given]]] = {
    "command lines": command_lines,
    "specs": lambda hasher: specs(),
    "arrays": arrays,
    "pictures": lambda hasher: pictures(),
}


def outcome_of(example: Given) -> tuple[int, str, str]:
    """Exit code, output and errors of the command, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for path, content in example.files.items():
            place = Path(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.mkdir(exist_ok=True)
            else:
                place.write_bytes(content)
        environment = {"NSH_CACHE": "cache", "NSH_DATA": "data"}
        limits = {"RLIMIT_CPU": SECONDS, "RLIMIT_CORE": 0}
        command = Fork(example.script, *example.options, environment=environment, memory=MEMORY, **limits)
        try:
            out, err = command.communicate(_HANGS)
        except subprocess.TimeoutExpired:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
            return -signal.SIGALRM, command.written("out"), command.written("err")
        assert command.returncode is not None
        return command.returncode, out, err


def what_is_wrong(example: Given, code: int, out: str, err: str) -> str:
    """With an outcome; nothing if it is one that is allowed."""
    lines = err.splitlines()
    if "Traceback" in out + err:
        return "a traceback"
    if any(not one.isprintable() for one in lines):
        return "characters that do not print"
    if code == 0:
        return f"success with {lines[0]!r}" if lines else ""
    one_line = len(lines) == 1 and lines[0].startswith("error: ")
    if code == 1 and (example.script == "run.py" or one_line):
        return ""
    if code == 2:
        return "" if one_line else f"{len(lines)} lines of errors"
    return {-signal.SIGALRM: "it hangs", -signal.SIGXCPU: "too long"}.get(code, f"exit code {code}")


def attack(kind: str, examples: int, hasher: Path, seed: int = 0) -> tuple[Counter[int], list[str]]:
    """How often each exit code came, and what was wrong.

    Args:
        kind: Of KINDS.
        examples: How many.
        hasher: Folder of a trained hasher of the digits.
        seed: Of the examples.
    """
    codes: Counter[int] = Counter()
    found: list[str] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(KINDS[kind](hasher))
    def try_one(example: Given) -> None:
        code, out, err = outcome_of(example)
        codes[code] += 1
        if wrong := what_is_wrong(example, code, out, err):
            files = {name: content[:600] for name, content in example.files.items() if content is not None}
            found.append(f"{kind}: {wrong}: {example.script} {example.options}\n{out[-300:]}{err[-2500:]}\n{files}\n")
            print(found[-1], flush=True)

    try_one()
    return codes, found


def save_hasher(folder: Path) -> None:
    """A hasher of the digits, for examples to use."""
    fit(make_config({"code_length": 8, "train": {"epochs": 1}}), load_dataset("digits")).save(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    chosen = parser.parse_args()
    start, wrong = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name:
        hasher = Path(name, "hasher")
        save_hasher(hasher)
        for kind in chosen.kinds:
            codes, found = attack(kind, chosen.examples // len(chosen.kinds), hasher, chosen.seed)
            print(
                f"{kind}: {codes.total()} examples, exit codes {dict(sorted(codes.items()))}, {len(found)} wrong",
                flush=True,
            )
            wrong += len(found)
    print(f"{time.monotonic() - start:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
