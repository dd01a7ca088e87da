"""Sentences held against their numbers: of every committed study, and of studies without any difference."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nsh_core.measures import MEASURES, RESULT, SELECTION
from study.analysis.claims import Claim, answer
from study.analysis.results import Results, read_results
from study.analysis.tables import tables_of
from study.analysis.verdict import decide

REFERENCE = sorted(path.parent for path in Path(__file__).parents[3].glob("results/reference/*/run.json"))


def row(difference: float, se: float, *, n: int = 10, tests: int = 1, queries: float = 0.0) -> dict:
    """Of a comparison, over seeds alone."""
    degrees = n - 1
    reach = stats.t.ppf(0.975, degrees) * se
    p = 2 * stats.t.sf(abs(difference) / se, degrees)
    return {
        "n": n, "difference": difference, "both_low": difference - reach, "both_high": difference + reach, "se": se,
        "degrees": degrees, "tests": tests, "p_holm": min(1.0, p * tests), "p_flips": 0.002, "seeds_needed": 30,
        "seeds_least": 12, "seeds_most": pd.NA, "arm": "a", "reference": "b", "question": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("known", "finding", "words"),
    [
        (row(0.05, 0.01, tests=2), "clear", "a beats b by 0.050 [+0.027, +0.073], p = 0.0015 (Holm)."),
        (row(-0.05, 0.01), "clear", "a loses to b by 0.050 [-0.073, -0.027], p < 0.001."),
        (row(0.003, 0.0005), "small", "That is practically nothing: less than 0.005."),
        (row(0.0005, 0.001), "equivalent", "a and b are equivalent: +0.001 [-0.002, +0.003], within 0.005 of each"),
        (row(0.01, 0.004, tests=3), "likely", "but not significantly among the 3 comparisons of this question"),
        (row(0.01, 0.01), "open", "10 seeds cannot tell these two apart; 30 would, if the difference is what it seems "
                                  "(12 to more than 1000 by its 80% interval)."),
        (row(0.05, 0.01, n=3) | {"p_flips": 0.25}, "clear", "Sign flips over the 3 seeds alone do not show it: p = "
                                                            "0.25, which cannot go below 0.25."),
        (row(0.05, 0.01) | {"n": 1}, "single", "a against b: +0.050, one seed, no interval."),
    ],
)  # fmt: skip
def test_a_claim_says_what_its_test_shows(known, finding, words):
    claim = Claim("a", "b", known, 0.005)
    assert claim.finding == finding
    assert words in claim.sentence


def test_an_answer_names_winners_and_leaves_open_what_is_open():
    claims = [
        Claim("a", "b", row(0.05, 0.01), 0.005), Claim("c", "b", row(-0.03, 0.005), 0.005),
        Claim("d", "b", row(0.01, 0.01), 0.005), Claim("e", "b", row(0.0005, 0.001), 0.005),
        Claim("f", "b", row(0.01, 0.004, tests=3), 0.005),
    ]  # fmt: skip
    assert answer(claims) == (
        "a beats b by 0.050; b beats c by 0.030; equivalent: e and b (+0.001 [-0.002, +0.003]); not significant "
        "among 5 comparisons: f and b (+0.010 [+0.001, +0.019]); not told apart: d and b (+0.010 [-0.013, +0.033])."
    )


@pytest.mark.parametrize("folder", REFERENCE, ids=lambda folder: folder.name)
def test_no_sentence_of_a_committed_study_contradicts_its_numbers(folder):
    results = read_results(folder)
    verdict = decide(results)
    table = results.tables.comparisons
    table = table[table.metric == RESULT].set_index(["question", "arm", "reference"])
    means = results.summary_of(RESULT)["mean"]
    claims = [claim for family in verdict.families for claim in family.claims]
    assert len(claims) == len(table) or not results.mode.compares
    for claim in claims:
        known = table.loc[(claim.row["question"], claim.row["arm"], claim.row["reference"])]
        assert known.difference == pytest.approx(means[claim.row["arm"]] - means[claim.row["reference"]], abs=0.02)
        # Names of arms hold numbers too.
        bare = claim.sentence.replace(claim.arm, "").replace(claim.reference, "")
        said = [float(number) for number in re.findall(r"[+-]?\d\.\d{3}(?=[\],: ])", bare)[:3]]
        if "beats" in claim.sentence or "loses to" in claim.sentence:
            assert known.p_holm < 0.05
            assert ("beats" in claim.sentence) == (known.difference > 0)
            assert said[0] == pytest.approx(abs(known.difference), abs=6e-4)
            assert np.sign(said[1]) == np.sign(said[2]) or min(map(abs, said[1:])) < 6e-4
        else:
            assert known.p_holm >= 0.05 or np.isnan(known.p_holm)
            assert said[0] == pytest.approx(known.difference, abs=6e-4)
        if "equivalent" in claim.sentence:
            assert max(abs(known.both_low), abs(known.both_high)) < 0.02
            assert abs(known.difference) < results.spec.smallest_effect
    groups = [[one.name for one in arms] for arms in results.spec.groups().values()]
    for arm in verdict.best:
        group = next(names for names in groups if arm in names) if results.mode.compares else results.arms
        rivals = [name for name in group if name in results.arms and name not in results.ceilings]
        assert results.summary_of(SELECTION)["mean"][rivals].idxmax() == arm


def exchanged(results: Results, arms: list[str], rng: np.random.Generator) -> Results:
    """The study with the trials of each seed handed out anew among its arms: no arm is better than another."""
    others = [name for name in MEASURES.names() if name not in (RESULT, SELECTION)]
    trials = results.tables.trials[results.tables.trials.arm.isin(arms)].drop(columns=others)
    per_query = results.tables.per_query[results.tables.per_query.arm.isin(arms)].copy()
    names = {seed: dict(zip(arms, rng.permutation(arms), strict=True)) for seed in trials.seed.unique()}
    for frame in (trials, per_query):
        frame["arm"] = [names[seed][arm] for seed, arm in zip(frame.seed, frame.arm, strict=True)]
    spec = results.spec.model_copy(
        update={
            "factors": {"surrogate": {arm: {} for arm in arms}}, "reference": {"surrogate": arms[0]}, "comparisons": {},
        }
    )  # fmt: skip
    tables = tables_of(trials, results.tables.curves, per_query, spec)
    return Results(tables, results.facts.model_copy(update={"spec": spec}))


@pytest.mark.slow(20)
def test_a_sceptic_finds_nothing_where_there_is_nothing():
    """200 studies of real trials in which all arms are equal by construction."""
    results = read_results(Path(__file__).parents[3] / "results" / "reference" / "sorter_ablation")
    arms = ["softsort", "neuralsort", "sinkhorn", "pairwise (no sorter)"]
    rng = np.random.default_rng(0)
    studies, wrong = 200, 0
    for _ in range(studies):
        verdict = decide(exchanged(results, arms, rng))
        claims = [claim for family in verdict.families for claim in family.claims]
        assert len(claims) == 3
        clear = any(claim.finding in ("clear", "small") for claim in claims)
        wrong += clear or verdict.tied != set(arms) - verdict.best
        assert clear or not re.search(" beats | loses to |Clearly", verdict.headline)
    assert wrong / studies <= 0.055
