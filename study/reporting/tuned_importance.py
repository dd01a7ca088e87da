"""Which tuned settings mattered, as a section."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from study.analysis.claims import p_text
from study.analysis.importance import FEWEST, WAYS, Tries, tries_by_arm
from study.analysis.results import Results
from study.analysis.statistics import ALPHA
from study.reporting.section import Section

_NOTE = (
    "The share of the variance of the objective, validation mAP unless another is named, that a setting explains by "
    "itself (fANOVA), and of the variance of being among the best quarter of the tries (PED-ANOVA); what is missing to "
    "1 is noise, and settings acting together. In brackets: the middle 95% over resampled tries. First: in how many of "
    "these no setting has a larger share. p: of no effect at all, adjusted for the number of the arm's settings; where "
    "it is .05 or more, the shares are no finding. docs/tuning.md says how often all that errs."
)


def tuned_importance(results: Results) -> Section | None:
    """Shares with their intervals by arm and setting; none where the spec does not ask for the figure.

    Args:
        results: Of the study.
    """
    if results.spec.tune is None or "importance" not in results.spec.figures:
        return None
    tried = tries_by_arm(results.tables.trials, results.spec.tune)
    enough = {arm: own for arm, own in tried.items() if len(own.values) >= FEWEST}
    few = [f"{arm} ({len(own.values)})" for arm, own in tried.items() if arm not in enough]
    notes = [_NOTE] if enough else []
    if few:
        notes.append(
            f"Nothing is told of fewer than {FEWEST} tries, whose best quarter holds fewer than five: {', '.join(few)}."
        )
    notes += _spaces(enough)
    table = results.importances
    rows = [
        [
            row["arm"],
            str(row["tries"]),
            row["setting"],
            *(_share(row, way) for way in WAYS),
            _first(row),
            p_text(row["p"]),
        ]
        for row in table.to_dict("records")
    ]
    columns = ["arm", "tries", "setting", *(f"{name} [95%]" for name in WAYS.values()), "first", "p"]
    best = [place for place, p in enumerate(table.get("p", [])) if p < ALPHA]
    return Section("Which tuned settings mattered", notes, columns, rows, best) if notes else None


def _spaces(tried: Mapping[str, Tries]) -> list[str]:
    """A sentence on arms whose settings are not all that any arm has: their shares are of another whole."""
    every = list(dict.fromkeys(name for own in tried.values() for name in own.settings))
    without = {arm: [name for name in every if name not in own.settings] for arm, own in tried.items()}
    parts = [f"{arm} was searched without {', '.join(names)}" for arm, names in without.items() if names]
    start = "Each arm stands by itself, and a share in one is no share in another, for their search spaces differ: "
    return [f"{start}{'; '.join(parts)}."] if parts else []


def _share(row: Mapping[Hashable, Any], way: str) -> str:
    return f"{row[way]:.2f} [{row[f'{way}_low']:.2f}, {row[f'{way}_high']:.2f}]"


def _first(row: Mapping[Hashable, Any]) -> str:
    return ", ".join(f"{100 * row[f'{way}_first']:.0f}%" for way in WAYS)
