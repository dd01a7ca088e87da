"""What is chosen by name, from the registries."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from docs.making import settings
from docs.making.docstrings import described, first_line
from docs.making.grids import code, grid, plain
from nsh_core import make_config
from nsh_core.ranges import Range
from nsh_core.registry import BACKBONES, DATASETS, METHODS, SORTERS
from study.plan.loading import available
from study.registry import FIGURES, MODES, SAMPLERS, TRACKERS


def methods() -> str:
    """Each method with its source, its options, and what tuning searches."""
    parts = []
    for name in METHODS.names():
        method = METHODS[name]
        facts = f"{plain(method.paper)}. Learns from {method.information}."
        options = settings.rows(method.Options, "method.options.")
        table = grid(("option", "default", "allowed", "what it is"), options) if options else "No options."
        config = make_config({"method": {"name": name}, "model": {"hash_head": method.hash_heads[0]}})
        parts.append(f"### {name}\n\n{facts}\n\n{table}\n\n{_searched(method.search_space(config))}")
    return "\n\n".join(parts)


def sorters() -> str:
    """Each sorter with its source, its options, and where its temperature is searched."""
    parts = []
    for name in SORTERS.names():
        sorter = SORTERS[name]
        low, high = sorter.search_range
        told = f"Temperature {sorter.default_temperature:g} by default, searched from {low:g} to {high:g}."
        paper = f"{plain(sorter.paper)}. " if sorter.paper else ""
        meanings = described(sorter, "parameters")
        options = [
            (code("sorter.temperature" if option == "temperature" else f"sorter.options.{option}"),
             "" if parameter.default is None else code(parameter.default), plain(meanings.get(option, "")))
            for option, parameter in inspect.signature(sorter).parameters.items()
        ]  # fmt: skip
        table = grid(("option", "default", "what it is"), options) if options else "No options."
        parts.append(f"### {name}\n\n{plain(first_line(sorter))}\n\n{paper}{told}\n\n{table}")
    return "\n\n".join(parts)


def studies() -> str:
    """The shipped studies and what they ask."""
    return grid(("name", "question"), [(code(spec.name), plain(spec.question)) for spec in available()])


def others() -> str:
    """The names of all other registries."""
    asked = {
        "Data sets (`--dataset`)": DATASETS.usages(),
        "Backbones (`image.backbone`)": BACKBONES.usages(),
        "Modes (`mode`, `--mode`)": MODES.names(),
        "Samplers (`tune.sampler`)": SAMPLERS.names(),
        "Figures (`figures`)": FIGURES.names(),
        "Trackers (`--track`)": TRACKERS.names(),
    }
    return grid(("what", "names"), [(what, ", ".join(map(code, names))) for what, names in asked.items()])


def _searched(space: Mapping[str, Any]) -> str:
    if not space:
        return "Tuning has nothing to search."
    return "Tuning searches " + ", ".join(f"{code(name)} ({_range(one)})" for name, one in space.items()) + "."


def _range(searched: Range) -> str:
    step = f", in steps of {searched.step}" if searched.step and searched.step > 1 else ""
    return f"{searched.low:g} to {searched.high:g}{step}"
