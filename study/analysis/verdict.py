"""The answer of a study in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from scipy.stats import binomtest

from nsh_core.measures import RESULT, SELECTION
from study.analysis.claims import Claim, answer, claims_of
from study.analysis.comparisons import values_of
from study.analysis.crossed import chosen_p
from study.analysis.effects import in_words, main_effects
from study.analysis.headlines import flat_region, predictors, surprises
from study.analysis.results import Results
from study.analysis.seeds import ALPHA, smallest_flips_p
from study.analysis.tables import VALUED, failed_in_training, over
from study.analysis.versions import apart, versions
from study.plan.trials import left_out

_MOST_NAMED = 6
_FEW = 5


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
        headlines: The answer in a few sentences, one string a group of arms.
        families: The comparisons, question by question.
        cautions: What limits it.
        best: Of each group the arm with the highest mean validation mAP.
        tied: Arms not told apart from the best of their group; see study.analysis.crossed.chosen_p.
        surprises: What a reader may not expect.
    """

    headlines: list[str]
    families: list[Family] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    best: set[str] = field(default_factory=set)
    tied: set[str] = field(default_factory=set)
    surprises: list[str] = field(default_factory=list)

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
    failures = _failures(results)
    if validation.empty:
        return Verdict(["No trial is complete, so there is no answer yet."], cautions=failures)
    if not results.mode.compares:
        taken = "Training time is what each trial took beside the others that ran: a guide, not a measurement."
        return Verdict(_front_headlines(results), cautions=[*failures, taken], best={str(validation.idxmax())})
    verdict = Verdict([], cautions=[*failures, *_cautions(results)])
    for label, group_arms in results.spec.groups().items():
        names = {arm.name: arm.name_in_group for arm in group_arms}
        arms = [arm for arm in results.arms if arm in names]
        if arms:
            reference = results.spec.arm(arms[0]).reference or arms[0]
            group = _Group(results, label, names, arms, reference, str(validation[arms].idxmax()))
            verdict.headlines.append(group.headline())
            verdict.families.extend(group.families)
            verdict.best.add(group.best)
            verdict.tied.update(group.tied)
    verdict = replace(verdict, surprises=surprises(results, verdict.best))
    answer_in_form = _in_form(results)
    headlines = verdict.headlines if answer_in_form is None else [answer_in_form]
    final = results.tables.trials[results.tables.trials.phase == "final"]
    lost = failed_in_training(final).groupby(final.arm).all()
    if lost.any():
        headlines = [*headlines, f"All runs collapse: {'; '.join(map(str, lost.index[lost]))}."]
    return replace(verdict, headlines=headlines)


def _in_form(results: Results) -> str | None:
    """The answer to a question about factors or quantities, where there is one; none where the arms are the answer."""
    match results.spec.asks:
        case "factors":
            effects = main_effects(results)
            return None if effects is None else in_words(effects)
        case "predictor":
            return predictors(results)
    return None


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

    def headline(self) -> str:
        """The answer to each question that the study names, and the best arm, or the best value."""
        if self.results.spec.asks == "value":
            return self.start + flat_region(self.results, self.best, self.arms, self.tied)
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
        return self.start + " ".join(parts)

    def _against_reference(self) -> list[str]:
        reference = self.names[self.reference]
        claims = [claim for family in self.families for claim in family.claims]
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


def never_ran(results: Results) -> list[str]:
    """The arms that tuning found no settings for: all of their tries collapsed, or break a constraint.

    Args:
        results: Of the study.
    """
    trials = results.tables.trials
    if not results.mode.compares:
        return []
    settled = over(trials).groupby(trials.arm).all()
    finals = set(trials[trials.phase == "final"].arm)
    return [arm.name for arm in results.spec.arms if settled.get(arm.name, False) and arm.name not in finals]


def _not_told_apart(results: Results, arms: Sequence[str], best: str) -> set[str]:
    """The arms that are not shown to be below the best of them, which was chosen for being so.

    An arm is held against the best on the seeds that both have, in the family of all arms that have these; one that
    shares fewer than two seeds is not tested, and not named.
    """
    seeds = {arm: frozenset(own.seed) for arm, own in results.done.groupby("arm")}
    tied, known = set(), dict[frozenset[int], dict[str, float]]()
    for arm in arms:
        common = seeds[arm] & seeds[best]
        if arm == best or len(common) < 2:
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


def _failures(results: Results) -> list[str]:
    """Runs that collapsed, a result that no mean holds, arms that could not run, and trials without any result."""
    trials = results.tables.trials
    collapsed = failed_in_training(trials)
    notes = []
    for arm, group in trials[trials.phase == "final"].groupby("arm", sort=False):
        count, runs = int(collapsed[group.index].sum()), len(group)
        if count:
            low, high = binomtest(count, runs).proportion_ci()
            rest = "; its means are of the other runs and compare no further than that" if count < runs else ""
            notes.append(
                f"{arm}: {count} of {runs} runs collapsed, a share of {count / runs:.2f} [{low:.2f}, {high:.2f}] "
                f"(Clopper-Pearson){rest}."
            )
    notes += [f"Arms {line}." for line in left_out(results.facts.lacking)]
    for arm in never_ran(results):
        why = "collapsed" if collapsed[trials.arm == arm].all() else "collapsed or break a constraint"
        notes.append(f"{arm}: all tries of its tuning {why}, so it has no final run.")
    for arm, group in trials[~trials.state.isin(VALUED) & ~collapsed].groupby("arm", sort=False):
        reasons = sorted({reason or str(state) for reason, state in zip(group.failure, group.state, strict=True)})
        notes.append(f"{arm}: {len(group)} of its trials have no result ({'; '.join(reasons)}).")
    return notes


def _cautions(results: Results) -> list[str]:
    counts = results.done.groupby("arm").seed.nunique()
    seeds = int(counts.max())
    notes = []
    found = versions(results.tables.trials)
    if len(found) > 1:
        notes.append(f"{len(found)} versions, which differ in {', '.join(apart(found))}, trained these trials.")
    if results.left_out:
        notes.append(f"These are the first {seeds} seeds alone: {results.left_out} more are stored.")
    if seeds < 2:
        notes.append("One seed says nothing about the spread, so nothing is tested: run more seeds.")
    elif (counts < 2).any():
        notes.append(f"One seed alone: {', '.join(map(str, counts.index[counts < 2]))}. Of these nothing is tested.")
    if 2 <= seeds < _FEW:
        notes.append(
            f"With {seeds} seeds the spread is hardly known: tests and marks err more often than one time in twenty, "
            "with two seeds up to one in five (docs/statistics.md)."
        )
    least = smallest_flips_p(seeds)
    if seeds >= 2 and least >= ALPHA:
        notes.append(
            f"With {seeds} seeds exact sign flips cannot go below p = {least:.3g}: what is called clear rests "
            "on seed means being near normal; run more seeds."
        )
    tuned = (results.tables.trials.phase == "tuning").any()
    if tuned and results.spec.tune and not results.spec.tune.is_plain:
        notes.append(f"Each arm was tuned for {results.spec.tune}; arms are ranked and compared by mAP all the same.")
    if tuned and not (results.spec.tune and results.spec.tune.each_seed):
        notes.append(
            "Each arm was tuned once: intervals leave out what another tuning, with another seed, would have chosen."
        )
    if not results.by_query:
        notes.append("AP of single queries was not kept: intervals are over seeds alone, of these very queries.")
    return notes
