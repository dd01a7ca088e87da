"""The answer of a study in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from study.results import Results
from study.stats import CONFIDENCE
from study.tables import compare

ALPHA = 1 - CONFIDENCE
METRIC = "test_map"
_FEWEST_SEEDS = 5
_MOST_NAMED = 6

Finding = Literal["clear", "likely", "open"]


@dataclass(frozen=True)
class Verdict:
    """headline: the answer in a sentence or two. sentences: one a comparison, largest first. cautions: what limits it.

    best: the arm with the highest mean validation mAP, none if no trial is complete. tied: arms whose paired test
    difference from it has an interval that holds 0.
    """

    headline: str
    sentences: list[str]
    cautions: list[str]
    best: str | None
    tied: set[str]


def decide(results: Results) -> Verdict:
    """The verdict on a study. The best arm is chosen on validation queries, every figure is of test queries."""
    validation = results.summary_of("val_map")["mean"]
    failures = _failures(results)
    if validation.empty:
        return Verdict("No trial is complete, so there is no answer yet.", [], failures, None, set())
    best = str(validation.idxmax())
    reference = results.spec.reference_arm
    comparisons = results.tables.comparisons
    against = comparisons[comparisons.metric == METRIC].sort_values("difference", ascending=False)
    sentences = [_sentence(row) for row in against.itertuples()]
    from_best = compare(results.done, best)
    from_best = from_best[from_best.metric == METRIC]
    tied = set(from_best[(from_best.ci_low <= 0) & (from_best.ci_high >= 0)].arm)

    headline = f"{best} is best on the validation queries: test {results.map_name} {_estimate(results, best)}."
    if best != reference:
        row = against[against.arm == best]
        headline += f" {_sentence(next(row.itertuples()))}" if len(row) else ""
    elif len(against):
        headline += f" It is the reference; the closest other arm: {_sentence(next(against.itertuples()))}"
    clear = [str(row.arm) for row in against.itertuples() if _is_clear_loss(row) and row.arm != best]
    if clear:
        headline += f" Clearly below {reference}: {', '.join(clear)}."
    if tied:
        named = [arm for arm in results.arms if arm in tied]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        headline += f" Not told apart from {best}: {', '.join(named[:_MOST_NAMED])}{more}."
    return Verdict(headline, sentences, [*failures, *_cautions(results, len(against))], best, tied)


def finding(low: float, high: float, p_holm: float, seeds: int) -> Finding:
    """What a paired comparison shows.

    clear: the interval leaves out 0 and the adjusted p is below 0.05. likely: the interval alone does.
    open: neither, or fewer than 5 seeds, of which a bootstrap proves nothing.
    """
    if seeds < _FEWEST_SEEDS or low <= 0 <= high:
        return "open"
    return "clear" if p_holm < ALPHA else "likely"


def _sentence(row: Any) -> str:
    """One comparison, a row of the comparisons table, in words."""
    if pd.isna(row.ci_low):
        return f"{row.arm} against {row.reference}: {row.difference:+.3f}, one seed, no interval."
    interval = f"[{row.ci_low:+.3f}, {row.ci_high:+.3f}]"
    kind = finding(row.ci_low, row.ci_high, row.p_holm, row.n)
    if kind == "open":
        return f"{row.arm} and {row.reference} are not told apart: {row.difference:+.3f} {interval}, {_p(row.p_holm)}."
    way = "beats" if row.difference > 0 else "loses to"
    if kind == "clear":
        return f"{row.arm} {way} {row.reference} by {abs(row.difference):.3f} {interval}, {_p(row.p_holm)}."
    return (
        f"{row.arm} seems to differ from {row.reference} by {row.difference:+.3f} {interval}, but not significantly "
        f"among all comparisons, {_p(row.p_holm)}."
    )


def _is_clear_loss(row: Any) -> bool:
    return row.difference < 0 and finding(row.ci_low, row.ci_high, row.p_holm, row.n) == "clear"


def _p(p_holm: float) -> str:
    return "p < 0.001 (Holm)" if p_holm < 0.001 else f"p = {p_holm:.2g} (Holm)"


def _estimate(results: Results, arm: str) -> str:
    row = results.summary_of(METRIC).loc[arm]
    if row.n < 2:
        return f"{row['mean']:.3f} (one seed)"
    return f"{row['mean']:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}], {row.n:.0f} seeds"


def _failures(results: Results) -> list[str]:
    trials = results.tables.trials
    notes = []
    for arm, group in trials[trials.state != "complete"].groupby("arm", sort=False):
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
