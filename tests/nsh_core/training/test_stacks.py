import numpy as np
import pytest

from nsh_core import Hasher, NotFinite, fit, fit_together, make_config, stack_key

BASE = {"code_length": 12, "train": {"epochs": 3, "evaluate_every": 2}}


def run(**changes: object):
    return make_config(BASE, [f"{name}={value}" for name, value in changes.items()])


MIXED = [
    run(seed=0),
    run(seed=1, **{"train.learning_rate": 0.003, "train.schedule": "constant"}),
    run(seed=2, **{"sorter.temperature": 2.0, "loss.num_positives": 3}),
    run(seed=3, **{"loss.nce_temperature": 0.5, "loss.negatives": "random-8", "loss.anchor_weight": 0.5}),
    run(seed=4, **{"sorter.name": "sinkhorn", "train.optimizer": "adamw", "train.weight_decay": 0.1}),
    run(seed=5, **{"train.epochs": 2, "sorter.name": "lapsum"}),
]


def test_stacked_runs_give_the_codes_of_runs_alone(digits):
    together = fit_together(MIXED, digits)
    for config, stacked in zip(MIXED, together, strict=True):
        alone = fit(config, digits)
        assert isinstance(stacked, Hasher)
        np.testing.assert_array_equal(stacked.encode(digits.database), alone.encode(digits.database))
        assert stacked.metrics == alone.metrics
        assert stacked.history == alone.history


def test_a_run_that_ends_leaves_the_others_alone(digits):
    class Pruned(Exception):
        pass

    def prune(record):
        raise Pruned(record["epoch"])

    config = run()
    exploding = config.model_copy(update={"train": config.train.model_copy(update={"learning_rate": float("inf")})})
    seen: list[float] = []
    first, second, third = fit_together(
        [config, exploding, run(seed=2)],
        digits,
        on_evaluation=[lambda record: seen.append(record["epoch"]), lambda record: None, prune],
    )
    assert isinstance(first, Hasher)
    assert seen == [2, 3]
    assert first.metrics == fit(config, digits).metrics
    assert isinstance(second, NotFinite)
    assert isinstance(third, Pruned)
    assert third.args == (2,)


def test_the_stack_key_holds_shapes_and_terms(digits):
    assert len({stack_key(config) for config in MIXED}) == 1
    others = [
        run(code_length=16),
        run(**{"model.width": 64}),
        run(**{"train.batch_size": 32}),
        run(**{"loss.anchor_weight": 0}),
        run(**{"loss.stop_gradient": False}),
        run(**{"loss.surrogate": "listwise"}),
        run(**{"loss.surrogate": "pairwise"}),
    ]
    assert len({stack_key(config) for config in [*others, run()]}) == 8
    with pytest.raises(ValueError, match="must share one stack_key, got 2"):
        fit_together([run(), others[0]], digits)
