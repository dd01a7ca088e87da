"""Some arms run and reported on alone, then the whole study."""

import re

import pytest

from nsh_core import UserError
from study import Study
from study.analysis.verdict import decide
from study.reporting.arms_table import glance
from tests.study.reporting.test_document import synthetic

SPEC = {
    "base": {"code_length": 8, "train.epochs": 1},
    "factors": {"sorter.name": ["softsort", "argsort", "neuralsort"]},
    "arm_groups": {"core": {"sorter.name": ["softsort", "argsort"]}},
    "seeds": 2,
    "figures": ["arms"],
}


@pytest.mark.slow(12)
def test_a_full_run_takes_up_what_the_core_trained(tmp_path):
    core = Study("made", results=tmp_path, arms=["core"], **SPEC)
    core.run(jobs=1, progress=False)
    assert core.is_complete
    assert set(core.trials.arm) == {"softsort", "argsort"}
    assert core.verdict.headlines[-1] == "Of 3 arms 1 is left out."
    assert "Arms left out: neuralsort, as core alone was asked for." in core.verdict.cautions

    ends = []
    whole = Study("made", results=tmp_path, **SPEC)
    assert whole.key == core.key
    whole.run(jobs=1, progress=False, on_trial=ends.append)
    assert {end.arm for end in ends} == {"neuralsort"}
    assert "left out" not in str(whole.verdict)

    # What is there stays in the tables, whatever a later command asks for.
    core.run(jobs=1, progress=False, on_trial=ends.append)
    assert len(ends) == 2
    assert set(core.trials.arm) == {"softsort", "argsort", "neuralsort"}
    page = core.report(tmp_path / "reports", arms=["core"]).read_text()
    assert "Of 3 arms 1 is left out." in page
    whole_page = core.report(tmp_path / "reports").read_text()
    assert not re.search("arms? .*left out|Arms left out", whole_page)


def test_a_report_on_some_arms_says_that_it_is_one():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.75, "argsort": 0.4})
    some = results.of_arms(["softsort", "argsort"])
    assert some.arms == ["softsort", "argsort"]
    assert set(some.tables.curves.arm) == set(some.tables.summary.arm) == {"softsort", "argsort"}
    verdict = decide(some)
    assert verdict.best == {"softsort"}
    assert verdict.headline.startswith("softsort is best")
    assert verdict.headline.endswith(" Of 3 arms 1 is left out.")
    assert any("left out: neuralsort, as softsort, argsort alone was asked for" in line for line in verdict.cautions)
    with pytest.raises(UserError, match=r"no group of arms 'softsrt', nor such an arm; .*did you mean 'softsort'\?"):
        results.of_arms(["softsrt"])


def test_arms_that_are_left_out_have_no_row_and_no_column_at_a_glance():
    lengths = [8, 16, 32]
    means = {f"method={name}, code_length={bits}": 0.5 for name in ("nsh", "itq") for bits in lengths}
    factors = {"method": {"nsh": {}, "itq": {}}, "code_length": lengths}
    results = synthetic(means, factors=factors, within=["code_length"])
    some = results.of_arms([f"method=nsh, code_length={bits}" for bits in (8, 32)])
    shown = glance(some, decide(some))
    assert shown is not None
    assert shown.columns == ["arm", "code_length=8", "code_length=32"]
    assert [(name, len(cells)) for name, cells in shown.rows] == [("nsh", 2), ("continuous input, by cosine", 2)]
    short = results.of_arms(["method=nsh, code_length=8", "method=itq, code_length=8"])
    assert glance(short, decide(short)) is None
