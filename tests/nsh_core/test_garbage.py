"""What a command has from its beginning is not looked through for garbage."""

import gc
import subprocess
import sys

import pytest

from nsh_core.garbage import left_alone
from tests.study.commands import ROOT


@pytest.fixture
def collector():
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("before", [True, False])
def test_nothing_is_looked_through_in_the_block_nor_what_it_made_afterwards(collector, before):
    looks = []
    gc.callbacks.append(lambda phase, _: looks.append(phase))
    try:
        if not before:
            gc.disable()
        with left_alone():
            made = [[] for _ in range(100_000)]
        assert not looks
        assert gc.isenabled() == before
        assert gc.get_freeze_count() > len(made)
    finally:
        gc.callbacks.pop()


def test_an_import_that_fails_leaves_the_collector_on(collector):
    with pytest.raises(ModuleNotFoundError), left_alone():
        import there_is_no_such_package  # type: ignore[import-not-found] # noqa: F401
    assert gc.isenabled()


def test_at_its_end_a_command_looks_through_nothing_that_was_imported():
    """Python's last look, at its very end, has what is not frozen."""
    code = (
        "import atexit, gc, sys, typer\nfrom nsh_core import cli\nsys.argv = ['door']\napp = typer.Typer()\n"
        "app.command()(lambda: None)\natexit.register(lambda: print(len(gc.get_objects())))\ncli.run(app)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 1000
