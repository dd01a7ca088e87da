"""What is wrong with an optional package, and the command that mends it."""

import pytest
import torch

from nsh_core import UserError, packages

NOT_BUILT_FOR_IT = RuntimeError("operator torchvision::nms does not exist")
CPU = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("torch_version", "error", "line"),
    [
        (
            "2.13.0+cpu",
            NOT_BUILT_FOR_IT,
            "it needs the package torchvision, which was built for another torch than 2.13.0+cpu (operator "
            "torchvision::nms does not exist): pip uninstall -y torchvision && pip install torch==2.13.0 torchvision "
            f"--index-url {CPU}",
        ),
        (
            "2.15.0+cu132",
            ModuleNotFoundError("No module named 'torchvision'", name="torchvision"),
            "it needs the package torchvision, which is not installed: pip install torch==2.15.0 torchvision "
            "--index-url https://download.pytorch.org/whl/cu132",
        ),
        (
            "2.13.0",
            ModuleNotFoundError("No module named 'PIL'", name="PIL"),
            "it needs the package torchvision, which cannot be imported (No module named 'PIL'): pip uninstall -y "
            "torchvision && pip install torch==2.13.0 torchvision",
        ),
    ],
)
def test_torchvision_comes_from_where_torch_does(monkeypatch, torch_version, error, line):
    def refuse(name: str) -> None:
        assert name == "torchvision"
        raise error

    monkeypatch.setattr(torch, "__version__", torch_version)
    monkeypatch.setattr(packages.importlib, "import_module", refuse)
    assert packages.lacking("torchvision", "it") == line
    with pytest.raises(UserError, match="it needs the package torchvision"):
        packages.need("torchvision", "it")


def test_a_torchsort_of_another_torch_is_built_again(monkeypatch):
    def refuse(name: str) -> None:
        raise ImportError("isotonic_cpu.so:\nundefined symbol: _ZN3c10")

    monkeypatch.setattr(packages.importlib, "import_module", refuse)
    assert packages.lacking("torchsort", "sorter torchsort") == (
        "sorter torchsort needs the package torchsort, which was built for another torch than "
        f"{torch.__version__} (isotonic_cpu.so: undefined symbol: _ZN3c10): pip install --no-build-isolation "
        "--force-reinstall --no-deps --no-cache-dir torchsort, or scripts/torchsort.sh (docs/install.md)"
    )


def test_what_is_there_lacks_nothing():
    assert packages.lacking("json", "it") == ""
    assert packages.need("json", "it").dumps
