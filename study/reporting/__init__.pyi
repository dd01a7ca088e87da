from matplotlib.figure import Figure

from study.reporting.dashboard import publish
from study.reporting.document import Report, write_report
from study.reporting.export import check_archive
from study.reporting.export import export as write_archive
from study.reporting.figures.drawing import figure_of
from study.reporting.side_by_side import write_side_by_side

__all__ = [
    "Figure",
    "Report",
    "check_archive",
    "figure_of",
    "publish",
    "write_archive",
    "write_report",
    "write_side_by_side",
]
