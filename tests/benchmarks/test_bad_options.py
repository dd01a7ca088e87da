import sys

import pytest

from benchmarks import many_trials, many_workers, storage
from nsh_core import cli


@pytest.mark.parametrize(("module", "options", "message"), [
    (storage, ["--storage", "sqlit"], "must be one of journal, sqlite, postgresql, grpc, got 'sqlit'"),
    (storage, ["--clients", "0"], "should be greater than or equal to 1"),
    (many_workers, ["--workers", "0"], "should be greater than or equal to 1"),
    (many_trials, ["--arms", "0"], "should be greater than or equal to 2"),
])  # fmt: skip
def test_bad_options_end_in_a_line(module, options, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module.__name__, *options])
    with pytest.raises(SystemExit) as end:
        cli.run(module.app)
    assert end.value.code == cli.BAD_INPUT
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
