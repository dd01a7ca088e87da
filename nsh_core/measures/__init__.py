"""What is measured of a run: one catalogue that tables, figures, LaTeX, dashboard and label-free analysis read.

What is here, and where it comes from, stands in __init__.pyi.
"""

from nsh_core.face import lazy
from nsh_core.measures import catalogue  # noqa: F401, registers them

__getattr__, __dir__, __all__ = lazy(__name__, __file__)
