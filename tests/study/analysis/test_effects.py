import numpy as np
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from study.analysis.crossed import crossed
from study.analysis.effects import main_effects
from study.analysis.results import Results
from study.analysis.tables import tables_of
from tests.study.reporting.test_document import synthetic

FACTORS = {"s": {"x": {}, "y": {}}, "m": [1, 2, 3]}
MEANS = {
    f"s={s}, m={m}": 0.5 + 0.1 * (s == "y") + 0.01 * m + 0.02 * (s == "y") * (m == 3)
    for s in ("x", "y")
    for m in (1, 2, 3)
}


def test_an_effect_is_the_mean_over_the_other_factors():
    results = synthetic(MEANS, factors=FACTORS)
    found = main_effects(results)
    table = results.done.pivot(index="seed", columns="arm", values="test_map")
    assert [(one.factor, one.level, one.reference) for one in found.effects] == [
        ("s", "y", "x"), ("m", "2", "1"), ("m", "3", "1"),
    ]  # fmt: skip
    difference = sum(table[f"s=y, m={m}"] - table[f"s=x, m={m}"] for m in (1, 2, 3)) / 3
    expected = crossed(difference.to_numpy())
    assert found.effects[0].difference.mean == pytest.approx(expected.mean)
    assert found.effects[0].difference.interval() == pytest.approx(expected.interval())


def test_levels_that_alone_count_are_those_held():
    results = synthetic(MEANS, factors=FACTORS)
    table = results.done.pivot(index="seed", columns="arm", values="test_map")
    found = main_effects(results, {"m": ["1", "3"]})
    assert [(one.factor, one.level) for one in found.effects] == [("s", "y"), ("m", "3")]
    expected = crossed((sum(table[f"s=y, m={m}"] - table[f"s=x, m={m}"] for m in (1, 3)) / 2).to_numpy())
    assert found.effects[0].difference.mean == pytest.approx(expected.mean)
    assert found.effects[0].difference.interval() == pytest.approx(expected.interval())
    [one] = main_effects(results, {"m": ["3"]}).effects
    assert one.difference.mean == pytest.approx((table["s=y, m=3"] - table["s=x, m=3"]).mean())
    assert sum(main_effects(results, {"s": ["y"]}).shares.values()) == pytest.approx(1)


def test_shares_are_those_of_an_analysis_of_variance():
    results = synthetic(MEANS, factors=FACTORS)
    means = results.done.groupby(["factor_s", "factor_m"], as_index=False).test_map.mean()
    squares = anova_lm(ols("test_map ~ C(factor_s) + C(factor_m)", means).fit()).sum_sq
    shares = main_effects(results).shares
    assert shares["s"] == pytest.approx(squares["C(factor_s)"] / squares.sum())
    assert shares["m"] == pytest.approx(squares["C(factor_m)"] / squares.sum())


def test_no_effects_of_one_factor_or_of_an_incomplete_grid():
    assert main_effects(synthetic({"a": 0.5, "b": 0.6})) is None
    results = synthetic(MEANS, factors=FACTORS)
    kept = results.tables.trials[results.tables.trials.arm != "s=y, m=3"]
    tables = tables_of(kept, results.tables.curves, results.tables.per_query, results.spec)
    assert main_effects(Results(tables, results.facts)) is None
    assert not np.isnan(main_effects(results).shares["s"])
