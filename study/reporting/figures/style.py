"""What the figures share: which arms, in which order and colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nsh_core.measures import RESULT
from study.analysis.results import Results
from study.reporting.figures.marks import Letter, Rule
from study.reporting.figures.palette import CODE_LENGTH, Look, family, look, looks

MOST_DRAWN = 12  # lines of a panel, references aside
_LONG = 40  # letters that one column of a paper has no room for
_LONGEST, _END = 80, 20  # letters that a page has room for beside a panel, and those kept of a longer name's end
FEWEST = 3  # seeds; the interval of fewer says nothing that one would draw
Fit = Callable[[dict[str, str]], dict[str, str]]


def looks_of(results: Results, apart: bool = True) -> dict[str, Look]:
    """The look of each arm, the same in every figure.

    Args:
        results: Of the study.
        apart: Whether arms apart in code length alone have dashes of their own; not where there is a panel a length.
    """
    known = looks(results.spec.arms, apart)
    found = [arm for arm in results.arms if arm not in known]  # of a mode that finds its arms
    return known | {arm: look(len(known) + place) for place, arm in enumerate(found)}


def fitting(names: dict[str, str]) -> dict[str, str]:
    """Names that a page has room for: long ones without their middle, numbered where that makes two alike.

    Args:
        names: What each arm is called.
    """
    short = {
        arm: name if len(name) <= _LONGEST else f"{name[: _LONGEST - _END]}…{name[-_END:]}"
        for arm, name in names.items()
    }
    alike = Counter(short.values())
    return {arm: f"{name} ({place})" if alike[name] > 1 else name for place, (arm, name) in enumerate(short.items(), 1)}


def by_length(results: Results, arms: list[str], fit: Fit = fitting) -> dict[str, dict[str, str]]:
    """Arms by code length, where that is a factor beside others; all together where it is not.

    Args:
        results: Of the study.
        arms: Of the study, in any order, which is kept.
        fit: What makes names fit in.

    Returns:
        Title of each group, empty for the only one, to its arms and what they are called there.
    """
    known = {arm.name: arm for arm in results.spec.arms}
    bits = results.done.groupby("arm").bits.first()
    families = {arm: family(known[arm]) if arm in known else "" for arm in arms}
    if CODE_LENGTH not in results.spec.factors or not all(families.values()):
        return {"": fit({arm: results.marked(arm) for arm in arms})}
    groups: dict[str, dict[str, str]] = {f"{length:.0f} bits": {} for length in sorted(bits[arms].unique())}
    for arm in arms:
        groups[f"{bits[arm]:.0f} bits"][arm] = families[arm] + results.marked(arm).removeprefix(arm)
    return {title: fit(names) for title, names in groups.items()}


def called(results: Results, arms: list[str], fit: Fit = fitting) -> dict[str, str]:
    """What a figure that has all arms together calls each: without the code length that all of them have.

    Args:
        results: Of the study.
        arms: Of the study.
        fit: What makes names fit in.
    """
    groups = by_length(results, arms, fit) if set(arms) <= set(results.arms) else {}
    return next(iter(groups.values())) if len(groups) == 1 else fit({arm: results.marked(arm) for arm in arms})


def best_of(results: Results, arms: Iterable[str], most: int) -> list[str]:
    """The best arms on validation queries and references, in the order of tables.

    Args:
        results: Of the study.
        arms: Among which.
        most: How many at most, references aside.
    """
    among = set(arms)
    best = [arm for arm in results.ranked_arms if arm in among][:most]
    kept = {*best, *(one.reference for one in results.spec.arms if one.name in among)}
    return [arm for arm in results.arms if arm in among & kept]


def left_out(drawn: int, of: int) -> str:
    """What a caption says of arms that are not drawn; nothing where all are.

    Args:
        drawn: How many are.
        of: How many have results.
    """
    kept = f"Of {of} arms the {drawn} best on validation queries are drawn, references among them."
    return kept if drawn < of else ""


def extremes(values: Mapping[str, float]) -> str:
    """The highest and the lowest of values in words, for an alternative text.

    Args:
        values: By whose they are; at least one.
    """
    best, worst = max(values, key=lambda name: values[name]), min(values, key=lambda name: values[name])
    if len(values) == 1:
        return f"{best} {values[best]:.3f}"
    return f"highest {best} {values[best]:.3f}, lowest {worst} {values[worst]:.3f}"


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: NaN where the measure was not taken.
        low: Of its 95% interval; NaN for fewer than three seeds.
        high: Of the same.
    """

    mean: float
    low: float
    high: float


def estimates(results: Results, measure: str = RESULT) -> dict[str, Estimate]:
    """Mean and interval of a measure by arm.

    Args:
        results: Of the study.
        measure: Its name.
    """
    summary = results.summary_of(measure)
    ends = summary[["both_low", "both_high"]].where(summary.n >= FEWEST).to_numpy(float)
    rows = zip(map(str, summary.index), summary["mean"].to_numpy(float), ends, strict=True)
    return {arm: Estimate(float(mean), *map(float, own)) for arm, mean, own in rows}


def wide(columns: int, names: Iterable[str]) -> bool:
    """Whether a figure needs both columns of a paper: for panels side by side, or for the names in its legend.

    Args:
        columns: Of panels.
        names: In the legend.
    """
    return columns > 1 or max(map(len, names)) > _LONG


def columns_of(panels: int) -> int:
    """How many panels stand beside one another.

    Args:
        panels: In all.
    """
    return 2 if panels == 4 else min(3, panels)


def continuous(results: Results, axis: Letter) -> Rule:
    """The test mAP of the continuous input as a line.

    Args:
        results: Of the study.
        axis: That mAP is along.
    """
    at = results.facts.continuous.test_map
    return Rule("continuous input, cosine", Look(dash="dash"), at=at, axis=axis)
