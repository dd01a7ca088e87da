"""What is measured of a run: one catalogue that tables, figures, LaTeX, dashboard and label-free analysis read."""

from nsh_core.measures import catalogue
from nsh_core.measures.evidence import Evidence
from nsh_core.measures.measure import MEASURES, Measure, Place, measure, measures, taken
from nsh_core.selection import RESULT, SELECTION

__all__ = [
    "MEASURES",
    "RESULT",
    "SELECTION",
    "Evidence",
    "Measure",
    "Place",
    "catalogue",
    "measure",
    "measures",
    "taken",
]
