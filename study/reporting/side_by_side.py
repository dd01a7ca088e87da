"""A page over several studies and data sets: each with its own answer, and what they share beside one another."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from nsh_core.errors import UserError
from nsh_core.files import write_atomically
from study.analysis.csv_files import csv_text
from study.analysis.results import Results
from study.analysis.side_by_side import (
    SharedDifference,
    arms_table,
    differences_table,
    differing_settings,
    differing_versions,
    labels,
    shared_arms,
    shared_differences,
)
from study.analysis.verdict import Verdict, decide
from study.reporting.figures.differences import DIFFERENCES, differences
from study.reporting.figures.drawing import save, styled
from study.reporting.notes import BOLD, CONTINUOUS, LABELS, MARK
from study.reporting.page import page, templates
from study.reporting.section import Cell, Glance, Section

_LONGEST = 80  # letters of a name made of those of studies
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,99}")


@dataclass(frozen=True)
class Part:
    """A study on the page.

    Attributes:
        label: What its columns are called.
        key: Its name in folders.
        question: What it asks.
        verdict: What it answers.
        report: Where its own report is, as seen from the page; empty where there is none.
    """

    label: str
    key: str
    question: str
    verdict: Verdict
    report: str


def check_report_name(name: str) -> str:
    """The name of a page's folder.

    Args:
        name: As typed.

    Raises:
        UserError: It is no name of a folder.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"name must be up to 100 letters, digits and _ . @ + -, the first a letter or digit, got {name!r}"
        )
    return name


def write_side_by_side(studies: Sequence[Results], reports: Path, name: str | None = None) -> Path:
    """Writes report.html, report.md, arms.csv, differences.csv and a figure into a folder of their own.

    Args:
        studies: Two or more, see study.analysis.side_by_side.read_several.
        reports: Folder of reports.
        name: Of the folder; default: those of the studies, and "side-by-side".

    Returns:
        Path of report.html.

    Raises:
        UserError: The folder cannot be written into, or has no fitting name.
    """
    named = "+".join(one.facts.key for one in studies)
    if len(named) > _LONGEST:
        named = f"{named[:_LONGEST]}-{hashlib.sha256(named.encode()).hexdigest()[:4]}"
    name = check_report_name(f"{named}-side-by-side" if name is None else name)
    folder = reports / name
    arms, shared, called = shared_arms(studies), shared_differences(studies), labels(studies)
    verdicts = [decide(one) for one in studies]
    with styled():
        chart = differences(shared, called)
        figures = [] if chart is None else [save(chart, folder, "differences", DIFFERENCES)]
    tables = {"arms": arms_table(studies, arms), "differences": differences_table(studies, shared)}
    files = {f"{kind}.csv": csv_text(table) for kind, table in tables.items() if len(table)}
    context = {
        "name": name,
        "title": _title(studies),
        "parts": [
            Part(label, one.facts.key, one.spec.question, verdict, _own_report(one, reports, folder))
            for label, one, verdict in zip(called, studies, verdicts, strict=True)
        ],
        "cautions": _cautions(studies, called),
        "differences": _differences(studies, shared, called),
        "levels": _levels(studies, verdicts, arms, called),
        "levels_note": _notes(studies, verdicts),
        "setup": [one for one in (_settings(studies, arms, called), _facts(studies, called)) if one],
        "files": list(files),
    }
    for file, text in files.items():
        write_atomically(folder / file, text)
    markdown = templates().get_template("side_by_side.md.j2").render(context, figures=figures)
    write_atomically(folder / "report.md", markdown)
    write_atomically(folder / "report.html", page("side_by_side.html.j2", figures, **context))
    return folder / "report.html"


def _title(studies: Sequence[Results]) -> str:
    questions = list(dict.fromkeys(one.spec.question for one in studies))
    return questions[0] if len(questions) == 1 else f"{len(studies)} studies side by side"


def _own_report(results: Results, reports: Path, folder: Path) -> str:
    places = (reports / results.facts.key / file for file in ("report.html", "report.md"))
    found = next((place for place in places if place.exists()), None)
    return "" if found is None else quote(Path(os.path.relpath(found, folder)).as_posix())


def _cautions(studies: Sequence[Results], called: Sequence[str]) -> list[str]:
    """What keeps columns from being compared."""
    told = []
    if versions := differing_versions(studies):
        told.append(
            f"The versions that trained these studies differ, or were not recorded, in {', '.join(versions)}: what "
            "differs between columns can be that."
        )
    at: dict[str, list[str]] = {}
    for one, label in zip(studies, called, strict=True):
        at.setdefault(one.map_name, []).append(label)
    if len(at) > 1:
        named = "; ".join(f"{name} for {' and '.join(who)}" for name, who in at.items())
        told.append(f"Columns have no common k of mAP: {named}.")
    alone = [label for one, label in zip(studies, called, strict=True) if not one.by_query]
    if 0 < len(alone) < len(studies):
        told.append(f"Intervals of {', '.join(alone)} are over seeds alone, the others' over seeds and queries.")
    return told


def _differences(
    studies: Sequence[Results], shared: Sequence[SharedDifference], called: Sequence[str]
) -> list[Section]:
    """The planned differences, a section a question."""
    sections = list[Section]()
    several = len({one.group for one in shared}) > 1
    for question in dict.fromkeys(one.question for one in shared):
        rows = []
        for one in [one for one in shared if one.question == question]:
            cells = [
                f"{claim.size} {claim.outcome}" if (claim := one.claims.get(place)) else ""
                for place in range(len(called))
            ]
            outcomes = Counter(claim.outcome for claim in one.claims.values())
            inside = f"{one.group}: " if several else ""
            counts = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
            rows.append([f"{inside}{one.arm} against {one.reference}", counts, *cells])
        note = (
            "Difference in test mAP, its 95% interval, and what the study's own test says of it: each is of one study "
            "alone, paired over its seeds and queries, with p adjusted by Holm over that study's comparisons of this "
            "question. Ahead and behind: p below .05; level: equivalent by two one-sided tests; likely: the interval "
            "leaves out 0, the adjusted p is .05 or more; open: not told apart. The second column counts studies; none "
            "are pooled."
        )
        title = question or "Against the reference arm"
        heads = ["pair", "in how many studies", *_heads(studies, called)]
        sections.append(Section(title, [note] if not sections else [], heads, rows))
    if not shared:
        sections.append(
            Section("Planned differences", ["No two of these studies planned the same comparison."], [], [])
        )
    return sections


def _heads(studies: Sequence[Results], called: Sequence[str]) -> list[str]:
    return [f"{label}, {one.map_name}" for one, label in zip(studies, called, strict=True)]


def _levels(
    studies: Sequence[Results], verdicts: Sequence[Verdict], arms: Sequence[str], called: Sequence[str]
) -> Glance | None:
    """Test mAP of the arms that several studies share; none where they share none."""
    if not arms:
        return None
    rows = []
    for arm in arms:
        cells = []
        for one, verdict in zip(studies, verdicts, strict=True):
            mark = " †" if arm in verdict.tied else " ‡" if arm in one.ceilings else ""
            cells.append(Cell(one.estimate(arm) + mark, arm in verdict.best) if arm in one.arms else Cell(""))
        rows.append((arm, cells))
    rows.append((CONTINUOUS, [Cell(f"{one.facts.continuous.test_map:.3f}") for one in studies]))
    return Glance(["arm", *_heads(studies, called)], rows)


def _notes(studies: Sequence[Results], verdicts: Sequence[Verdict]) -> str:
    """Below that table."""
    told = [
        "Test mAP with 95% intervals, of the arms that two studies or more have by the same name. Data sets are no "
        f"scale of one another: compare within a column. {BOLD}",
        *([MARK] if any(verdict.tied for verdict in verdicts) else []),
        *([LABELS] if any(one.ceilings for one in studies) else []),
    ]
    return " ".join(told)


def _settings(studies: Sequence[Results], arms: Sequence[str], called: Sequence[str]) -> Section | None:
    """In which settings arms of one name differ; none where they are alike."""
    differ = differing_settings(studies, arms)
    rows = [[name, *values, "all" if len(which) == len(arms) else ", ".join(which)] for name, values, which in differ]
    note = "An arm's name is not all that it is: in these settings arms of one name differ between the studies."
    heads = ["setting", *called, "arms"]
    return Section("What differs under one name", [note], heads, rows, folded=True) if rows else None


def _facts(studies: Sequence[Results], called: Sequence[str]) -> Section:
    """What each study is, a column each."""
    columns = []
    for one in studies:
        facts, states = one.facts, one.tables.trials.state.value_counts()
        columns.append(
            {
                "study": facts.key,
                "data set": facts.dataset,
                "fingerprint of the data": facts.fingerprint,
                "mAP": facts.map_name,
                "seeds": str(one.done.seed.nunique()),
                "arms": str(len(one.arms)),
                "mode": one.spec.mode,
                "overrides": " ".join(facts.assignments) or "none",
                "training items": str(facts.train_items),
                "database": str(facts.database_items),
                "validation queries": str(facts.validation_queries),
                "test queries": str(facts.test_queries),
                "intervals over": "seeds and queries" if one.by_query else "seeds",
                "trials": ", ".join(f"{count} {state}" for state, count in states.items()),
                "written": facts.written,
                **facts.provenance,
            }
        )
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[name, *(column.get(name, "") for column in columns)] for name in names]
    return Section("How they were run", [], ["fact", *called], rows, folded=True)
