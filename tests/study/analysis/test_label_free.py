import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nsh_core.measures import Place, measures
from study.analysis.label_free import _drawn, _picks, _rank_correlation, rank_correlations, within_levels

DIRECTIONS = [one.name for one in measures(Place.LABEL_FREE)]


def made(arms: int = 30, seeds: int = 2) -> pd.DataFrame:
    """Arms whose loss falls with quality, whose balance is noise, and whose other quantities are constant or absent."""
    rng = np.random.default_rng(0)
    rows = []
    for arm in range(arms):
        quality = rng.random()
        for seed in range(seeds):
            row = dict.fromkeys(DIRECTIONS, 0.5) | {"arm": f"a{arm}", "seed": seed, "sorter_fidelity": np.nan}
            row |= {"test_map": quality + rng.normal(0, 0.01), "val_map": quality + rng.normal(0, 0.02)}
            row |= {"final_loss": 3 - quality**3, "bit_balance": rng.random()}
            rows.append(row)
    return pd.DataFrame(rows)


def test_correlations_are_spearmans_over_arm_means_with_their_sign():
    trials = made()
    table = rank_correlations(trials).set_index("quantity")
    assert set(table.index) == {"val_map", "final_loss", "bit_balance"}
    means = trials.groupby("arm")[["final_loss", "test_map"]].mean()
    expected = stats.spearmanr(-means.final_loss, means.test_map).statistic
    assert table.rho["final_loss"] == pytest.approx(expected)
    assert table.rho["final_loss"] > 0.95
    assert table.ci_low["bit_balance"] < 0 < table.ci_high["bit_balance"]
    assert (table.ci_low <= table.rho).all()
    assert (table.rho <= table.ci_high).all()


def test_what_a_choice_loses_is_against_the_best_arm():
    trials = made()
    table = rank_correlations(trials).set_index("quantity")
    means = trials.groupby("arm", sort=False)[["final_loss", "test_map"]].mean()
    assert table.chosen["final_loss"] == [means.final_loss.idxmin()]
    assert table.loses["final_loss"] == pytest.approx(means.test_map.max() - means.test_map[means.final_loss.idxmin()])


def test_ties_are_averaged_and_a_random_pick_is_the_mean_of_all():
    quantity, test = np.array([1.0, 3, 3, 2]), np.array([0.1, 0.2, 0.6, 0.5])
    trials = pd.DataFrame({"arm": list("abcd"), "seed": 0, "val_map": quantity, "test_map": test})
    [row] = rank_correlations(trials).to_dict("records")
    assert row["chosen"] == ["b", "c"]
    assert row["test_map"] == pytest.approx(0.4)
    assert row["loses"] == pytest.approx(0.2)
    assert row["gains"] == pytest.approx(0.4 - test.mean())
    assert row["gains_low"] < row["gains"] < row["gains_high"]
    assert row["loses_low"] <= row["loses"] <= row["loses_high"]


def test_a_bootstrap_sample_is_what_its_arms_written_out_give():
    rng = np.random.default_rng(3)
    quantity, test = rng.integers(0, 6, 12).astype(float), rng.integers(0, 9, 12) / 8
    drawn = _drawn(quantity)
    found = _rank_correlation(quantity, test, drawn), _picks(quantity, test, drawn)
    for times, rho, (chosen, loses, gains) in zip(drawn[:100], *(one[:100] for one in found), strict=True):
        x, y = (np.repeat(values, times.astype(int)) for values in (quantity, test))
        best = y[x == x.max()].mean()
        assert [chosen, loses, gains] == pytest.approx([best, y.max() - best, best - y.mean()])
        assert rho == pytest.approx(stats.spearmanr(x, y).statistic if len({*x}) > 1 and len({*y}) > 1 else 0)


def test_arms_that_a_quantity_does_not_tell_apart_are_drawn_together():
    rng = np.random.default_rng(4)
    rate = np.repeat([1.0, 2.0, 3.0], 18)
    test = rate / 100 + rng.normal(0, 0.005, 54)
    arms = {"arm": [f"a{place}" for place in range(54)], "seed": 0, "test_map": test}
    apart, three = (
        rank_correlations(pd.DataFrame(arms | {"final_anchor": -values})).iloc[0]
        for values in (rate + rng.normal(0, 1e-6, 54), rate)
    )
    # Three values show nothing, whatever the number of arms.
    assert apart.ci_low > 0.5 > three.ci_low
    assert apart.gains_p < 0.05 < three.gains_p


def test_a_quantity_is_ranked_within_levels_and_is_constant_where_it_cannot_vary():
    rng = np.random.default_rng(2)
    rows = []
    for rate in range(4):
        for scale in range(5):
            test = rng.random()
            # Its scale is that of a factor: useless over all arms, perfect within its levels.
            row = {"final_loss": 100.0 * scale - test, "final_anchor": float(rate), "test_map": test}
            rows.append(row | {"arm": f"{rate} {scale}", "seed": 0, "factor_rate": rate, "factor_scale": scale})
    trials = pd.DataFrame(rows)
    within = within_levels(trials, ["rate", "scale"])
    assert within.scale["final_loss"] == pytest.approx(1)
    assert abs(within.rate["final_loss"]) < 0.9
    assert np.isnan(within.rate["final_anchor"])
    assert not np.isnan(within.scale["final_anchor"])


def test_intervals_cover_a_known_correlation():
    rng = np.random.default_rng(1)
    covered = 0
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's rho of a normal pair with correlation 0.6
    for _ in range(60):
        x, y = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 60).T
        trials = pd.DataFrame(
            dict.fromkeys(DIRECTIONS, 0.0) | {"val_map": x, "test_map": y, "arm": range(60)}, index=range(60)
        )
        row = rank_correlations(trials).iloc[0]
        covered += row.ci_low <= truth <= row.ci_high
    assert 50 <= covered <= 60


def test_few_arms_give_nothing():
    assert rank_correlations(made(arms=2)).empty
