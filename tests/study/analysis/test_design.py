import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from study.analysis.columns import COMPARISONS
from study.analysis.design import design_lines, detectable
from study.analysis.power import power_of
from study.analysis.seeds import smallest_flips_p, what_is_weak
from study.analysis.statistics import sign_flip_p
from study.plan.loading import load_spec
from study.plan.planning import make_plan


@pytest.mark.parametrize("seeds", [1, 2, 5, 6, 10])
def test_no_flips_go_below_the_smallest(seeds):
    assert smallest_flips_p(seeds) == pytest.approx(min(1, sign_flip_p(np.ones(seeds) + 0.01 * np.arange(seeds))))


@pytest.mark.parametrize(("seeds", "tests"), [(3, 1), (10, 1), (10, 6), (25, 9)])
def test_the_detectable_difference_is_that_of_the_usual_power(seeds, tests):
    expected = TTestPower().solve_power(nobs=seeds, alpha=0.05 / tests, power=0.8)
    assert detectable(0.3**2, 0.0, seeds, tests) == pytest.approx(0.3 * expected, rel=0.01)
    assert detectable(0.3**2, 0.1**2, seeds, tests) > 0.1 * 2.8
    assert detectable(0.0, 0.1**2, seeds, 1) == pytest.approx(0.1 * 2.802, rel=0.01)


def test_few_seeds_in_a_large_family_need_a_huge_difference():
    shift = detectable(1.0, 0.0, 2, 53) * 2**0.5
    assert power_of(shift, 1, 0.05 / 53) == pytest.approx(0.8, abs=1e-6)


def test_a_design_says_what_it_can_show_and_what_it_cannot():
    spec = load_spec("sorter_ablation")
    none = pd.DataFrame(columns=list(COMPARISONS))
    [first, last] = design_lines(make_plan(spec), none)
    assert first.startswith(
        "10 comparisons, in 2 families of 2 to 8; with 10 seeds exact sign flips reach p = 0.002 at"
    )
    assert "no earlier trials" in last
    question = "Which sorter?"
    row = {"metric": "test_map", "n": 4, "se_seeds": 0.01, "se": 0.02, "tests": 2, "question": question, "group": ""}
    known = pd.DataFrame([row, row | {"question": "of another version", "se": 9}], columns=list(COMPARISONS))
    expected = detectable(4 * 0.01**2, 0.02**2 - 0.01**2, 10, 8)
    assert f"differences of {expected:.4f} to {expected:.4f} test mAP" in design_lines(make_plan(spec), known)[1]
    [first, _] = design_lines(make_plan(spec, arms=["core"]), none)
    assert first.startswith("4 comparisons, in 2 families of 2; ")
    assert what_is_weak(spec, 10) is None
    assert what_is_weak(spec, 6) is None
    assert "cannot go below p = 0.0625" in str(what_is_weak(spec, 5))
    assert "6 seeds would do" in str(what_is_weak(spec, 1))
    assert what_is_weak(load_spec("pareto"), 2) is None
    assert design_lines(make_plan(load_spec("pareto")), none) == ["this study compares no arms with one another"]
