import math
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nsh_core import UserError, fit, make_config
from nsh_core.evaluation import validation_map
from nsh_core.measures import MEASURES, Evidence, Measure, measure, taken


@pytest.fixture
def alone(monkeypatch):
    """The catalogue without the project's measures, so that nothing is asked of a run."""
    monkeypatch.setattr(MEASURES, "_entries", {})
    monkeypatch.setattr(MEASURES, "_plugins", {})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"label": "gap {foo} }"}, "measure 'mine': 'gap {foo} }' must be text with no braces but {map} and {cut}"),
        ({"column": "{0}"}, "'{0}' must be text with no braces"),
        ({"label": 3}, "3 must be text"),
        ({"better": "hihger"}, "better must be None or one of higher, lower, got 'hihger'; did you mean 'higher'?"),
        ({"shown": "table"}, "cost, got 'table'; did you mean 'table'?"),
        ({"shown": ("tabel",)}, "cost, got 'tabel'; did you mean 'table'?"),
        ({"digits": -1}, "digits must be a whole number of at least 0, got -1"),
        ({"name": "other"}, "measure 'mine' must be a Measure of that name"),
    ],
)
def test_what_could_not_be_shown_is_refused(alone, facts, message):
    with pytest.raises(ValueError, match=r"^measure 'mine'") as caught:
        MEASURES.register("mine", Measure(**({"name": "mine", "label": "{map} at {cut}"} | facts)))
    assert message in str(caught.value)
    assert "mine" not in MEASURES


EVIDENCE = SimpleNamespace(without_labels=nullcontext)


def raising(error: BaseException):
    def compute(evidence):
        raise error

    return compute


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), torch.tensor(2)])
def test_a_number_of_any_kind_is_taken(alone, value):
    measure("mine", "x")(lambda evidence: value)
    assert taken(EVIDENCE) == {"mine": 2.0}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float32("inf")])
def test_what_is_not_finite_is_missing(alone, value):
    measure("mine", "x")(lambda evidence: value)
    assert taken(EVIDENCE) == {}


@pytest.mark.parametrize("value", ["0.5", [1.0], {}, "high"])
def test_what_is_no_number_is_told_with_the_measure(alone, value):
    measure("mine", "x")(lambda evidence: value)
    with pytest.raises(UserError, match=r"measure 'mine'.* must give a number or None"):
        taken(EVIDENCE)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("hey"), "measure 'mine' failed: KeyError: 'hey'"),
        (RuntimeError("a\nb"), "measure 'mine' failed: RuntimeError: a b"),
        (SystemExit(), "measure 'mine' failed: SystemExit"),
        (UserError("not here"), "measure 'mine': not here"),
    ],
)
def test_what_fails_is_told_with_the_measure(alone, error, line):
    measure("mine", "x")(raising(error))

    with pytest.raises(UserError) as caught:
        taken(EVIDENCE)
    assert str(caught.value) == line


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_a_lack_of_memory_and_ctrl_c_pass(alone, error):
    measure("mine", "x")(raising(error))

    with pytest.raises(type(error)):
        taken(EVIDENCE)


@pytest.fixture(scope="module")
def evidence(digits) -> Evidence:
    """Of a run whose test queries may not be looked at."""
    hasher = fit(make_config({"code_length": 8, "train": {"epochs": 1}}), digits, test=False)
    return Evidence(hasher, digits, hasher.encode(digits.database), test=False)


@pytest.mark.parametrize("queries", ["validation", "test"])
def test_who_looks_at_labels_without_saying_so_is_named(evidence, alone, queries):
    assert evidence.validation.map > 0
    measure("mine", "x")(lambda evidence: getattr(evidence, queries).map)
    with pytest.raises(UserError, match="measure 'mine': a measure without needs_labels"):
        taken(evidence)


def test_a_run_that_leaves_test_queries_alone_has_all_measures_of_validation_queries(evidence):
    values = taken(evidence)
    validation = {name for name in MEASURES.names() if name.startswith("val_")}
    assert validation <= set(values)
    assert not {name for name in values if name.startswith("test_")}
    assert values["val_map"] == validation_map(evidence) == evidence.hasher.metrics["val_map"]
