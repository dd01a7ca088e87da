import re

import numpy as np
import pytest

from study.analysis.headlines import flat_region, predictors, surprises
from study.analysis.results import Results
from study.analysis.tables import tables_of
from study.analysis.verdict import decide
from study.plan.spec import StudySpec
from tests.study.reporting.test_document import synthetic

LEVELS = [0.5, 1.0, 2.0, 4.0]


def asking(results: Results, kind: str) -> Results:
    spec = StudySpec.model_validate(results.spec.model_dump() | {"asks": kind})
    return Results(results.tables, results.facts.model_copy(update={"spec": spec}))


def test_the_answer_to_which_value_is_the_best_and_how_flat_it_is_around_it():
    levels = {"sorter.temperature": LEVELS}
    means = {f"temperature={level}": value for level, value in zip(LEVELS, (0.6, 0.7, 0.7001, 0.5), strict=True)}
    results = asking(synthetic(means, factors=levels), "value")
    verdict = decide(results)
    [best] = verdict.best
    assert best in ("temperature=1.0", "temperature=2.0")
    assert verdict.headlines[0].startswith(f"Best on the validation queries: {best}, test mAP@1000 0.70")
    assert "Not told apart from it: 1 of 3 others, with temperature 1.0 or 2.0." in verdict.headline
    alone = flat_region(results, best, results.arms, set())
    assert alone.endswith("None of the other 3 is level with it.")


def test_the_answer_to_what_predicts_is_ranked_with_what_its_choice_is_worth():
    arms = [f"a{number}" for number in range(12)]
    means = dict(zip(arms, np.linspace(0.3, 0.8, 12), strict=True))
    made = synthetic(means)
    trials = made.tables.trials
    rng = np.random.default_rng(0)
    trials["final_loss"] = 1 - trials.test_map  # perfect
    trials["bit_balance"] = rng.random(len(trials))
    known = made.tables
    results = Results(tables_of(trials, known.curves, known.per_query, made.spec), made.facts)
    text = str(predictors(results))
    assert " loss (+1.00 [+1.00, +1.00]) ranks the 12 arms most as test mAP@1000 does. Its choice has 0.80" in text
    assert "0.000 [0.000, 0.000] below the best arm" in text
    assert re.search(r"against the mean of all: more than a random pick, p = 0\.\d+ for \d+ quantities\.", text)
    assert "For scale, validation mAP@1000 (uses labels) (+" in text
    assert decide(asking(results, "predictor")).headline == text
    constant = trials.assign(**{name: 0.5 for name in trials if name not in ("arm", "seed", "test_map", "val_map")})
    nothing = constant[[*trials]].assign(arm=trials.arm, phase="final", state="complete", failure="", tuned="{}")
    assert predictors(Results(tables_of(nothing, known.curves, known.per_query, made.spec), made.facts)) is None


def test_codes_above_the_continuous_input_and_a_denied_choice_are_surprises():
    results = synthetic({"a": 0.7, "b": 0.5})  # the continuous input has 0.6
    [told] = surprises(results, {"a"})
    assert told.startswith("a: codes retrieve better than the continuous input that they are made of (0.600 by cosine)")
    denied = surprises(results, {"b"})
    assert denied[1].startswith("b is best on the validation queries, a on the test queries, by 0.1")
    assert surprises(synthetic({"a": 0.5, "b": 0.4}), {"a"}) == []
    assert decide(results).surprises == [told]


@pytest.mark.parametrize("kind", ["factors", "predictor"])
def test_where_the_question_has_no_such_answer_the_arms_are_it(kind):
    assert "a is best on the validation queries" in decide(asking(synthetic({"a": 0.7, "b": 0.5}), kind)).headline
