"""Claims: what a comparison shows, with the test that it rests on, and the sentence that says no more than it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from scipy import special

from nsh_core.measures import RESULT
from study.analysis.power import MOST_SEEDS
from study.analysis.seeds import ALPHA, smallest_flips_p

# Of normal values of ten seeds one in thirty is as skewed as this; a skewed arm against a tight one errs in one family
# of four (docs/statistics.md).
_SKEWED = 1.5

Finding = Literal["clear", "equivalent", "small", "likely", "open", "single", "untested"]


@dataclass(frozen=True)
class Claim:
    """A comparison of two arms in test mAP, by the t test of a difference over seeds and queries.

    It assumes that seed means of the difference are near normal.

    Attributes:
        arm: Its name among the arms that it is compared with.
        reference: The other arm's.
        row: Of the table of comparisons; see study.analysis.comparisons.
        smallest_effect: Below which a difference is practically nothing.
    """

    arm: str
    reference: str
    row: dict[str, Any]
    smallest_effect: float

    @property
    def finding(self) -> Finding:
        """What the test shows.

        clear: p, adjusted for its family, is below .05. small: so it is, and the two are equivalent. equivalent: two
        one-sided tests at .05 over the size of the family put the difference within the smallest effect. likely: the
        interval leaves out 0, the adjusted p is .05 or more. open: none of these. single: one seed. untested: the
        difference is the same for every seed, and queries are not known.
        """
        row = self.row
        if row["n"] < 2:
            return "single"
        if pd.isna(row["p_holm"]):
            return "untested"
        beyond = float(special.stdtrit(row["degrees"], 1 - ALPHA / row["tests"]))
        reach = beyond * row["se"] if row["se"] > 0 else 0.0
        equivalent = abs(row["difference"]) + reach < self.smallest_effect
        if row["p_holm"] < ALPHA:
            return "small" if equivalent else "clear"
        if equivalent:
            return "equivalent"
        return "open" if row["both_low"] <= 0 <= row["both_high"] else "likely"

    @property
    def size(self) -> str:
        """The difference with its interval."""
        row = self.row
        interval = f" [{row['both_low']:+.3f}, {row['both_high']:+.3f}]" if row["n"] > 1 else ", one seed"
        if row["n"] > 1 and pd.isna(row["p_holm"]):
            interval = ", the same for every seed"
        return f"{row['difference']:+.3f}{interval}"

    @property
    def worse(self) -> bool:
        """Whether the arm is clearly below the other."""
        return self.row["difference"] < 0 and self.finding in ("clear", "small")

    @property
    def outcome(self) -> str:
        """The finding in a word, for a cell of a table: ahead, behind, level, likely, open or untested."""
        words = {"equivalent": "level", "single": "untested"}
        if self.finding in ("clear", "small"):
            return "behind" if self.worse else "ahead"
        return words.get(self.finding, self.finding)

    @property
    def sentence(self) -> str:
        """The claim in words."""
        row, difference = self.row, self.row["difference"]
        if self.finding == "single":
            return f"{self.arm} against {self.reference}: {difference:+.3f}, one seed, no interval."
        if self.finding == "untested":
            return f"{self.arm} against {self.reference}: {difference:+.3f}, the same for every seed, so no test."
        interval = self.size.partition(" ")[2]
        holm = p_text(row["p_holm"]) + (" (Holm)" if row["tests"] > 1 else "")
        match self.finding:
            case "clear" | "small":
                way = "beats" if difference > 0 else "loses to"
                nothing = f" That is practically nothing: less than {self.smallest_effect:g}."
                return (
                    f"{self.arm} {way} {self.reference} by {abs(difference):.3f} {interval}, {holm}."
                    f"{nothing if self.finding == 'small' else ''}{self._flips()}{self._skewed()}"
                )
            case "equivalent":
                return (
                    f"{self.arm} and {self.reference} are equivalent: {difference:+.3f} {interval}, within "
                    f"{self.smallest_effect:g} of each other by two one-sided tests."
                )
            case "likely":
                return (
                    f"{self.arm} seems to differ from {self.reference} by {difference:+.3f} {interval}, but not "
                    f"significantly among the {row['tests']} comparisons of this question, {holm}.{self._advice()}"
                )
        return (
            f"{self.arm} and {self.reference} are not told apart: {difference:+.3f} {interval}, {holm}.{self._advice()}"
        )

    def __str__(self) -> str:
        return self.sentence

    def _flips(self) -> str:
        """Whether exact sign flips over seeds agree, which assume less."""
        if self.row["p_flips"] < ALPHA:
            return ""
        least = smallest_flips_p(self.row["n"])
        why = f", which cannot go below {least:.2g}" if least >= ALPHA else ""
        return f" Sign flips over the {self.row['n']} seeds alone do not show it: p = {self.row['p_flips']:.2g}{why}."

    def _skewed(self) -> str:
        """That p says less than it seems where seeds are far from normal."""
        skewness = self.row.get("skewness", float("nan"))
        if not abs(skewness) > _SKEWED:
            return ""
        return f" The differences of its {self.row['n']} seeds are skewed ({skewness:+.1f}): such a p errs more often."

    def _advice(self) -> str:
        """How many seeds would settle it, if the difference is what it seems."""
        row = self.row
        if row["difference"] == 0:
            return ""
        if pd.isna(row["seeds_needed"]):
            return f" Even {MOST_SEEDS} seeds would not show a difference of that size."
        if row["seeds_needed"] <= row["n"]:
            return ""
        least, most = (
            f"more than {MOST_SEEDS}" if pd.isna(row[name]) else str(row[name])
            for name in ("seeds_least", "seeds_most")
        )
        return (
            f" {row['n']} seeds cannot tell these two apart; {row['seeds_needed']} would, if the difference is what it "
            f"seems ({least} to {most} by its 80% interval)."
        )


def answer(claims: Sequence[Claim]) -> str:
    """What the claims of a family come to, in a sentence: who beats whom, what is level, what is open.

    Args:
        claims: Of one family.
    """
    beaten: dict[str, list[str]] = {}
    for claim in claims:
        if claim.finding in ("clear", "small"):
            winner, loser = (claim.reference, claim.arm) if claim.worse else (claim.arm, claim.reference)
            beaten.setdefault(winner, []).append(f"{loser} by {abs(claim.row['difference']):.3f}")
    parts = [f"{winner} beats {', '.join(losers)}" for winner, losers in beaten.items()]
    words = {
        "equivalent": ("equivalent",),
        f"not significant among {len(claims)} comparisons": ("likely",),
        "not told apart": ("open",),
        "not tested": ("single", "untested"),
    }
    for word, findings in words.items():
        pairs = [f"{one.arm} and {one.reference} ({one.size})" for one in claims if one.finding in findings]
        if pairs:
            parts.append(f"{word}: {', '.join(pairs)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if not beaten else f"{text}."


def p_text(p: float) -> str:
    """A p value in words."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def claims_of(comparisons: pd.DataFrame, names: dict[str, str], smallest_effect: float) -> list[Claim]:
    """The claims on test mAP, largest difference first within each question.

    Args:
        comparisons: Rows of one group of arms.
        names: What arms are called in sentences.
        smallest_effect: See Claim.
    """
    rows = comparisons[comparisons.metric == RESULT]
    questions = list(dict.fromkeys(rows.question))
    ordered = rows.assign(place=rows.question.map(questions.index)).sort_values(
        ["place", "difference"], ascending=[True, False], kind="stable"
    )
    records: Iterable[dict[str, Any]] = ordered.drop(columns="place").to_dict("records")  # type: ignore[assignment]
    return [Claim(names[row["arm"]], names[row["reference"]], row, smallest_effect) for row in records]
