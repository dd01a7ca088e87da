from nsh_core.measures.entry import MEASURES, Measure, Place, measure, measures
from nsh_core.measures.evidence import Evidence, taken
from nsh_core.selection import RESULT, SELECTION

__all__ = [
    "MEASURES",
    "RESULT",
    "SELECTION",
    "Evidence",
    "Measure",
    "Place",
    "measure",
    "measures",
    "taken",
]
