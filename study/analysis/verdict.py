"""The answer of a study in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nsh_core.measures import RESULT, SELECTION
from study.analysis.cautions import LEAST_TO_CHOOSE, cautions, failures, never_ran
from study.analysis.claims import Claim, answer, claims_of
from study.analysis.comparisons import values_of
from study.analysis.crossed import chosen_p
from study.analysis.effects import in_words, main_effects
from study.analysis.front import front
from study.analysis.headlines import flat_region, predictors, surprises
from study.analysis.results import Results
from study.analysis.seeds import ALPHA
from study.analysis.tables import failed_in_training, over

_MOST_NAMED = 6


@dataclass(frozen=True)
class Family:
    """Claims that are adjusted for one another.

    Attributes:
        title: The question that they answer.
        claims: Largest difference first.
    """

    title: str
    claims: list[Claim]


@dataclass(frozen=True)
class Verdict:
    """What a study answers.

    Attributes:
        answers: The answer in a few sentences: of each group of arms its sentences, question by question.
        families: The comparisons, question by question.
        cautions: What limits it.
        best: Of each group the arm with the highest mean validation mAP, of those that learn without labels.
        tied: Arms not told apart from the best of their group; see study.analysis.crossed.chosen_p.
        surprises: What a reader may not expect.
    """

    answers: list[list[str]]
    families: list[Family] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    best: set[str] = field(default_factory=set)
    tied: set[str] = field(default_factory=set)
    surprises: list[str] = field(default_factory=list)

    @property
    def headlines(self) -> list[str]:
        """The answer, one string a group of arms."""
        return [" ".join(sentences) for sentences in self.answers]

    @property
    def headline(self) -> str:
        """All headlines in one line."""
        return " ".join(self.headlines)

    def __str__(self) -> str:
        return "\n".join([*self.headlines, *self.cautions])

    @property
    def sentences(self) -> list[str]:
        """All comparisons in words."""
        return [claim.sentence for family in self.families for claim in family.claims]


def decide(results: Results) -> Verdict:
    """The verdict on a study. The best arm is chosen on validation queries, every figure is of test queries.

    Args:
        results: Of the study.
    """
    validation = results.summary_of(SELECTION)["mean"]
    failed, left = failures(results), _left_out(results)
    if validation.empty:
        return Verdict([["No trial is complete, so there is no answer yet."]], cautions=failed)
    if not results.mode.compares:
        taken = "Training time is what each trial took beside the others that ran: a guide, not a measurement."
        return Verdict(
            [_front(results), *left],
            cautions=[*failed, taken],
            best={str(validation[results.contenders(list(validation.index))].idxmax())},
        )
    verdict = Verdict([], cautions=[*failed, *cautions(results)])
    for label, group_arms in results.spec.groups().items():
        names = {arm.name: arm.name_in_group for arm in group_arms}
        arms = [arm for arm in results.arms if arm in names]
        if arms:
            reference = results.spec.arm(arms[0]).reference or arms[0]
            contenders = results.contenders(arms)
            group = _Group(results, label, names, contenders, reference, str(validation[contenders].idxmax()))
            verdict.answers.append(group.answer())
            verdict.families.extend(group.families)
            verdict.best.add(group.best)
            verdict.tied.update(group.tied)
    verdict = replace(verdict, surprises=surprises(results, verdict.best))
    answer_in_form = _in_form(results)
    answers = verdict.answers if answer_in_form is None else [[answer_in_form]]
    final = results.tables.trials[results.tables.trials.phase == "final"]
    lost = failed_in_training(final).groupby(final.arm).all()
    if lost.any():
        answers = [*answers, [f"All runs collapse: {'; '.join(map(str, lost.index[lost]))}."]]
    return replace(verdict, answers=[*answers, *left])


def _left_out(results: Results) -> list[list[str]]:
    """That an answer is not of all arms; why is among what limits it."""
    count, arms = len(results.facts.lacking), len(results.spec.arms)
    return [[f"Of {arms} arms {count} {'is' if count == 1 else 'are'} left out."]] if count else []


def _in_form(results: Results) -> str | None:
    """The answer to a question about factors or quantities, where there is one; none where the arms are the answer."""
    match results.spec.asks:
        case "factors":
            effects = main_effects(results)
            return None if effects is None else in_words(effects)
        case "predictor":
            return predictors(results)
    return None


def _front(results: Results) -> list[str]:
    """The ends of the Pareto front, as fresh seeds have it."""
    found = front(results)
    found = found.loc[results.contenders(list(map(str, found.index)))]
    done = found[found.holds].to_dict("index")
    ends = {
        "best": max(done, key=lambda arm: done[arm][SELECTION]),
        "fastest": min(done, key=lambda arm: done[arm]["train_seconds"]),
        "shortest codes": min(done, key=lambda arm: (done[arm]["bits"], -done[arm][SELECTION])),
    }
    parts = [
        f"{what}: {arm} with test {results.map_name} {results.estimate(str(arm))}, {done[arm]['train_seconds']:.1f} s, "
        f"{done[arm]['bits']:.0f} bits"
        for what, arm in ends.items()
    ]
    start = (
        f"{len(found)} configurations were beaten by no try in validation mAP, training time and code length together, "
        f"and {len(done)} of them are beaten by none of the others over fresh seeds"
    )
    return [f"{start}; {'; '.join(parts)}."]


class _Group:
    """Arms that are compared with one another, under their names within the group; the best is one of `arms`."""

    def __init__(
        self, results: Results, label: str, names: dict[str, str], arms: Sequence[str], reference: str, best: str
    ) -> None:
        self.results, self.names, self.reference, self.best = results, names, reference, best
        self.start = f"{label}: " if label else ""
        table = results.tables.comparisons
        claims = claims_of(table[table.group == label], names, results.spec.smallest_effect)
        self.families = [
            Family(
                self.start + (question or f"Against the reference arm, {names[reference]}"),
                [claim for claim in claims if claim.row["question"] == question],
            )
            for question in dict.fromkeys(claim.row["question"] for claim in claims)
        ]
        self.arms, self.tied = arms, _not_told_apart(results, arms, best)
        self.ceilings = [arm for arm in results.ceilings if arm in names]

    def answer(self) -> list[str]:
        """The answer to each question that the study names, and the best arm, or the best value."""
        if self.results.spec.asks == "value":
            return [self.start + flat_region(self.results, self.best, self.arms, self.tied)]
        best = self.names[self.best]
        named = self.families if self.results.spec.comparisons else []
        parts = [f"{family.title.removeprefix(self.start)} {answer(family.claims)}" for family in named]
        parts.append(
            f"{best} is best on the validation queries: test {self.results.map_name} "
            f"{_estimate(self.results, self.best)}."
        )
        if not self.results.spec.comparisons:
            parts += self._against_reference()
        if self.tied:
            tied = [name for arm, name in self.names.items() if arm in self.tied]
            more = f" and {len(tied) - _MOST_NAMED} more" if len(tied) > _MOST_NAMED else ""
            parts.append(f"Not told apart from {best}: {', '.join(tied[:_MOST_NAMED])}{more}.")
            parts += self._told_apart_as_a_pair(tied)
        above = [f"{self.names[arm]} {self.results.estimate(arm)}" for arm in self.ceilings if arm != self.best]
        if above:
            parts.append(f"For scale, learned from labels: {', '.join(above)}.")
        return [self.start + parts[0], *parts[1:]]

    def _told_apart_as_a_pair(self, tied: Sequence[str]) -> list[str]:
        """Why an arm is not told apart from the best although a comparison with it is clear."""
        best = self.names[self.best]
        clear = [claim for family in self.families for claim in family.claims if claim.finding in ("clear", "small")]
        pairs = [{claim.arm, claim.reference} for claim in clear]
        both = [name for name in tied if {name, best} in pairs]
        if not both:
            return []
        others = " or ".join(both)
        return [f"As a pair named beforehand {best} and {others} differ: marks pay for the choice of the best, too."]

    def _against_reference(self) -> list[str]:
        reference = self.names[self.reference]
        claims = [claim for family in self.families for claim in family.claims if claim.row["arm"] not in self.ceilings]
        parts = []
        if self.best != self.reference:
            parts += [claim.sentence for claim in claims if claim.row["arm"] == self.best]
        elif claims:
            parts.append(f"It is the reference; the closest other arm: {claims[0].sentence}")
        worse = [claim.arm for claim in claims if claim.worse and claim.row["arm"] != self.best]
        if worse:
            parts.append(f"Clearly below {reference}: {', '.join(worse)}.")
        return parts


def is_complete(results: Results) -> bool:
    """Whether every trial has a result, and every arm a final run.

    Args:
        results: Of the study.
    """
    return bool(over(results.tables.trials).all()) and not never_ran(results)


def _not_told_apart(results: Results, arms: Sequence[str], best: str) -> set[str]:
    """The arms that are not shown to be below the best of them, which was chosen for being so.

    An arm is held against the best on the seeds that both have, in the family of all arms that have these; one that
    shares fewer than three seeds is not tested, and not named: with two, nothing would be told apart from anything.
    """
    seeds = {arm: frozenset(own.seed) for arm, own in results.done.groupby("arm")}
    tied, known = set(), dict[frozenset[int], dict[str, float]]()
    for arm in arms:
        common = seeds[arm] & seeds[best]
        if arm == best or len(common) < LEAST_TO_CHOOSE:
            continue
        if common not in known:
            family = [one for one in arms if common <= seeds[one]]
            done = results.done[results.done.seed.isin(common)]
            values = values_of(done, results.tables.per_query, family)
            known[common] = dict(zip(family, chosen_p(values, family.index(best)), strict=True))
        if known[common][arm] >= ALPHA:
            tied.add(arm)
    return tied


def _estimate(results: Results, arm: str) -> str:
    seeds = int(results.summary_of(RESULT).n[arm])
    if arm in results.deterministic:
        return results.estimate(arm) + (", deterministic" if results.by_query else "")
    return f"{results.estimate(arm)} (one seed)" if seeds < 2 else f"{results.estimate(arm)}, {seeds} seeds"
