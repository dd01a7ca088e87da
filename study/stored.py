"""A study as its results folder has it: tables, figures, verdict, report."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nsh_core import UserError, arguments
from study import reporting
from study.analysis.across import other_results
from study.analysis.claims import Claim
from study.analysis.generation import RUN_FILE
from study.analysis.ranking import ranking
from study.analysis.results import Results, read_results
from study.analysis.side_by_side import read_several
from study.analysis.tables import over
from study.analysis.unplanned import find_arm, unplanned
from study.analysis.verdict import Verdict, decide, is_complete


class StoredStudy:
    """What a study came to, from its tables alone: neither data nor storage are opened.

    Args:
        folder: Of its results, as results/sorter_ablation.

    Attributes:
        folder: As given.
    """

    _first = "run the study"  # what a line on missing results advises

    def __init__(self, folder: str | Path) -> None:
        self.folder = arguments.path("folder", folder)

    @property
    def key(self) -> str:
        """Its name in storage and folders."""
        return self.folder.name

    @property
    def results(self) -> Results:
        """The study as reports see it, from its tables.

        Raises:
            UserError: It has not been run, or its files are damaged.
        """
        return read_results(self.folder, self._first)

    @property
    def is_complete(self) -> bool:
        """Whether every trial has a result."""
        return is_complete(self.results)

    @property
    def trials(self) -> pd.DataFrame:
        """A row a trial: arm, seed, state, measures, settings; see study.analysis.tables.Tables."""
        return self.results.tables.trials

    @property
    def summary(self) -> pd.DataFrame:
        """A row an arm and measure: mean, spread and intervals."""
        return self.results.tables.summary

    @property
    def comparisons(self) -> pd.DataFrame:
        """A row a planned contrast and measure: difference, intervals and p."""
        return self.results.tables.comparisons

    @property
    def ranking(self) -> pd.DataFrame:
        """A row an arm, best on the validation queries first, in words."""
        return ranking(self.results)

    @property
    def verdict(self) -> Verdict:
        """What the study answers, with what limits it."""
        return decide(self.results)

    def compare(self, arm: str, reference: str) -> Claim:
        """What the stored trials of any two arms show, on the seeds and queries that they share; not planned before.

        Args:
            arm: Of this study, or STUDY:ARM of another in the same folder of results.
            reference: The arm that it is compared with, likewise.

        Raises:
            UserError: There are no such arms, or they share neither data nor seeds.
        """
        own = self.results
        return unplanned(find_arm(arm, self.folder.parent, own), find_arm(reference, self.folder.parent, own))

    def figure(self, name: str) -> reporting.Figure:
        """A figure of the report.

        Args:
            name: Of a registered figure: "arms", "curves", "heatmap", ...

        Raises:
            UserError: There is no such figure, it fails, or has nothing to show in this study.
        """
        return reporting.figure_of(self.results, name)

    def report(self, reports: str | Path = "reports", across: Sequence[str] = (), arms: Sequence[str] = ()) -> Path:
        """Writes the report: figures, LaTeX tables, report.md and report.html.

        Args:
            reports: Folder of reports, from the working directory, wherever the results are.
            across: Results folders of the same study on other data sets, or their names beside this one, to be judged
                together.
            arms: Groups of arms, and arms, that alone are reported on; default: all.

        Returns:
            Path of report.html.

        Raises:
            UserError: It has not been run, or a figure failed; the rest is written.
        """
        folder = arguments.path("reports", reports) / self.key
        others = [other_results(one, self.folder.parent) for one in arguments.names("across", across)]
        results = self.results.of_arms(names) if (names := arguments.names("arms", arms)) else self.results
        written = reporting.write_report(results, folder, others)
        if written.failures:
            raise UserError("; ".join(written.failures))
        return folder / "report.html"

    def __repr__(self) -> str:
        if not (self.folder / RUN_FILE).exists():
            return f"Study {self.key}, not run yet in {self.folder}"
        return self._in_a_line(self.results)

    def _in_a_line(self, results: Results) -> str:
        facts, trials = results.facts, results.tables.trials
        start = f"Study {self.key} on {facts.dataset}: {len(results.arms)} arms, {facts.seeds} seeds"
        return f"{start}, {int(over(trials).sum())} of {len(trials)} trials over. {decide(results).headline}"

    def _repr_html_(self) -> str:
        """For notebooks: what it asks, what it says, a row an arm."""
        if not (self.folder / RUN_FILE).exists():
            return f"<p>{html.escape(repr(self))}</p>"
        results = self.results
        question, line = html.escape(results.spec.question), html.escape(self._in_a_line(results))
        return f"<h4>{question}</h4><p>{line}</p>{ranking(results).to_html(index=False)}"


def side_by_side(
    studies: Sequence[str | Path | StoredStudy], reports: str | Path = "reports", name: str | None = None
) -> Path:
    """Writes a page over several studies: each one's answer, and what they share beside one another; nothing is pooled.

    Args:
        studies: Two or more, or the folders of their results.
        reports: Folder of reports, from the working directory.
        name: Of the page's folder; default: from the studies.

    Returns:
        Path of report.html.

    Raises:
        UserError: They are fewer than two, one has no results, or the page cannot be written.
    """
    folders = [one.folder if isinstance(one, StoredStudy) else arguments.path("studies", one) for one in studies]
    found = read_several([str(folder) for folder in folders], Path("results"))
    return reporting.write_side_by_side(found, arguments.path("reports", reports), name)
