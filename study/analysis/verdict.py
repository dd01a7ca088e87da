"""The answer of a study in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from nsh_core.measures import RESULT, SELECTION
from study.analysis.results import Results
from study.analysis.statistics import ALPHA, MOST_SEEDS
from study.analysis.tables import OVER, compare

_FEWEST_SEEDS = 5
_MOST_NAMED = 6

Finding = Literal["clear", "likely", "open"]


@dataclass(frozen=True)
class Verdict:
    """What a study answers.

    Attributes:
        headlines: The answer in a sentence or two, one a group of arms.
        sentences: One a comparison, largest difference first in each group.
        cautions: What limits it.
        best: Of each group the arm with the highest mean validation mAP.
        tied: Arms whose paired test difference from the best of their group has an interval that holds 0.
    """

    headlines: list[str]
    sentences: list[str]
    cautions: list[str]
    best: set[str]
    tied: set[str]

    @property
    def headline(self) -> str:
        """All headlines in one line."""
        return " ".join(self.headlines)


def decide(results: Results) -> Verdict:
    """The verdict on a study. The best arm is chosen on validation queries, every figure is of test queries.

    Args:
        results: Of the study.
    """
    validation = results.summary_of(SELECTION)["mean"]
    failures = _failures(results)
    if validation.empty:
        return Verdict(["No trial is complete, so there is no answer yet."], [], failures, set(), set())
    if not results.mode.compares:
        return Verdict(_front_headlines(results), [], failures, {str(validation.idxmax())}, set())
    headlines, sentences, most_tests = [], [], 0
    best: set[str] = set()
    tied: set[str] = set()
    for label, group_arms in results.spec.groups().items():
        names = {arm.name: arm.name_in_group for arm in group_arms}
        arms = [arm for arm in results.arms if arm in names]
        if not arms:
            continue
        reference = results.spec.arm(arms[0]).reference or arms[0]
        group = _Group(results, names, reference, str(validation[arms].idxmax()))
        start = f"{label}: " if label else ""
        headlines.append(start + group.headline())
        sentences += [start + group.sentence(row) for row in group.against.itertuples()]
        best.add(group.best)
        tied |= group.tied
        most_tests = max(most_tests, len(group.against))
    return Verdict(headlines, sentences, [*failures, *_cautions(results, most_tests)], best, tied)


def _front_headlines(results: Results) -> list[str]:
    """The ends of the Pareto front."""
    done = results.done.groupby("arm", sort=False)[[SELECTION, "train_seconds", "bits"]].mean().to_dict("index")
    ends = {
        "best": max(done, key=lambda arm: done[arm][SELECTION]),
        "fastest": min(done, key=lambda arm: done[arm]["train_seconds"]),
        "shortest codes": min(done, key=lambda arm: done[arm]["bits"]),
    }
    parts = [
        f"{what}: {arm} with test {results.map_name} {results.estimate(str(arm))}, {done[arm]['train_seconds']:.1f} s, "
        f"{done[arm]['bits']:.0f} bits"
        for what, arm in ends.items()
    ]
    start = f"{len(done)} configurations are on the front of validation mAP, training time and code length"
    return [f"{start}; {'; '.join(parts)}."]


class _Group:
    """Arms that are compared with one another, under their names within the group."""

    def __init__(self, results: Results, names: dict[str, str], reference: str, best: str) -> None:
        self.results, self.names, self.reference, self.best = results, names, reference, best
        table = results.tables.comparisons
        rows = table[(table.metric == RESULT) & (table.reference == reference)]
        self.against = rows.sort_values("difference", ascending=False)
        done = results.done[results.done.arm.isin(names)]
        from_best = compare(done, dict.fromkeys(names, best), [RESULT])
        self.tied = set(from_best[(from_best.ci_low <= 0) & (from_best.ci_high >= 0)].arm)

    def headline(self) -> str:
        """The answer in a sentence or two."""
        map_name, reference = self.results.map_name, self.names[self.reference]
        best = self.names[self.best]
        headline = f"{best} is best on the validation queries: test {map_name} {_estimate(self.results, self.best)}."
        if self.best != self.reference:
            row = self.against[self.against.arm == self.best]
            headline += f" {self.sentence(next(row.itertuples()))}" if len(row) else ""
        elif len(self.against):
            headline += f" It is the reference; the closest other arm: {self.sentence(next(self.against.itertuples()))}"
        clear = [str(row.arm) for row in self.against.itertuples() if _is_clear_loss(row) and row.arm != self.best]
        if clear:
            headline += f" Clearly below {reference}: {', '.join(self.names[arm] for arm in clear)}."
        if self.tied:
            named = [name for arm, name in self.names.items() if arm in self.tied]
            more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
            headline += f" Not told apart from {best}: {', '.join(named[:_MOST_NAMED])}{more}."
        return headline

    def sentence(self, row: Any) -> str:
        """One comparison, a row of the comparisons table, in words."""
        arm, reference = self.names[row.arm], self.names[row.reference]
        if pd.isna(row.ci_low):
            return f"{arm} against {reference}: {row.difference:+.3f}, one seed, no interval."
        interval = f"[{row.ci_low:+.3f}, {row.ci_high:+.3f}]"
        kind = finding(row.ci_low, row.ci_high, row.p_holm, row.n)
        if kind == "open":
            return (
                f"{arm} and {reference} are not told apart: {row.difference:+.3f} {interval}, {_p(row.p_holm)}."
                f"{_advice(row)}"
            )
        way = "beats" if row.difference > 0 else "loses to"
        if kind == "clear":
            return f"{arm} {way} {reference} by {abs(row.difference):.3f} {interval}, {_p(row.p_holm)}."
        return (
            f"{arm} seems to differ from {reference} by {row.difference:+.3f} {interval}, but not significantly "
            f"among all comparisons, {_p(row.p_holm)}.{_advice(row)}"
        )


def finding(low: float, high: float, p_holm: float, seeds: int) -> Finding:
    """What a paired comparison shows.

    Args:
        low: Lower end of the interval of the difference.
        high: Upper end.
        p_holm: Adjusted p value.
        seeds: Pairs.

    Returns:
        clear: the interval leaves out 0 and the adjusted p is below 0.05. likely: the interval alone does.
        open: neither, or fewer than 5 seeds, whose sign flips prove nothing.
    """
    if seeds < _FEWEST_SEEDS or low <= 0 <= high:
        return "open"
    return "clear" if p_holm < ALPHA else "likely"


def _advice(row: Any) -> str:
    """How many seeds would settle an open comparison, if the difference is what it seems."""
    if row.difference == 0:
        return ""
    if pd.isna(row.seeds_needed):
        return f" If that is all there is between them, {MOST_SEEDS} seeds would not tell."
    if row.seeds_needed <= row.n:
        return ""
    needed = f"{row.seeds_needed:.0f} would, if the difference is what it seems"
    return f" {row.n} seeds cannot tell these two apart; {needed}."


def _is_clear_loss(row: Any) -> bool:
    return row.difference < 0 and finding(row.ci_low, row.ci_high, row.p_holm, row.n) == "clear"


def _p(p_holm: float) -> str:
    return "p < 0.001 (Holm)" if p_holm < 0.001 else f"p = {p_holm:.2g} (Holm)"


def _estimate(results: Results, arm: str) -> str:
    seeds = int(results.summary_of(RESULT).n[arm])
    return f"{results.estimate(arm)} (one seed)" if seeds < 2 else f"{results.estimate(arm)}, {seeds} seeds"


def _failures(results: Results) -> list[str]:
    trials = results.tables.trials
    notes = []
    for arm, group in trials[~trials.state.isin(OVER)].groupby("arm", sort=False):
        reasons = sorted({reason or str(state) for reason, state in zip(group.failure, group.state, strict=True)})
        notes.append(f"{arm}: {len(group)} of its trials have no result ({'; '.join(reasons)}).")
    return notes


def _cautions(results: Results, tests: int) -> list[str]:
    seeds = int(results.done.groupby("arm").seed.nunique().min())
    notes = []
    floor = 2 / 2**seeds
    if seeds < 2:
        notes.append("One seed says nothing about the spread: run more seeds.")
    elif floor * max(tests, 1) >= ALPHA:
        notes.append(
            f"With {seeds} seeds and {tests} comparisons the smallest Holm-adjusted p of a sign-flip test is "
            f"{min(1.0, floor * max(tests, 1)):.3f}, so that no difference can be called clear: run more seeds."
        )
    return notes
