"""The notebooks of the documentation run from the first cell to the last."""

import re
from pathlib import Path

import pytest

from docs.making.notebooks import FOLDER, executed
from tests.study.commands import ONE_THREAD, ROOT


def what_is_shown(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each code cell of a notebook showed as text, by its source, in a folder with nothing in it."""
    for variable, value in (ONE_THREAD | {"PYTHONPATH": str(ROOT)}).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    shown = {}
    for cell in executed(FOLDER / name, folder).cells:
        if cell.cell_type == "code":
            outputs = (one.get("text") or str(one.get("data", "")) for one in cell.outputs)
            shown[cell.source] = "".join(outputs)
    return shown


@pytest.mark.slow(20)
def test_a_first_study(tmp_path, monkeypatch):
    shown = what_is_shown("first_study.ipynb", tmp_path, monkeypatch)
    assert "not run yet" in next(iter(shown.values()))
    assert "<td>neuralsort</td>" in shown["study.run(jobs=2)"]
    assert shown["study.run(jobs=2)"].count("trials over, 0 running, best val_map") == 1  # one line, updated
    assert "is best on the validation queries" in shown["print(study.verdict)"]
    assert "image/png" in shown['study.figure("arms")']
    told = next(text for source, text in shown.items() if "on_trial" in source)
    arms = "softsort|neuralsort|argsort|gauss"
    assert {match[0] for match in re.findall(rf"^(({arms}) \d) 0\.\d+$", told, re.MULTILINE)} == {
        f"gauss {seed}" for seed in range(3)
    }
    assert (tmp_path / "reports" / "first" / "report.html").exists()


@pytest.mark.slow(20)
def test_from_images_to_codes_search_and_a_report(tmp_path, monkeypatch):
    shown = what_is_shown("own_images.ipynb", tmp_path, monkeypatch)
    metrics = next(text for source, text in shown.items() if "hasher.metrics" in source)
    assert float(re.findall(r"'test_map': (0\.\d+)", metrics)[0]) > 0.4
    card = next(text for source, text in shown.items() if "README.md" in source)
    for part in ("training items", "| test_map |", "- Trained on imagefolder:photos alone"):
        assert part in card
    assert "library_name" not in card
    assert "image/png" in next(text for source, text in shown.items() if "contact_sheet" in source)
    assert "<td>argsort</td>" in next(text for source, text in shown.items() if "study.run" in source)
    assert len(list((tmp_path / "reports").glob("*/report.html"))) == 1
