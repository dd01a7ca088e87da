"""The tables of a study for a paper, as floats: LaTeX with booktabs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from nsh_core.measures import RESULT, SELECTION, Measure, Place
from study.analysis.results import Results
from study.analysis.verdict import Verdict
from study.plan.arm import Arm, joined, short
from study.reporting.arms_table import glance
from study.reporting.latex.caption import caption, label
from study.reporting.latex.text import escape
from study.reporting.notes import CONTINUOUS, COST
from study.reporting.section import Cell

# What a page holds: lines of a table below its caption, columns with an interval each, letters of a name in a line.
_MOST_LINES, _MOST_COLUMNS, _MOST_LETTERS = 36, 3, 28
_BREAK, _HEAD = " \\\\ ", "[b]{@{}r@{}}"

Block = list[str]  # rows that stay together; a rule stands between two blocks


def latex_tables(results: Results, verdict: Verdict) -> str:
    """For a paper to input: test mAP of names by groups, where there are groups; all arms by all measures; costs.

    The best arm is bold, marks are told in the captions. Arms that one page has no room for go on in another table.

    Args:
        results: Of the study.
        verdict: On them.
    """
    name = label(results.facts.key)
    tables = []
    by_group = _by_group(results, verdict)
    if by_group is not None:
        tables.append(_float(*by_group, caption(results, verdict, one=True), f"{name}-glance"))
    columns, blocks = _all_arms(results, verdict)
    pages = _pages(blocks)
    for page, own in enumerate(pages, start=1):
        text = caption(results, verdict) if page == 1 else f"Continued from Table~\\ref{{{name}}}."
        tables.append(_float(columns, own, text, name + (f"-{page}" if page > 1 else "")))
    if results.cost_measures:
        tables.append(_float(*_cost(results), f"{escape(results.spec.question)} {escape(COST)}", f"{name}-cost"))
    head = [
        "% needs \\usepackage{booktabs} and a text of 16 cm or wider",
        "% table* takes both columns of a page that has two; in one it is a table",
    ]
    return "\n".join(["\n".join(head), *tables]) + "\n"


def _float(columns: Sequence[str], blocks: Sequence[Block], text: str, name: str) -> str:
    rows = [row for block in blocks for row in (*block, "\\midrule")][:-1]
    lines = [
        "\\begin{table*}",
        "\\centering",
        f"\\caption{{{text}}}",
        f"\\label{{{name}}}",
        "\\smallskip",
        "\\small",
        "\\setlength{\\tabcolsep}{3pt}",
        "\\begin{tabular}{@{}l" + "r" * (len(columns) - 1) + "@{}}",
        "\\toprule",
        _row(columns),
        "\\midrule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table*}",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + " \\\\"


def _by_group(results: Results, verdict: Verdict) -> tuple[list[str], list[Block]] | None:
    """Heads and rows of names by groups, where there are several; groups that do not fit stand below the others."""
    shown = glance(results, verdict)
    if shown is None:
        return None
    groups = shown.columns[1:]
    parts = [slice(start, start + _MOST_COLUMNS) for start in range(0, len(groups), _MOST_COLUMNS)]
    width = min(len(groups), _MOST_COLUMNS)
    heads, blocks = [], []
    for part in parts:
        own = [_stacked([escape(level) for level in group.split(", ")], _HEAD) for group in groups[part]]
        heads.append(["", *own, *[""] * (width - len(own))])
        rows = []
        for name, cells in shown.rows:
            texts = [_cell(cell) for cell in cells[part]]
            rows.append(_row([_name(name, ""), *texts, *[""] * (width - len(own))]))
        blocks.append(rows)
    for head, block in zip(heads[1:], blocks[1:], strict=True):
        block[:0] = [_row(head), "\\midrule"]
    return heads[0], blocks


def _stacked(lines: Sequence[str], form: str) -> str:
    """Lines of a cell: as "[t]{l}", whose first line is that of the row, or "[b]{r}", whose last one is."""
    return lines[0] if len(lines) == 1 else f"\\begin{{tabular}}{form}{_BREAK.join(lines)}\\end{{tabular}}"


def _cell(cell: Cell) -> str:
    number, _, rest = cell.text.partition(" ")
    interval, mark = (rest[:-1].rstrip(), rest[-1]) if rest.endswith(("†", "‡")) else (rest, "")
    shown = f"\\textbf{{{number}}}" if cell.best else number
    return f"{shown} {_interval(interval)}" + (f"\\rlap{{\\textsuperscript{{{escape(mark)}}}}}" if mark else "")


def _all_arms(results: Results, verdict: Verdict) -> tuple[list[str], list[Block]]:
    """Heads and rows of all arms, a block a group, or a level of the first of several factors; the continuous input."""
    shown, factors = results.measured(Place.LATEX), _factors(results)
    several = results.summary_of(RESULT).n.max() > 1
    names = [_head(short(factor).replace("_", " ")) for factor in factors] or ["arm"]
    heads = list(names)
    for one in shown:
        title = results.title(one, short=True).replace(results.map_name, "mAP")
        heads += [_head(title), *([_head("95% interval")] if one.name == RESULT and several else [])]
    planned = {arm.name: arm for arm in results.spec.arms}
    labelled = len(results.spec.groups()) > 1
    blocks, before = list[Block](), ("", "")
    for name in results.arms:
        arm = planned.get(name, Arm(name, {}, {}, name_in_group=name))
        own = [arm.levels[factor] for factor in factors] or [arm.name_in_group if labelled else name]
        here = (arm.group, own[0] if factors else "")
        if not blocks or here != before:
            fresh = labelled and (not blocks or here[0] != before[0])
            blocks.append([_across(arm.group, len(heads))] if fresh else [])
        before = here
        mark = "†" if name in verdict.tied else "‡" if name in results.ceilings else ""
        cells = [_name(text, mark if place == len(own) else "") for place, text in enumerate(own, start=1)]
        for one in shown:
            cells += _cells(results, verdict, name, one, several)
        blocks[-1].append(_row(cells))
    level = {SELECTION: results.facts.continuous.val_map, RESULT: results.facts.continuous.test_map}
    cells = [f"\\multicolumn{{{len(names)}}}{{@{{}}l}}{{{escape(CONTINUOUS)}}}"]
    for one in shown:
        cells += [f"{level[one.name]:.3f}" if one.name in level else ""]
        cells += [""] if one.name == RESULT and several else []
    return heads, [*blocks, [_row(cells)]]


def _factors(results: Results) -> list[str]:
    """The factors that have a column each in place of names that tell all their levels; none of a single one."""
    spec = results.spec
    factors = [factor for factor in spec.factors if factor not in spec.within]
    planned = {arm.name for arm in spec.arms}
    told = all(arm.name_in_group == joined({factor: arm.levels[factor] for factor in factors}) for arm in spec.arms)
    told = told and planned.issuperset(results.arms)
    return factors if told and len(factors) > 1 else []


def _across(group: str, columns: int) -> str:
    return f"\\multicolumn{{{columns}}}{{@{{}}l@{{}}}}{{\\emph{{{escape(group)}}}}} \\\\"


def _cost(results: Results) -> tuple[list[str], list[Block]]:
    """Heads and rows of what a run of each arm costs."""
    shown = results.cost_measures
    rows = [_row([_name(arm, ""), *(results.cost_of(arm, one) for one in shown)]) for arm in results.arms]
    return ["arm", *(escape(results.title(one, short=True)) for one in shown)], [rows]


def _head(title: str) -> str:
    """A title in lines no longer than the numbers below it."""
    return _stacked([escape(line) for line in wrap(title, 8, break_long_words=False, break_on_hyphens=False)], _HEAD)


def _name(text: str, mark: str) -> str:
    """A name with its mark, in as many lines as it takes."""
    lines = [escape(line) for line in wrap(text, _MOST_LETTERS)]
    lines[-1] += f"\\textsuperscript{{{escape(mark)}}}" if mark else ""
    return _stacked(lines, "[t]{@{}l@{}}")


def _cells(results: Results, verdict: Verdict, arm: str, one: Measure, several: bool) -> list[str]:
    """The mean of a measure; of test mAP its standard deviation over seeds and, of several, its interval."""
    row: Any = results.summary_of(one.name).loc[arm]
    mean = one.text(row["mean"]) if row.n else ""
    if one.name != RESULT:
        return [mean]
    spread = "" if row.n < 2 or arm in results.deterministic else f" \\pm {row.sd:.{one.digits}f}"
    number = f"$\\mathbf{{{mean}}}{spread}$" if arm in verdict.best else f"${mean}{spread}$"
    return [number, *([_interval(results.estimate(arm).partition(" ")[2])] if several else [])]


def _interval(text: str) -> str:
    return f"{{\\scriptsize {escape(text)}}}" if text else ""


def _pages(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks page by page; one that a page has no room for goes on in the next."""
    pages, room = [list[Block]()], 0
    for block in blocks:
        lines = [_lines(row) for row in block]
        if sum(lines) > room:
            pages, room = [*pages, []], _MOST_LINES
        pages[-1].append([])
        room -= 1
        for row, taken in zip(block, lines, strict=True):
            if taken > room:
                pages, room = [*pages, [[]]], _MOST_LINES
            pages[-1][-1].append(row)
            room -= taken
    return pages[1:]


def _lines(row: str) -> int:
    return 1 + row.count(_BREAK)
