"""Random command lines, most of them nearly right."""

import functools
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import typer
from hypothesis import strategies as st

import nsh_core.__main__
import study.report
import study.run
from tests.conftest import feature_arrays
from tests.study.commands import SPEC
from tests.study.random_bytes import npy, npz

FEATURES = "f.npz"
SMALL = ["--set", "train.epochs=1", "--set", "train.batch_size=8", "--set", "code_length=8", "--set", "model.width=8"]


@dataclass(frozen=True)
class Given:
    """A command as typed, in a folder with some files. script: one of MAINS in forks.py; a file of None is a folder."""

    script: str
    options: list[str]
    files: dict[str, bytes | None] = field(default_factory=dict)


# Texts are part of paths too: none leaves the folder that the command runs in.
_ODD = st.sampled_from(
    ["", " ", "-", "--", "-x", "--set", "0", "-1", "1e9", "1.5", "nan", "inf", "9" * 30, "9" * 5000, "x" * 5000,
     "\n", "a\nb", "\t", "\x1b[31m", "\x07", "\u2028", "\u202e", "\udcff", "é", "日本", "🙂", "%s", "{}", "[/b]",
     "null", "true", "no", "1:30", "2024-01-01", "&a", "*a", "!!python/object:os.system x", "a=b", "=", "a.b.c", ".",
     "[", "{a: [", "a,b", "sqlite://", "://", "C:\\x", "$HOME", "`x`", "١٢", "½", "0x10", "1_0", "+1"]
)  # fmt: skip
_TEXT = st.text(st.characters(blacklist_characters="\0/~"), max_size=12)


def _safe(text: str) -> bool:
    return not text.startswith(("/", "~")) and ".." not in text and "\0" not in text


@st.composite
def nearly(draw: st.DrawFn, text: str) -> str:
    """A text with a typing error or two, or another altogether."""
    kind = draw(st.sampled_from(["typo", "typo", "odd", "text", "case", "more"]))
    if kind == "odd":
        return draw(_ODD)
    if kind == "text":
        return draw(_TEXT.filter(_safe))
    if kind == "case":
        return text.swapcase()
    if kind == "more":
        return text + draw(_ODD)
    at = draw(st.integers(0, max(0, len(text) - 1)))
    new = draw(st.sampled_from(["", "", "a", "-", "=", "\x00"[:0], "é", text[at : at + 1] * 2]))
    return text[:at] + new + text[at + 1 :]


RIGHT: dict[str, list[str]] = {
    "--study": ["tiny.yaml", "sorter_ablation", "tiny"],
    "--dataset": ["digits", f"features:{FEATURES}", FEATURES, "arrays:i", "imagefolder:i", "cifar10", "list:l.txt"],
    "--set": ["code_length=16", "loss.gap=1", "sorter.name=neuralsort", "method.name=cibhash", "model={depth: 1}",
              "sorter.temperature=0.5", "train.neighbors=3", "seed=1", "method={name: sdc, options: {gamma: 1}}"],
    "--plugin": ["plug.py", "json"],
    "--storage": ["j.log", "sqlite:///s.db", "postgresql://u:hunter2@127.0.0.1:1/d", "grpc://127.0.0.1:1"],
    "--mode": ["grid", "tuned", "one_factor", "pareto"],
    "--batch-trials": ["auto", "2"],
    "--engine": ["local", "ray"],
    "--results": ["r"],
    "--reports": ["p"],
    "--export": ["e.zip"],
    "--on-finish": ["true", "exit 3"],
    "--config": ["c.yaml"],
    "--out": ["o", "o.npz"],
    "--checkpoints": ["k"],
    "--model": ["hasher"],
    "--input": ["x.npy"],
    "--backbone": ["efficientnet_lite0", "resnet18"],
    "--recipe": ["simclr", "moco"],
    "--weights": ["random", "pretrained"],
    "--dtype": ["float16", "float32"],
    "--across": ["tiny"],
    "--compare": ["softsort"],
}  # fmt: skip
_FIXED = {"--on-finish"}  # what it says is run
_PLUGIN = b"from nsh_core.registry import SORTERS\n"
_FILES: dict[str, bytes | None] = {
    "tiny.yaml": SPEC.encode(), "plug.py": _PLUGIN, "c.yaml": b"code_length: 8\n", "r": None, "l.txt": b"a.png 1 0\n",
}  # fmt: skip


@functools.cache
def options_of(script: str, command: str) -> dict[str, Any]:
    """The options of a command, by what is typed."""
    apps = {"run.py": study.run.app, "report.py": study.report.app, "nsh_core": nsh_core.__main__.app}
    found: Any = typer.main.get_command(apps[script])
    if command:
        found = found.commands[command]
    return {one.opts[0]: one for one in found.params if one.opts[0].startswith("--")}


@st.composite
def _typed(draw: st.DrawFn, script: str, command: str, without: Set[str] = frozenset()) -> list[str]:
    known = options_of(script, command)
    typed: list[str] = []
    for name in draw(st.lists(st.sampled_from(sorted(set(known) - without)), max_size=4)):
        said = draw(nearly(name)) if draw(st.integers(0, 15)) == 0 else name
        if known[name].is_flag:
            typed.append(said)
            continue
        right = draw(st.sampled_from(RIGHT.get(name, ["1", "2", "0.5"])))
        wrong = name not in _FIXED and draw(st.integers(0, 2)) == 0
        values = [draw(nearly(right)) if wrong else right for _ in range(known[name].nargs)]
        joined = len(values) == 1 and draw(st.booleans())
        typed += [f"{said}={values[0]}"] if joined else [said, *values]
    if draw(st.integers(0, 15)) == 0:
        typed.append(draw(_ODD))
    return [one for one in typed if _safe(one.partition("=")[2]) and _safe(one)]


@st.composite
def command_lines(draw: st.DrawFn, hasher: Path) -> Given:
    """Command lines of every command, of which none starts long work."""
    kind = draw(
        st.sampled_from(["dry", "dry", "dry", "check", "run", "report", "train", "evaluate", "encode", "features"])
    )
    long = {"--list", "--check", "--repair", "--engine", "--measure-cost", "--jobs", "--limit", "--trials", "--verify"}
    if kind == "dry":
        return Given("run.py", ["--study", "tiny.yaml", "--dry-run", *draw(_typed("run.py", ""))], _FILES)
    if kind == "check":
        return Given("run.py", ["--check", *draw(_typed("run.py", "", {"--repair"}))], _FILES)
    if kind == "run":
        heavy = {"--study", "--set", "--dataset", "--mode", "--seeds", "--tune-each-seed"}
        spec = SPEC.replace("train.epochs: 2", "train.epochs: 1").encode()
        options = ["--study", "tiny.yaml", "--limit", "1", "--jobs", "1", *draw(_typed("run.py", "", long | heavy))]
        return Given("run.py", options, _FILES | {"tiny.yaml": spec})
    if kind == "report":
        return Given("report.py", draw(_typed("report.py", "")), _FILES)
    typed = draw(_typed("nsh_core", kind, {"--set"} if kind == "train" else set()))
    files = _FILES | {"x.npy": npy(np.zeros((4, 64), np.float32)), FEATURES: npz(feature_arrays())}
    needed = {
        "train": ["--set", "train.epochs=1", *draw(st.sampled_from([[], ["--set", draw(nearly("code_length=8"))]]))],
        "evaluate": ["--model", str(hasher)],
        "encode": ["--model", str(hasher), "--input", "x.npy", "--out", "o"],
        "features": ["--dataset", "digits", "--out", "o"],
    }[kind]
    return Given("nsh_core", [draw(nearly(kind)) if draw(st.integers(0, 15)) == 0 else kind, *needed, *typed], files)
