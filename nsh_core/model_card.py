"""The card of a trained hasher: a README.md with front matter, as Hugging Face's model cards have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from nsh_core.config import Config
from nsh_core.data.facts import DataFacts
from nsh_core.errors import UserError, printable
from nsh_core.files import write_atomically
from nsh_core.markdown import as_markdown
from nsh_core.metrics.per_query import from_text
from nsh_core.registry import METHODS
from nsh_core.settings import dotted

CARD = "README.md"
_MADE = (
    "<!-- Written by nsh_core. Saved again into this folder, a hasher keeps the line `license`, and nothing else. -->"
)
_LICENSE = re.compile(r"^license: .*$", re.MULTILINE)
_NO_LICENSE = "license: unknown"
_ALWAYS = ("code_length", "train.epochs", "train.batch_size", "train.learning_rate", "seed")
_NORMAL = 1.96


def write_card(
    folder: Path, config: Config, data: DataFacts | None, found: dict[str, Any], takes: str, digest: str
) -> None:
    """Writes the card beside a saved hasher; a README.md that is no such card stays as it is, which a note tells.

    Args:
        folder: Of the hasher.
        config: What it was trained with.
        data: What it was trained on, if that is known.
        found: What training and evaluation found, see Hasher.measured.
        takes: Which items it encodes, in words.
        digest: Of the hasher.

    Raises:
        UserError: The file cannot be read or written.
    """
    path = folder / CARD
    license_line = _NO_LICENSE
    try:
        if path.exists():
            known = path.read_text(encoding="utf-8")
            if _MADE not in known:
                print(f"note: {path} is no card of a hasher and stays as it is: this one has none")
                return
            kept = _LICENSE.search(known)
            license_line = kept[0] if kept else _NO_LICENSE
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    text = "\n".join(
        [
            "---",
            license_line,
            *_front_matter(config, data, found),
            "---",
            _MADE,
            *_introduction(config, digest),
            *_use(takes),
            *_data(data),
            *_method(config),
            *_results(config, data, found),
            *_limits(data),
            "",
        ]
    )
    write_atomically(path, text)


def _front_matter(config: Config, data: DataFacts | None, found: dict[str, Any]) -> list[str]:
    """Names are in quotes: other readers of YAML know 1.1, where `no` is false."""
    images = data is not None and data.images is not None
    facts: dict[str, Any] = {
        "library_name": "nsh-study",
        "pipeline_tag": "image-feature-extraction" if images else "feature-extraction",
        "tags": ["image-retrieval", "hashing", "binary-codes", "unsupervised", config.method.name],
    }
    if data is not None and "test_map" in found["metrics"]:
        name = _map_name(config, data)
        value = {"type": "mean_average_precision", "name": f"test {name}", "value": found["metrics"]["test_map"]}
        result = {
            "task": {"type": "image-retrieval"},
            "dataset": {"name": printable(data.name), "type": printable(data.name)},
            "metrics": [value],
        }
        facts["model-index"] = [{"name": _title(config), "results": [result]}]
    return [f"{name}: {json.dumps(value)}" for name, value in facts.items()]


def _title(config: Config) -> str:
    return f"{config.method.name}, {config.code_length} bits"


def _map_name(config: Config, data: DataFacts | None) -> str:
    k = config.map_at or (None if data is None else data.map_at)
    return "mAP@all" if k is None else f"mAP@{k}"


def _plain(text: str) -> str:
    return as_markdown(printable(text))


def _introduction(config: Config, digest: str) -> list[str]:
    learned = "from labels" if config.information == "labels" else "without labels"
    return [
        "",
        f"# {_plain(_title(config))}",
        "",
        f"A hash function, learned {learned}: it makes codes of {config.code_length} bits, which are searched by "
        f"Hamming distance. Digest of the model: {digest}. Config: {config.digest()}.",
    ]


def _use(takes: str) -> list[str]:
    return [
        "",
        "## Use",
        "",
        f"It takes {_plain(takes)}.",
        "",
        "```python",
        "from nsh_core import Hasher",
        "",
        'hasher = Hasher.load("FOLDER")',
        "codes = hasher.encode(items)  # uint8 [N, ceil(K / 8)], the first bit highest: np.packbits",
        "index = hasher.index(items)",
        "hits = index.search(queries, top=10)",
        "```",
        "",
        "```",
        "python -m nsh_core encode --model FOLDER --input ITEMS --out codes.npy",
        "python -m nsh_core index --model FOLDER --database ITEMS --out INDEX",
        "python -m nsh_core search --index INDEX --query ITEMS --top 10",
        "```",
    ]


def _data(data: DataFacts | None) -> list[str]:
    if data is None:
        return ["", "## Data", "", "Not known: it was trained by an earlier version."]
    known = f", fingerprint {data.fingerprint}" if data.fingerprint else ""
    return [
        "",
        "## Data",
        "",
        f"{_plain(data.name)}{known}: {data.train:,} training items, {data.database:,} in the database, "
        f"{data.validation:,} validation and {data.test:,} test queries.",
    ]


def _method(config: Config) -> list[str]:
    """Its settings: those that every run has, and what differs from the defaults."""
    default = Config.model_validate({"method": {"name": config.method.name}})
    settings, usual = (dotted(one.model_dump(mode="json")) for one in (config, default))
    shown = [name for name, value in settings.items() if name in _ALWAYS or value != usual.get(name)]
    if config.sorts:
        shown = ["sorter.name", *(name for name in shown if name != "sorter.name")]
    return [
        "",
        "## Method",
        "",
        f"{_plain(config.method.name)}: {_plain(METHODS[config.method.name].paper)}",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {_plain(name)} | {_plain(str(settings[name]))} |" for name in shown),
        "",
        "All others are the defaults of nsh_core; `hasher.json` holds all of them.",
    ]


def _results(config: Config, data: DataFacts | None, found: dict[str, Any]) -> list[str]:
    rows = []
    for name, value in found["metrics"].items():
        kind, _, measure = name.partition("_")
        within = _interval(value, found["ap"][kind]) if measure == "map" and found["ap"].get(kind) else ""
        rows.append(f"| {_plain(name)} | {value:.4f} | {within} |")
    return [
        "",
        "## Results",
        "",
        "| measure | value | 95% interval over queries |",
        "|---|---|---|",
        *rows,
        "",
        f"`val_map` and `test_map` are {_map_name(config, data)} of validation and test queries; relevance is a shared "
        "label, ties are in the order of the database, `_expected` is the mean over random orders of them. Precision "
        f"and recall are at {config.precision_at}. Intervals are normal: the mean of AP and {_NORMAL} standard errors "
        "of it over the queries, for this one run. What another seed would give is not in them.",
    ]


def _interval(value: float, ap: str) -> str:
    each = from_text(ap).astype(np.float64)
    if len(each) < 2:
        return ""
    half = _NORMAL * each.std(ddof=1) / len(each) ** 0.5
    return f"[{max(0.0, value - half):.4f}, {min(1.0, value + half):.4f}]"


def _limits(data: DataFacts | None) -> list[str]:
    of = "its training items" if data is None else _plain(data.name)
    return [
        "",
        "## Limits",
        "",
        f"- Trained on {of} alone; what it does on other data was not measured.",
        "- It expects items as under Use; those of another scale are refused where that can be told.",
        "- Labels took no part in training. They served the measures above, and with them whoever chose by these.",
        "- Codes are compared with codes of this model alone: bits of another one mean something else.",
        "- The licence is for whoever hands the model on to choose: the field `license` at the top of this file.",
    ]
