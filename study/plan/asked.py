"""The arms that a command asks for, where it does not ask for all."""

from __future__ import annotations

from collections.abc import Sequence

from nsh_core.errors import UserError
from nsh_core.registry import listed, nearest
from study.plan.spec import StudySpec


def not_asked(spec: StudySpec, names: Sequence[str]) -> dict[str, str]:
    """The arms that are left out, by name: why, in the words of study.plan.trials.left_out.

    Nothing else depends on it: a trial is the same whichever arms are asked for beside its own.

    Args:
        spec: The study.
        names: Of groups of arms and of arms; none: all arms are asked for.

    Raises:
        UserError: There is no such group or arm.
    """
    arms = [arm.name for arm in spec.arms]
    asked = set()
    for name in names:
        group = spec.arm_groups.get(name)
        if group is None and name not in arms:
            known = f"groups: {listed(spec.arm_groups)}" if spec.arm_groups else f"arms: {listed(arms)}"
            near = nearest(name, [*spec.arm_groups, *arms])
            raise UserError(f"study {spec.name} has no group of arms {name!r}, nor such an arm; {known}{near}")
        chosen = {factor: {str(level) for level in levels} for factor, levels in (group or {}).items()}
        within = [arm.name for arm in spec.arms if all(arm.levels[one] in of for one, of in chosen.items())]
        asked.update([name] if group is None else within)
    line = f"{listed(dict.fromkeys(names))} alone was asked for"
    return {arm: line for arm in arms if arm not in asked} if names else {}
