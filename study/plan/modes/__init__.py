"""The modes of studies, a file each."""

from study.plan.modes.grid import Grid
from study.plan.modes.one_factor import OneFactor
from study.plan.modes.pareto import Pareto, pareto_front
from study.plan.modes.tuned import Tuned
from study.registry import MODES

__all__ = ["Grid", "OneFactor", "Pareto", "Tuned", "pareto_front"]

for mode in (Grid(), Tuned(), OneFactor(), Pareto()):
    MODES.register(mode.name, mode)
