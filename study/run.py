"""Runs a study: python study/run.py --study sorter_ablation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

if __name__ == "__main__":
    # Run as a script, Python looks for modules in study/ first: look in the repository instead.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from nsh_core.missing import missing

try:
    import typer
    from rich.console import Console

    from nsh_core import cli, garbage
    from nsh_core.errors import UserError
    from nsh_core.registry import listed
    from study.again import ran_all
    from study.execution.display import Display, display_here
    from study.execution.engine import EngineName, cores
    from study.execution.forking import cool_down, warm_up
    from study.registry import MODES, TRACKERS
    from study.storage.place import JOURNAL, KINDS, scheme_of, shown
except ModuleNotFoundError as error:
    missing(error)

app = typer.Typer(add_completion=False)

SOME_FAILED = 1


def _stack(text: str) -> int:
    """`auto` as 0, or a number of runs."""
    try:
        return 0 if text == "auto" else cli.at_least_one(text)
    except typer.BadParameter as error:
        raise typer.BadParameter(error.message.replace("must be", "must be auto, or")) from None


@app.command()
def study(
    study: Annotated[str | None, typer.Option(help="name of a shipped study, or path of a .yaml file")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="what to train on: digits, features:FILE.npz, ...; default: the study's")
    ] = None,
    seeds: Annotated[int | None, typer.Option(parser=cli.at_least_one, help="seeds of each arm")] = None,
    jobs: Annotated[
        int | None, typer.Option(parser=cli.at_least_one, help="worker processes; default: a core each")
    ] = None,
    assignments: Annotated[
        list[str], typer.Option("--set", help="override a setting of every arm: train.epochs=10")
    ] = [],  # noqa: B006
    plugin: Annotated[
        list[str], typer.Option(help="a file (my_sorter.py) or module that registers sorters, methods, ...")
    ] = [],  # noqa: B006
    storage: Annotated[str | None, typer.Option(envvar="NSH_STORAGE", help=f"Optuna storage: {KINDS}")] = None,
    mode: Annotated[str | None, typer.Option(help=f"{', '.join(MODES.names())}; default: the study's")] = None,
    trials: Annotated[
        int | None,
        typer.Option(parser=cli.at_least_one, help="tuning trials of each arm; in mode grid the same as --limit"),
    ] = None,
    tune_each_seed: Annotated[
        bool, typer.Option("--tune-each-seed", help="tune anew for each seed of the final runs")
    ] = False,
    arms: Annotated[
        list[str],
        typer.Option(help="a group of arms of the spec, or an arm, to run alone; repeatable; default: all"),
    ] = [],  # noqa: B006
    limit: Annotated[int | None, typer.Option(parser=cli.at_least_one, help="run at most so many trials now")] = None,
    batch_trials: Annotated[
        int, typer.Option(parser=_stack, help="runs trained as one stack: auto (what is fastest) or a number")
    ] = "auto",  # type: ignore[assignment]
    results: Annotated[Path, typer.Option(help="folder of tables and the default storage")] = Path("results"),
    retry_failed: Annotated[bool, typer.Option(help="run trials again that failed")] = False,
    rerun_older: Annotated[
        bool, typer.Option("--rerun-older", help="train trials again that another version of code or libraries trained")
    ] = False,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="go on beside trials that another version trained")
    ] = False,
    engine: Annotated[EngineName, typer.Option(help="worker processes, or tasks on a Ray cluster")] = "local",
    gpus_per_task: Annotated[float, typer.Option(min=0, help="share of a GPU of each Ray task: 0.25, 1, ...")] = 0.0,
    track: Annotated[
        list[str], typer.Option(help=f"write each trial to a tracker too: {', '.join(TRACKERS.names())}; repeatable")
    ] = [],  # noqa: B006
    verify: Annotated[
        str | None,
        typer.Option(
            help="train this trial of the tables again, a number or tuning:NUMBER, and compare the codes, bit for bit"
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="write spec, tables, storage and report as one .zip, and run nothing")
    ] = None,
    measure_cost: Annotated[
        int | None,
        typer.Option(parser=cli.at_least_one, help="train each arm so often by itself, for seconds and memory"),
    ] = None,
    on_finish: Annotated[
        str | None, typer.Option(help="shell command at the end; NSH_STATUS, NSH_HEADLINE, ... are set")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="read storage and tables of all studies, and say whether they are whole")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="set damaged lines of a journal aside, into a file beside it, then --check")
    ] = False,
    list_studies: Annotated[bool, typer.Option("--list", help="show the shipped studies")] = False,
    dry_run: Annotated[bool, typer.Option(help="show the trials, and what they can show; run none")] = False,
) -> int:
    """Run a hyperparameter study. Run again, it goes on where it stopped.

    Exit codes: 0 all trials complete, 1 some failed or are left (tries of tuning may diverge), 2 bad input, 130
    interrupted.
    """
    console = Console(markup=False, emoji=False)  # names of a user's are text
    url = storage or str(results / JOURNAL)
    instead = {"--list": list_studies, "--check": check or repair, "--dry-run": dry_run, "--verify": verify is not None}
    instead |= {"--export": export is not None, "--measure-cost": measure_cost is not None}
    doing = [option for option, given in instead.items() if given]
    if len(doing) > 1:
        raise UserError(f"{listed(doing)} exclude each other: give one")
    if list_studies:
        with garbage.left_alone():
            from study.listing import print_studies

            print_studies(results, Path(url), jobs or cores(), console)
        return 0
    if check or repair:
        return _check(results, url, repair, console)
    if study is None:
        raise UserError("--study is missing: give a name (see --list) or the path of a .yaml file")
    if export is not None:
        from study import reporting

        reporting.check_archive(export)
    if gpus_per_task and engine == "local":
        raise UserError(f"--gpus-per-task {gpus_per_task:g} is of tasks on a Ray cluster: give --engine ray too")
    if rerun_older and allow_mixed:
        raise UserError("--rerun-older and --allow-mixed exclude each other: give one")
    if not doing and not ran_all(results):
        # Beside the imports of this process, which take as long as those of workers.
        warm_up()
    if trials is not None:
        from study.named import spec_named

        if (mode or spec_named(study, results).mode) == "grid":
            if limit is not None:
                raise UserError(
                    f"in mode grid --trials {trials} is the same as --limit, and --limit {limit} is given too"
                )
            limit, trials = trials, None
    with Display() if doing else display_here() as display:
        # Not before: they take seconds, which neither --help nor --list has a use for.
        display.stage("loading packages")
        with garbage.left_alone():
            from study import outcome
            from study.interface import Study
            from study.plan.planning import overruled

        asked = Study(
            study,
            dataset=dataset,
            seeds=seeds,
            settings=assignments,
            mode=mode,
            trials=trials,
            tune_each_seed=tune_each_seed,
            arms=arms,
            plugins=plugin,
            results=results,
            storage=storage,
        )
        for name, setting_it in overruled(asked.plan).items():
            console.print(f"note: --set {name} changes nothing in {listed(setting_it)}: set there already")
        if dry_run:
            from study.preview import preview

            for name in track:
                TRACKERS[name]
            scheme_of(url)

            preview(asked.plan, results, Path(url), jobs or cores(), console)
            return 0
        if verify is not None:
            verification = asked.verify(verify)
            console.print("\n".join(verification.lines))
            return 0 if verification.holds else SOME_FAILED
        if export is not None:
            asked.export(export)
            console.print(f"archive: {export}")
            return 0
        if measure_cost is not None:
            return 0 if outcome.print_cost(asked, measure_cost, console) else SOME_FAILED
        with outcome.finishing(asked, on_finish):
            asked.run(
                jobs=jobs,
                limit=limit,
                stack=batch_trials or None,
                retry_failed=retry_failed,
                others="rerun" if rerun_older else "mix" if allow_mixed else "refuse",
                engine=engine,
                gpus_per_task=gpus_per_task,
                track=track,
                progress=display,
            )
    return 0 if outcome.print_summary(asked, console) else SOME_FAILED


def _check(results: Path, url: str, repair: bool, console: Console) -> int:
    """Says whether storage and tables are whole, after what can be mended was."""
    from study.analysis.whole import check
    from study.storage.repair import repair as mend

    if repair and scheme_of(url) is not None:
        raise UserError(f"--repair mends a journal file, and {shown(url)} is none")
    done = mend(Path(url)) if repair else []
    if not results.is_dir() and scheme_of(url) is None and not Path(url).exists():
        raise UserError(f"nothing to check: no folder {results}, and no storage {shown(url)}")
    whole, lines = check(results, url)
    console.print("\n".join([*done, *lines]), soft_wrap=True)
    return 0 if whole else SOME_FAILED


def main() -> None:
    """Entry point of nsh-study and of python study/run.py."""
    try:
        cli.run(app)
    finally:
        cool_down()


if __name__ == "__main__":
    main()
