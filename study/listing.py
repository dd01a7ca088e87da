"""The shipped studies in words, at once: without torch, pandas or data."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.padding import Padding
from rich.text import Text

from study.analysis.earlier import bytes_of_a_trial, earlier_trials
from study.analysis.seeds import what_is_weak
from study.execution.amounts import duration
from study.plan.levels import settings_of
from study.plan.loading import available


def print_studies(results: Path, journal: Path, jobs: int, console: Console) -> None:
    """Prints of each shipped study its size, its cost by earlier trials, its question, and what its arms differ in.

    Args:
        results: Folder of tables.
        journal: The storage, where that is a file.
        jobs: That run at the same time.
        console: Where it is printed.
    """
    each, timed = bytes_of_a_trial(results, journal), False
    for spec in available():
        tries, finals = spec.most_trials(spec.seeds)
        facts = [f"{len(spec.arms)} arms, {spec.seeds} seeds", f"{finals} trials"]
        if tries:
            facts[-1] = f"at most {tries} tries of tuning and {finals} trials"
        seconds = earlier_trials(results / spec.name).ahead(jobs, others=tries + finals)
        if seconds is not None:
            timed = True
            facts.append(f"about {duration(seconds)}")
        facts.append(f"about {decimal(round(each * (tries + finals)))}")
        if what_is_weak(spec, spec.seeds):
            facts.append("too few seeds for exact tests")
        console.print(Text.assemble((spec.name, "bold"), f": {', '.join(facts)}"))
        differ = ", ".join(name for factor, levels in spec.factors.items() for name in settings_of(factor, levels))
        console.print(Padding(Text(spec.question), (0, 0, 0, 2)), Padding(Text(f"arms: {differ}"), (0, 0, 0, 2)))
    times = f"Times are of {jobs} jobs, as earlier trials in {results} took. " if timed else ""
    console.print(
        f"\n{times}--study NAME --dry-run shows the arms of a study, opens its data, and times it where it has no "
        "trials yet."
    )
