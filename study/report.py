"""Reports on a study that has been run: python study/report.py --study sorter_ablation."""

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

    from nsh_core import cli, garbage
    from nsh_core.errors import UserError
except ModuleNotFoundError as error:
    missing(error)

app = typer.Typer(add_completion=False)


@app.command()
def report(
    study: Annotated[
        str | None, typer.Option(help="study as given to run.py, or the name of its results folder")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="as given to run.py")] = None,
    assignments: Annotated[list[str], typer.Option("--set", help="as given to run.py")] = [],  # noqa: B006
    plugin: Annotated[list[str], typer.Option(help="as given to run.py")] = [],  # noqa: B006
    across: Annotated[
        list[str],
        typer.Option(help="results folder of the same study on another data set, or its name in --results; repeatable"),
    ] = [],  # noqa: B006
    side_by_side: Annotated[
        list[str],
        typer.Option(help="results folder of a study, or its name in --results: these, two or more, as one page"),
    ] = [],  # noqa: B006
    name: Annotated[str | None, typer.Option(help="of the folder of that page; default: from the studies")] = None,
    mode: Annotated[str | None, typer.Option(help="as given to run.py")] = None,
    seeds: Annotated[
        int | None, typer.Option(parser=cli.at_least_one, help="a report on the first seeds alone; default: all")
    ] = None,
    arms: Annotated[
        list[str], typer.Option(help="a group of arms, or an arm, that alone is reported on; repeatable; default: all")
    ] = [],  # noqa: B006
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="two arms, as ARM of the study or STUDY:ARM of any: compared now, and no report written"),
    ] = None,
    results: Annotated[Path, typer.Option(help="folder of tables")] = Path("results"),
    reports: Annotated[Path, typer.Option(help="folder of reports")] = Path("reports"),
) -> None:
    """Write figures, LaTeX tables, report.md and report.html."""
    if name is not None and not side_by_side:
        raise UserError("--name names the page of --side-by-side; a study's own report has the study's name")
    if side_by_side:
        others: dict[str, object] = {
            "--study": study,
            "--dataset": dataset,
            "--mode": mode,
            "--seeds": seeds,
            "--compare": compare,
        }
        others |= {"--set": assignments, "--across": across, "--arms": arms}
        if also := [option for option, given in others.items() if given]:
            raise UserError(f"--side-by-side takes studies as they are: leave out {', '.join(also)}")
    # Not before: they take seconds, which --help has no use for.
    with garbage.left_alone():
        from nsh_core import plugins
        from study.analysis.across import other_results
        from study.analysis.outdated import outdated
        from study.analysis.results import read_results
        from study.analysis.side_by_side import read_several
        from study.compared import print_comparison
        from study.named import spec_named
        from study.plan.loading import SPECS, with_mode
        from study.plan.trials import study_key
        from study.reporting.document import write_report
        from study.reporting.side_by_side import write_side_by_side
        from study.typed import run_line

    plugins.load(plugin)
    if compare is not None and across:
        raise UserError("--across writes a report, and --compare writes none: give one of them")
    if side_by_side:
        print(f"report: {write_side_by_side(read_several(side_by_side, results), reports, name)}")
        return
    if study is None:
        if compare is None:
            raise UserError(
                "--study is missing: give a name, or the name of a results folder; or several to --side-by-side"
            )
        print_comparison(compare, results, None)
        return
    key, first = study, "run the study"
    is_folder = (results / study).is_dir()
    if not is_folder or (SPECS / f"{study}.yaml").exists():
        given = [("study", study), ("dataset", dataset), ("mode", mode)]
        given += [*(("set", one) for one in assignments), *(("plugin", one) for one in plugin)]
        options = [part for name, value in given if value is not None for part in (f"--{name}", value)]
        first = f"run `{run_line(options, results)}`"
    if dataset is not None or assignments or mode is not None or not is_folder:
        spec = with_mode(spec_named(study, results, reported=True), mode, None)
        key = study_key(spec, spec.dataset if dataset is None else dataset, tuple(assignments))
    found = read_results(results / key, first)
    for line in outdated(found, study):
        print(f"note: {line}")
    found = found if seeds is None else found.of_seeds(seeds)
    found = found.of_arms(arms) if arms else found
    if compare is not None:
        print_comparison(compare, results, found)
        return
    written = write_report(found, reports / key, [other_results(one, results) for one in across])
    print(written.headline)
    print(f"report: {reports / key / 'report.html'}")
    if written.failures:
        raise UserError("; ".join(written.failures))


def main() -> None:
    """Entry point of nsh-report and of python study/report.py."""
    cli.run(app)


if __name__ == "__main__":
    main()
