"""Everything that a page can quote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from study.reporting.quoted.benchmarks import Benchmarks
from study.reporting.quoted.data_sets import DataSets
from study.reporting.quoted.differences import Differences
from study.reporting.quoted.findings import Findings
from study.reporting.quoted.levels import Levels
from study.reporting.quoted.measured import Measured, constant, given, setting
from study.reporting.quoted.runs import Runs
from study.reporting.quoted.studies import Studies


def vocabulary(results: Sequence[Path], measured: Path, benchmarks: Path) -> dict[str, Callable[..., Any]]:
    """What may be called between the markers of a page, by name.

    Args:
        results: Folders of results; a study is in one of them.
        measured: The table of measurements of machines.
        benchmarks: Folder of the files of benchmarks.

    Raises:
        UserError: The table of measurements is not one.
    """
    studies = Studies(results)
    machines, runs, speed = Measured(measured), Runs(studies), Benchmarks(benchmarks)
    differences, levels, findings = Differences(studies), Levels(studies), Findings(studies)
    functions: list[Callable[..., Any]] = [
        differences.difference, differences.told, differences.versus, differences.verdicts, DataSets(studies).on,
        levels.level, levels.mean, levels.range, levels.continuous, levels.best, levels.tied, levels.levels,
        levels.crossed, levels.groups,
        findings.effect, findings.worth, findings.spread, findings.shown, findings.interaction, findings.effects,
        findings.rank, findings.rank_within, findings.loses, findings.may_lose, findings.ranks, findings.predictors,
        findings.answer,
        runs.command, runs.seeds, runs.collapsed, runs.cost,
        machines.measured, machines.measured_table, given, setting, constant,
        speed.benchmarks, speed.benchmark, speed.benchmarked,
    ]  # fmt: skip
    return {function.__name__: function for function in functions}
