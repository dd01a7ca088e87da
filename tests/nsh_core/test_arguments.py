import numpy as np
import pytest
import torch

from nsh_core import UserError
from nsh_core.arguments import called, count, in_short, names, one_of, optional_count, path
from study.execution.engine import Others


def test_a_value_is_shown_in_a_line():
    assert in_short(np.ones((3, 4))) == "ndarray [3, 4]"
    assert in_short(torch.ones(2)) == "Tensor [2]"
    assert in_short(np.int64(3)) == "np.int64(3)"
    assert in_short(np.ndarray) == "<class 'numpy.ndarray'>"
    assert in_short("a  b") == "'a  b'"
    assert in_short("x" * 200) == f"'{'x' * 79}..."


def test_what_fits_is_handed_on():
    assert (count("top", np.int64(3)), optional_count("seeds", None)) == (3, None)
    assert names("plugins", ("a.py", "b")) == ["a.py", "b"]
    assert called("on_trial", None) is None
    assert called("on_trial", print) is print


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (lambda: count("top", "3"), "top must be a whole number of at least 1, got '3'"),
        (lambda: count("top", None), "top must be a whole number of at least 1, got None"),
        (lambda: count("top", True), "top must be a whole number of at least 1, got True"),
        (lambda: count("top", 2.0), "top must be a whole number of at least 1, got 2.0"),
        (lambda: names("plugins", "a.py"), "plugins must be a list, got 'a.py': write ['a.py']"),
        (lambda: names("plugins", 3), "plugins must be a list of texts, got 3"),
        (lambda: path("results", 3), "results must be a path, got 3"),
        (lambda: called("on_trial", 3), "on_trial must be a function, got 3"),
        (lambda: one_of("others", "mixx", Others), "others must be one of refuse, mix, rerun, got 'mixx'; did you mean "
         "'mix'?"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(check, line):
    with pytest.raises(UserError) as refused:
        check()
    assert str(refused.value) == line
