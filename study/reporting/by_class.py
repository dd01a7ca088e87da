"""The planned differences class by class, as a section."""

from __future__ import annotations

from study.analysis.by_class import differences_by_class
from study.analysis.results import Results
from study.analysis.statistics import ALPHA
from study.reporting.section import Section

_MOST = 12


def by_class(results: Results) -> Section | None:
    """A row a planned contrast, a column a class; none where queries have several labels or contrasts are many.

    Args:
        results: Of the study.
    """
    contrasts = results.spec.contrasts
    if results.classes is None or not 0 < len(contrasts) <= _MOST:
        return None
    rows, columns = [], ["difference"]
    for contrast in contrasts:
        table = differences_by_class(results.done, results.tables.per_query, contrast, results.classes)
        if table.empty:
            continue
        columns = ["difference", *table["class"].astype(str)]
        names = [results.spec.arm(arm).name_in_group for arm in (contrast.arm, contrast.reference)]
        start = f"{contrast.group}: " if contrast.group else ""
        marks = ["*" if p < ALPHA else "" for p in table.p_holm]
        cells = [f"{size:+.3f}{mark}" for size, mark in zip(table.difference, marks, strict=True)]
        rows.append([f"{start}{names[0]} - {names[1]}", *cells])
    note = (
        f"Differences in test {results.map_name} over the queries of each class; * where p is below .05, adjusted by "
        "Holm over the classes of a row. These are looks beside the planned comparisons, and adjusted for nothing else."
    )
    return Section("By class", [note], columns, rows) if rows else None
