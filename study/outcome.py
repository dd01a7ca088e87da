"""What the command line prints of a study that was run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from nsh_core.measures import Place, measures
from nsh_core.registry import listed
from study.analysis.ranking import ranking
from study.analysis.tables import VALUED
from study.analysis.verdict import decide, is_complete
from study.ending import ending
from study.execution.finish import on_finish
from study.interface import Study

_BUSY = 1.5


@contextlib.contextmanager
def finishing(study: Study, command: str | None) -> Iterator[None]:
    """Runs a command of the user's at the end, however the block ends.

    Args:
        study: That the block runs.
        command: For the shell; none: nothing happens.

    Yields:
        Nothing.
    """
    if command is None:
        yield
        return
    status, headline = "error", ""
    try:
        yield
        results = study.results
        status, headline = "complete" if is_complete(results) else "incomplete", decide(results).headline
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        on_finish(command, study.key, status, headline, study.folder)


def print_summary(study: Study, console: Console) -> bool:
    """The arms, best validation mAP first, what failed, the answer, and what comes next.

    Args:
        study: That was run.
        console: Where it is printed.

    Returns:
        Whether it is complete.
    """
    results = study.results
    held, asked = results.facts.seeds, study.plan.seeds
    if held > asked:
        console.print(
            f"note: the study holds {held} seeds, this command asked for {asked}: the tables have all of them"
        )
    arms = ranking(results)
    table = Table(*arms, title=results.spec.question)
    for row in arms.itertuples(index=False):
        table.add_row(*row)
    console.print(table)
    trials = results.tables.trials
    left = trials[~trials.state.isin(VALUED)]
    for (name, phase, state, failure), group in left.groupby(["arm", "phase", "state", "failure"], sort=False):
        seeds = "" if phase == "tuning" else f", seeds {', '.join(map(str, group.seed))}"
        console.print(f"{name}: {len(group)} {phase} trials {state}{seeds} {failure}".rstrip())
    console.print(ending(decide(results), study.folder), soft_wrap=True)
    return is_complete(results)


def print_cost(study: Study, repeats: int, console: Console) -> bool:
    """Measures the cost of each arm, and says where the machine had others to serve.

    Args:
        study: That was run.
        repeats: Of each arm.
        console: Where it is printed.

    Returns:
        Whether there is a cost of every arm.
    """
    cost = study.measure_cost(repeats)
    shown = measures(Place.COST)
    table = Table("arm", "runs", *(one.title("", 0, True) for one in shown))
    for arm, own in cost.groupby("arm", sort=False):
        spans = (f"{own[one.name].mean():.2f} [{own[one.name].min():.2f}, {own[one.name].max():.2f}]" for one in shown)
        table.add_row(str(arm), str(len(own)), *spans)
    console.print(table)
    there = {*cost.arm, *study.plan.lacking}
    missing = [arm.name for arm in study.plan.spec.arms if arm.name not in there]
    if missing:
        print(f"note: no cost of {listed(missing)}: no final run is planned yet, or it fails", file=sys.stderr)
    if cost.load.max() > _BUSY:
        print(f"note: the machine's load went up to {cost.load.max():.1f}: others used it too", file=sys.stderr)
    return not missing
