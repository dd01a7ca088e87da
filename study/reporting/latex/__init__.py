"""A study for a paper: LaTeX with booktabs."""

from __future__ import annotations

from study.reporting.latex.floats import latex_tables
from study.reporting.latex.text import escape

__all__ = ["escape", "latex_tables"]
