"""What limits the answer of a study."""

from __future__ import annotations

from study.analysis.results import Results
from study.analysis.seeds import ALPHA, smallest_flips_p
from study.analysis.tables import VALUED, failed_in_training, over
from study.analysis.versions import apart, versions
from study.plan.trials import left_out

_FEW = 5
# Seeds below which nothing is told apart from an arm that was chosen as the best.
LEAST_TO_CHOOSE = 3


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


def failures(results: Results) -> list[str]:
    """Runs that collapsed, a result that no mean holds, arms that could not run, and trials without any result.

    Args:
        results: Of the study.
    """
    trials = results.tables.trials
    collapsed = failed_in_training(trials)
    notes = []
    for arm, group in trials[trials.phase == "final"].groupby("arm", sort=False):
        count, runs = int(collapsed[group.index].sum()), len(group)
        if count:
            from scipy.stats import binomtest  # at half a second, which studies without such runs save

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


def cautions(results: Results) -> list[str]:
    """What limits an answer: versions, few seeds, one tuning, queries that are not known one by one.

    Args:
        results: Of the study.
    """
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
    if 2 <= seeds < LEAST_TO_CHOOSE:
        notes.append("Two seeds cannot tell any arm from one chosen as the best: none is marked for it.")
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
        kept = results.facts.digests.get("per_query.parquet")
        why = f"is not beside the tables (per_query.parquet, SHA-256 {kept[:16]})" if kept else "was not kept"
        notes.append(f"AP of single queries {why}: intervals are over seeds alone, of these very queries.")
    return notes
