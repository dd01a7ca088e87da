from study.analysis.front import front
from study.analysis.results import Results
from study.analysis.tables import Tables
from study.analysis.verdict import decide
from study.plan.spec import StudySpec
from study.reporting.sections import sections_of
from tests.study.analysis.test_ceilings import told
from tests.study.reporting.test_document import synthetic

SECONDS = {"best": 4.0, "lucky": 5.0, "fast": 1.0, "short": 4.0, "as short": 5.0, "labelled": 0.5}
BITS = {"best": 64, "lucky": 128, "fast": 32, "short": 8, "as short": 8, "labelled": 8}


def found() -> Results:
    """A front of five tries, two of which fresh seeds do not confirm, and of what learns from labels."""
    means = {"best": 0.8, "lucky": 0.7, "fast": 0.6, "short": 0.5, "as short": 0.4, "labelled": 0.9}
    made = told(synthetic(means), dict.fromkeys(means, "nsh") | {"labelled": "csq"})
    trials = made.tables.trials.assign(
        train_seconds=lambda table: table.arm.map(SECONDS), bits=lambda table: table.arm.map(BITS)
    )
    spec = StudySpec.model_validate(made.spec.model_dump() | {"mode": "pareto", "figures": ["pareto"]})
    known = made.tables
    tables = Tables(trials, known.curves, known.per_query, known.summary, known.comparisons)
    return Results(tables, made.facts.model_copy(update={"spec": spec}))


def test_what_fresh_seeds_do_not_confirm_is_told():
    results = found()
    assert front(results).holds.to_dict() == {
        "best": True, "lucky": False, "fast": True, "short": True, "as short": False, "labelled": False
    }  # fmt: skip
    [sentence] = decide(results).headlines
    assert "5 configurations were beaten by no try" in sentence
    assert "3 of them are beaten by none of the others over fresh seeds" in sentence
    for end in ("best: best with", "fastest: fast with", "shortest codes: short with"):
        assert end in sentence
    [section] = [one for one in sections_of(results) if one.title == "The front"]
    assert [row[0] for row in section.rows if row[-1] == "yes"] == ["best", "fast", "short"]
    assert [row[0] for row in section.rows] == results.arms
