"""Levels of arms: how good each is, which is best, and which are not told apart from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nsh_core.errors import UserError
from nsh_core.markdown import as_markdown
from nsh_core.measures import RESULT
from nsh_core.registry import listed
from study.analysis.results import Results
from study.analysis.verdict import Verdict
from study.plan.arm import short
from study.reporting.arms_table import glance
from study.reporting.quoted.markdown import joined, table
from study.reporting.quoted.studies import Studies, called, group_called

_LABELS = " (labels)"


class Levels:
    """Quotes test mAP of arms.

    Args:
        studies: Where they are from.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def level(self, study: str, arm: str, within: str = "") -> str:
        """Mean test mAP of an arm with its 95% interval.

        Args:
            study: Name of the study.
            arm: Name of the arm, in its group.
            within: Label of the group.
        """
        return self._studies.results(study).estimate(self._studies.arm(study, arm, within))

    def mean(self, study: str, arm: str, within: str = "") -> str:
        """Mean test mAP of an arm.

        Args:
            study: As for level.
            arm: As for level.
            within: As for level.
        """
        value = self._studies.results(study).summary_of(RESULT)["mean"][self._studies.arm(study, arm, within)]
        return f"{value:.3f}"

    def range(self, study: str, arms: Sequence[str] = (), within: str = "") -> str:
        """The lowest and the highest mean test mAP of some arms, or of all of a group.

        Args:
            study: As for level.
            arms: Names; empty for all.
            within: As for level.
        """
        summary = self._studies.results(study).summary_of(RESULT)["mean"]
        names = [self._studies.arm(study, arm, within) for arm in arms]
        means = summary[names or list(self._studies.group(study, within).values())]
        return f"{means.min():.3f} to {means.max():.3f}"

    def continuous(self, study: str) -> str:
        """Test mAP of the continuous input by cosine.

        Args:
            study: As for level.
        """
        return f"{self._studies.results(study).facts.continuous.test_map:.3f}"

    def best(self, study: str, within: str = "") -> str:
        """The arm that is best on the validation queries, of those that learn without labels.

        Args:
            study: As for level.
            within: As for level.
        """
        known = self._studies.verdict(study).best
        return next(called(name) for name, arm in self._studies.group(study, within).items() if arm in known)

    def tied(self, study: str, within: str = "") -> str:
        """The arms not told apart from the best, by a test that pays for choosing it, in words.

        Args:
            study: As for level.
            within: As for level.
        """
        known = self._studies.verdict(study).tied
        return joined([called(name) for name, arm in self._studies.group(study, within).items() if arm in known])

    def levels(self, studies: Mapping[str, str], first: str = "arm", within: str = "") -> str:
        """A table of levels, a row an arm and a column a study: the best in bold, those not told apart from it with †.

        Args:
            studies: Title of each column to the name of its study; k of mAP is added to it.
            first: Head of the column of arms.
            within: As for level.
        """
        columns, rows = [first], dict[str, list[str]]()
        line = ["continuous input, by cosine"]
        for place, (title, study) in enumerate(studies.items()):
            results, verdict = self._studies.results(study), self._studies.verdict(study)
            columns.append(f"{title}, {results.map_name}")
            line.append(self.continuous(study))
            for name, arm in self._studies.group(study, within).items():
                label = as_markdown(name) + (_LABELS if arm in results.ceilings else "")
                cells = rows.setdefault(label, [""] * len(studies))
                cells[place] = _marked(arm, results, verdict)
        return table(columns, [*([label, *cells] for label, cells in rows.items()), line])

    def crossed(self, studies: Mapping[str, str], rows: str, columns: str, held: Mapping[str, str]) -> str:
        """A table of levels by two factors, of the arms that are alike in all others, which are few of all: no marks.

        Args:
            studies: Title of each column to the name of its study.
            rows: Factor whose levels are the rows.
            columns: Factor whose levels are columns of each study.
            held: Level of every other factor.

        Raises:
            UserError: No arm has these levels.
        """
        heads, lines = [short(rows)], dict[str, list[str]]()
        for title, study in studies.items():
            results = self._studies.results(study)
            shown = [arm for arm in results.spec.arms if held.items() <= arm.levels.items()]
            if not shown:
                raise UserError(f"no arm of {study} has {dict(held)}, factors: {listed(results.spec.factors)}")
            heads += [f"{title}, {level}" for level in dict.fromkeys(arm.levels[columns] for arm in shown)]
            for arm in shown:
                lines.setdefault(arm.levels[rows], []).append(results.estimate(arm.name))
        return table(heads, [[level, *cells] for level, cells in lines.items()])

    def groups(self, study: str, first: str = "arm") -> str:
        """A table of levels of one study, a row an arm and a column a group.

        Args:
            study: As for level.
            first: Head of the column of arms.
        """
        shown = glance(self._studies.results(study), self._studies.verdict(study))
        if shown is None:
            raise UserError("the study has one group of arms, whose table is levels()")
        rows = [
            [as_markdown(name), *(f"**{cell.text}**" if cell.best else cell.text for cell in cells)]
            for name, cells in shown.rows
        ]
        return table([first, *map(group_called, shown.columns[1:])], rows)


def _marked(arm: str, results: Results, verdict: Verdict) -> str:
    """The level of an arm: bold where it is the best, with † where it is not told apart from that."""
    text = results.estimate(arm) + (" †" if arm in verdict.tied else "")
    return f"**{text}**" if arm in verdict.best else text
