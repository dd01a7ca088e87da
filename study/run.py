"""Runs a study: python study/run.py --study sorter_ablation."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, cast

if __name__ == "__main__":
    # Run as a script, Python looks for modules in study/ first: look in the repository instead.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

try:
    import typer
    from rich.console import Console
    from rich.table import Table

    from nsh_core import cli
    from nsh_core.data import DATASETS
    from nsh_core.errors import UserError
    from study.analysis.results import Results
    from study.analysis.tables import OVER, Tables
    from study.analysis.verdict import decide
    from study.execution.scheduler import EngineName, Execution
    from study.finish import on_finish as run_on_finish
    from study.plan.planning import Plan, make_plan
    from study.plan.spec import available, load_spec, with_mode
    from study.session import open_session
    from study.storage.opening import KINDS

    for name in ("optuna_dashboard", "plotly"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
except ModuleNotFoundError as error:
    package = (error.name or "?").partition(".")[0]
    print(
        f"error: the package {package!r} is missing: run `make env`, then use .venv/bin/python",
        file=sys.stderr,
    )
    sys.exit(2)

app = typer.Typer(add_completion=False)

SOME_FAILED = 1


@app.command()
def study(
    study: Annotated[str | None, typer.Option(help="name of a shipped study, or path of a .yaml file")] = None,
    dataset: Annotated[str | None, typer.Option(help=f"{DATASETS}; default: the study's")] = None,
    seeds: Annotated[int | None, typer.Option(help="seeds of each arm")] = None,
    jobs: Annotated[int | None, typer.Option(help="worker processes; default: a core each")] = None,
    assignments: Annotated[
        list[str], typer.Option("--set", help="override a setting of every arm: train.epochs=10")
    ] = [],  # noqa: B006
    storage: Annotated[str | None, typer.Option(envvar="NSH_STORAGE", help=f"Optuna storage: {KINDS}")] = None,
    mode: Annotated[str | None, typer.Option(help="grid, tuned, one_factor or pareto; default: the study's")] = None,
    trials: Annotated[
        int | None, typer.Option(help="tries of each arm in a mode that tunes; in mode grid the same as --limit")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="run at most so many trials now")] = None,
    batch_trials: Annotated[
        str, typer.Option(help="runs trained as one stacked model: auto (what is fastest) or a number")
    ] = "auto",
    results: Annotated[Path, typer.Option(help="folder of tables and the default storage")] = Path("results"),
    retry_failed: Annotated[bool, typer.Option(help="run trials again that failed")] = False,
    engine: Annotated[str, typer.Option(help="local (worker processes) or ray (tasks on a Ray cluster)")] = "local",
    gpus_per_task: Annotated[float, typer.Option(min=0, help="share of a GPU of each Ray task: 0.25, 1, ...")] = 0.0,
    verify: Annotated[
        int | None, typer.Option(help="train this trial of the storage again and compare the codes, bit for bit")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="write spec, tables, storage and report as one .zip, and run nothing")
    ] = None,
    on_finish: Annotated[
        str | None, typer.Option(help="shell command at the end; NSH_STATUS, NSH_HEADLINE, ... are set")
    ] = None,
    list_studies: Annotated[bool, typer.Option("--list", help="show the shipped studies")] = False,
    dry_run: Annotated[bool, typer.Option(help="show the trials and run none")] = False,
) -> int:
    """Run a hyperparameter study. Run again, it goes on where it stopped.

    Exit codes: 0 all trials complete, 1 some failed or are left, 2 bad input, 130 interrupted.
    """
    for option, value in (("--seeds", seeds), ("--jobs", jobs), ("--trials", trials), ("--limit", limit)):
        if value is not None and value < 1:
            raise UserError(f"{option} must be at least 1, got {value}")
    if batch_trials != "auto" and not (batch_trials.isdecimal() and int(batch_trials) > 0):
        raise UserError(f"--batch-trials must be auto or a number of at least 1, got {batch_trials!r}")
    if engine not in ("local", "ray"):
        raise UserError(f"--engine must be local or ray, got {engine!r}")
    console = Console()
    if list_studies:
        table = Table("study", "trials", "question")
        for spec in available():
            table.add_row(spec.name, str(len(spec.arms()) * spec.seeds), spec.question)
        console.print(table)
        return 0
    if study is None:
        raise UserError("--study is missing: give a name (see --list) or the path of a .yaml file")
    spec = load_spec(study)
    if (mode or spec.mode) == "grid":
        limit, trials = limit or trials, None
    plan = make_plan(with_mode(spec, mode, trials), dataset, tuple(assignments), seeds)
    if dry_run:
        table = Table("trial", "arm", "seed", "config", title=f"{plan.key} on {plan.dataset}")
        for number, trial in enumerate(plan.trials):
            table.add_row(str(number), trial.arm, str(trial.seed), trial.config.digest())
        console.print(table)
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = jobs or cores
    stack = None if batch_trials == "auto" else int(batch_trials)
    session = open_session(plan, results, storage)
    # What is imported from here on takes seconds, which runs that do not need it need not spend.
    if verify is not None:
        from study.execution.verify import verify as train_again

        verification = train_again(session, verify, cores)
        console.print("\n".join(verification.lines), markup=False)
        return 0 if verification.same else SOME_FAILED
    if export is not None:
        from study.reporting.export import export as write_archive

        write_archive(session, session.write_results(), export)
        console.print(f"archive: {export}", markup=False)
        return 0

    from study.reporting.dashboard import publish

    def refresh() -> Results:
        outcome = session.write_results()
        publish(session, outcome)
        return outcome

    execution = Execution(
        jobs, max(1, cores // jobs), stack, limit, retry_failed, refresh, cast(EngineName, engine), gpus_per_task
    )
    status, headline = "error", ""
    try:
        try:
            session.run(execution)
        finally:
            outcome = refresh()
        done = outcome.tables.trials.state.isin(OVER).all()
        status, headline = "complete" if done else "incomplete", decide(outcome).headline
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        if on_finish is not None:
            run_on_finish(on_finish, plan.key, status, headline, session.folder)
    _print_summary(console, plan, outcome.tables)
    return 0 if status == "complete" else SOME_FAILED


def _print_summary(console: Console, plan: Plan, tables: Tables) -> None:
    """The arms, best validation mAP first, and what failed."""
    table = Table("arm", "n", "val mAP", "test mAP [95% CI]", "seconds", title=plan.spec.question)
    wide = tables.summary.pivot(index="arm", columns="metric")
    if not wide.empty:
        for arm in wide.sort_values(("mean", "val_map"), ascending=False).index:
            row = wide.loc[arm]
            low, high = row["ci_low", "test_map"], row["ci_high", "test_map"]
            table.add_row(
                str(arm),
                f"{row['n', 'val_map']:.0f}",
                f"{row['mean', 'val_map']:.4f}",
                f"{row['mean', 'test_map']:.4f} [{low:.4f}, {high:.4f}]",
                f"{row['mean', 'train_seconds']:.1f}",
            )
    console.print(table)
    left = tables.trials[~tables.trials.state.isin(OVER)]
    for (arm, phase, state, failure), group in left.groupby(["arm", "phase", "state", "failure"], sort=False):
        seeds = "" if phase == "tuning" else f", seeds {', '.join(map(str, group.seed))}"
        console.print(f"{arm}: {len(group)} {phase} trials {state}{seeds} {failure}".rstrip(), markup=False)


def main() -> None:
    """Entry point of nsh-study and of python study/run.py."""
    cli.run(app)


if __name__ == "__main__":
    main()
