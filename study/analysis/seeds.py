"""What seeds alone can show."""

from __future__ import annotations

from study.plan.spec import StudySpec

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE


def smallest_flips_p(seeds: int) -> float:
    """The least p of two-sided sign flips over seeds."""
    return min(1.0, 2 / 2**seeds)


def what_is_weak(spec: StudySpec, seeds: int) -> str | None:
    """What keeps a study from showing anything by its seeds alone, and what would mend it; none if nothing does.

    Args:
        spec: The study.
        seeds: Of each arm.
    """
    if not spec.how.compares or not spec.contrasts or smallest_flips_p(seeds) < ALPHA:
        return None
    enough = next(more for more in range(seeds, 20) if smallest_flips_p(more) < ALPHA)
    if seeds == 1:
        return f"one seed has no spread: no difference can be tested; {enough} seeds would do"
    return (
        f"with {seeds} seeds exact sign flips cannot go below p = {smallest_flips_p(seeds):.3g}: what is "
        f"called clear will rest on t tests, whose seed means are taken as near normal; {enough} seeds would "
        "do without"
    )
