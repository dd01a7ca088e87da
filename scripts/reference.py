#!/usr/bin/env python3
"""Runs the reference, part by part, into results/reference and reports/reference; run again, it goes on.

    scripts/reference.py --list             the parts: budgets, what they took, what they leave out
    scripts/reference.py [PART ...]         these parts; without a name all whose data are there (in $NSH_DATA)
    scripts/reference.py --reports [PART ..]  their reports alone, from the tables
    scripts/reference.py --verify N [PART ..] trains N of their trials again, drawn part after part
    scripts/reference.py --archive FILE     AP of every query where it is too large for git, as one tar archive

The parts are in scripts/reference.yaml. Commit each when it is done: a trial's provenance names the commit.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nsh_core.missing import missing  # noqa: E402

try:
    import pandas as pd
    from pydantic import BaseModel, ConfigDict, Field

    from nsh_core.errors import UserError, in_a_line
    from nsh_core.files import write_atomically
    from nsh_core.plain_yaml import read_yaml
    from study.execution.provenance import WRITTEN, commit
    from study.plan.loading import load_spec, with_mode
    from study.plan.trials import study_key
except ModuleNotFoundError as error:
    missing(error)

PARTS = ROOT / "scripts/reference.yaml"
RESULTS = ROOT / "results/reference"
REPORTS = ROOT / "reports/reference"
# The vector width that machines of today have in common, so that trials can be verified on those of one maker.
CAPABILITY = "avx2"
# Below it tables of AP are kept in git: what pages quote, intervals over queries among them, is what a clone has.
LARGEST_IN_GIT = 8 * 2**20
_IGNORED = RESULTS / ".gitignore"
_WALL = RESULTS / "wall.csv"


class Part(BaseModel):
    """A study on some data, as study/run.py and study/report.py are told.

    Attributes:
        study: A shipped study.
        data: Name of its data in the file of parts.
        options: That both commands know.
        run: That study/run.py alone knows.
        across: Parts with the same study on other data, that its report has beside it.
        budget: Hours on 2 CPU cores, written down before it ran.
        cut: What the study would run and this part does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    data: str
    options: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    budget: float = Field(gt=0)
    cut: str = ""


class Reference(BaseModel):
    """The file of parts.

    Attributes:
        data: Name to data set, as --dataset takes it.
        parts: Name to part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: dict[str, str]
    parts: dict[str, Part]

    @classmethod
    def read(cls) -> Reference:
        """The parts of this checkout."""
        return cls.model_validate(read_yaml(PARTS.read_text(encoding="utf-8")))

    def named(self, part: Part) -> list[str]:
        """What names a part's study on both command lines.

        Args:
            part: Of these.
        """
        dataset = self.data[part.data]
        data = [] if dataset == load_spec(part.study).dataset else ["--dataset", dataset]
        return ["--study", part.study, *data, *part.options]

    def key(self, part: Part) -> str:
        """Name of a part's folders.

        Args:
            part: Of these.
        """
        given = list(zip(part.options[::2], part.options[1::2], strict=True))
        mode = next((value for name, value in given if name == "--mode"), None)
        assignments = tuple(value for name, value in given if name == "--set")
        return study_key(with_mode(load_spec(part.study), mode, None), self.data[part.data], assignments)

    def lacks(self, part: Part) -> str:
        """The file of features that a part needs and $NSH_DATA does not hold; empty if none.

        Args:
            part: Of these.
        """
        kind, _, name = self.data[part.data].partition(":")
        return name if kind == "features" and not Path(os.environ.get("NSH_DATA", "data"), name).exists() else ""


def run(reference: Reference, name: str, jobs: str | None) -> None:
    """Runs a part, writes its report, and what it took, stopped or not.

    Args:
        reference: The parts.
        name: Of the part.
        jobs: Worker processes; a core each by default.

    Raises:
        UserError: The checkout has changes, or the command ended otherwise than with all trials over.
    """
    _clean()
    part = reference.parts[name]
    began = time.time()
    options = [*reference.named(part), *part.run, *(["--jobs", jobs] if jobs else [])]
    try:
        # 1: some trials failed, as those of a method that collapses do; the report says which.
        _command("study/run.py", options, (0, 1))
    finally:
        took = {"hours": f"{(time.time() - began) / 3600:.3f}", "cores": len(os.sched_getaffinity(0))}
        took |= {"commit": commit(), "finished": time.strftime("%Y-%m-%d")}
        row = pd.DataFrame([{"part": name, "key": reference.key(part)} | took])
        rows = [pd.read_csv(_WALL, dtype=str), row] if _WALL.exists() else [row]
        write_atomically(_WALL, pd.concat(rows).to_csv(index=False))
    report(reference, name)


def report(reference: Reference, name: str) -> None:
    """Writes the report of a part, and keeps large tables out of git.

    Args:
        reference: The parts.
        name: Of the part.

    Raises:
        UserError: The command failed.
    """
    part = reference.parts[name]
    across = [word for other in part.across for word in ("--across", reference.key(reference.parts[other]))]
    _command("study/report.py", [*reference.named(part), *across, "--reports", str(REPORTS.relative_to(ROOT))], (0,))
    large = sorted(f"/{path.relative_to(RESULTS)}" for path in _large())
    write_atomically(_IGNORED, "\n".join(["# too large: scripts/reference.py --archive", *large, ""]))


def verify(reference: Reference, names: Sequence[str], count: int) -> bool:
    """Trains trials of parts again and prints what that came to; the same tables give the same draw.

    Args:
        reference: The parts.
        names: Of the parts to draw from: a trial of each in turn.
        count: Of the trials.

    Returns:
        Whether all hold.

    Raises:
        UserError: A command failed, a part has no tables, or the count is not positive.
    """
    if count < 1:
        raise UserError(f"--verify takes how many trials to train again, at least 1, got {count}")
    drawn = []
    for name in names:
        tables = RESULTS / reference.key(reference.parts[name]) / "trials.parquet"
        if not tables.exists():
            raise UserError(f"{name} has not run: there is no {tables}")
        trials = pd.read_parquet(tables, columns=["trial", "phase", "state"])
        over = trials[trials.state == "complete"].astype({"trial": int})
        asked = over.trial.astype(str).where(over.phase == "final", "tuning:" + over.trial.astype(str))
        drawn.append([(name, trial) for trial in asked.sample(frac=1, random_state=0)])
    held = []
    for name, trial in islice(filter(None, chain.from_iterable(zip_longest(*drawn))), count):
        options = [*reference.named(reference.parts[name]), "--verify", trial]
        done = _command("study/run.py", options, (0, 1), stdout=subprocess.PIPE)
        print(done.stdout, flush=True)
        held.append((done.returncode == 0, "the same, bit for bit" in done.stdout))
    print(f"{sum(holds for holds, _ in held)} of {len(held)} hold, {sum(same for _, same in held)} of them bit for bit")
    return all(holds for holds, _ in held)


def archive(path: Path) -> str:
    """Writes the tables that git does not keep as one archive: the same tables give the same bytes.

    Args:
        path: Of the archive.

    Returns:
        Its SHA-256; run.json beside each table has the table's own.
    """
    with tarfile.open(path, "w") as tar:
        for file in sorted(_large()):
            entry = tarfile.TarInfo(str(file.relative_to(ROOT)))
            entry.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(entry, content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    write_atomically(RESULTS / "per_query.sha256", f"{digest}  {path.name}\n")
    return digest


def _large() -> list[Path]:
    return [path for path in RESULTS.glob("*/per_query.parquet") if path.stat().st_size > LARGEST_IN_GIT]


def _command(
    script: str, options: Sequence[str], fine: Sequence[int], stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, script, *options, "--results", str(RESULTS.relative_to(ROOT))]
    print("$", script, *options, flush=True)
    environment = os.environ | {"ATEN_CPU_CAPABILITY": CAPABILITY}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=stdout, text=True)
    if done.returncode not in fine:
        raise UserError(f"{script} {' '.join(options)} ended with exit code {done.returncode}: see above")
    return done


def _listed(reference: Reference) -> str:
    took = pd.read_csv(_WALL).groupby("part").hours.sum() if _WALL.exists() else {}
    lines = ["part | budget, h | took, h | results/reference/ | left out", "---|---|---|---|---"]
    for name, part in reference.parts.items():
        cells = [name, f"{part.budget:g}", f"{took[name]:.2f}" if name in took else "", reference.key(part), part.cut]
        lines.append(" | ".join(cells))
    return "\n".join(lines)


def _clean() -> None:
    status = ["git", "status", "--porcelain", "--", *WRITTEN]
    if dirty := subprocess.run(status, cwd=ROOT, capture_output=True, text=True).stdout:
        raise UserError(f"the checkout has changes, which trials would name: commit them first ({in_a_line(dirty)})")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line.

    Args:
        arguments: After the command's name; those of the process by default.

    Returns:
        Its exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="lists the parts and runs none")
    instead.add_argument("--reports", action="store_true", help="writes reports from the tables and runs nothing")
    instead.add_argument("--archive", type=Path, metavar="FILE", help="writes what is too large for git; runs nothing")
    instead.add_argument("--verify", type=int, metavar="N", help="trains N trials again and compares them")
    parser.add_argument("--jobs", help="worker processes; a core each by default")
    given, reference = parser.parse_args(arguments), Reference.read()
    try:
        if unknown := [name for name in given.parts if name not in reference.parts]:
            raise UserError(f"no part {unknown[0]!r}: choose from {', '.join(reference.parts)}")
        if given.archive and given.archive.suffix != ".tar":
            raise UserError(f"--archive writes a .tar: the name must end so, got {str(given.archive)!r}")
        if given.list or given.archive:
            print(_listed(reference) if given.list else archive(given.archive))
            return 0
        lacking = {name: reference.lacks(reference.parts[name]) for name in given.parts or reference.parts}
        for name, file in lacking.items():
            if file:
                print(f"left out: {name}, no {file} in $NSH_DATA", file=sys.stderr)
        names = [name for name, file in lacking.items() if not file]
        if given.verify is not None:
            return int(not verify(reference, names, given.verify))
        for name in names:
            report(reference, name) if given.reports else run(reference, name, given.jobs)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
