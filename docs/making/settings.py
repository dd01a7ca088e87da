"""Settings with their defaults, ranges and meanings, from the models that validate them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from docs.making.grids import code, grid, plain
from nsh_core.config import Config
from study.plan.budget import SamplerConfig, Tuning
from study.plan.spec import StudySpec

_HEADS = ("setting", "default", "allowed", "what it is")
_WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false",
          "array": "list", "object": "mapping", "null": "none"}  # fmt: skip
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<",
           "minLength": "length ≥", "maxLength": "length ≤"}  # fmt: skip


def of_a_run() -> str:
    """The settings of a run, section by section."""
    kinds = {name: field.annotation for name, field in Config.model_fields.items()}
    sections = {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}
    own = [row for row in rows(Config) if row[0].strip("`") not in sections]
    parts = [grid(_HEADS, own)]
    for name, model in sections.items():
        parts.append(f"### {name}\n\n{plain(model.__doc__ or '')}\n\n{grid(_HEADS, rows(model, f'{name}.'))}")
    return "\n\n".join(parts)


def of_a_spec() -> str:
    """The settings of a study's spec, and of its tuning."""
    parts = [grid(_HEADS, rows(StudySpec))]
    for name, model in (("tune", Tuning), ("tune.sampler", SamplerConfig)):
        parts.append(f"### {name}\n\n{plain(model.__doc__ or '')}\n\n{grid(_HEADS, rows(model, f'{name}.'))}")
    return "\n\n".join(parts)


def rows(model: type[BaseModel], prefix: str = "") -> list[tuple[str, str, str, str]]:
    """A row for each setting of a model.

    Args:
        model: Its class.
        prefix: Before each name: "train.".
    """
    schema = model.model_json_schema()
    return [
        (code(prefix + name), _default(field), _allowed(field), plain(field.get("description", "")))
        for name, field in schema["properties"].items()
    ]


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    return "none" if value is None else code(value if isinstance(value, str) else json.dumps(value))


def _allowed(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return ", ".join(dict.fromkeys(_allowed(one) for one in field["anyOf"]))
    if "enum" in field:
        return ", ".join(code(one) for one in field["enum"])
    if "pattern" in field:
        return f"text like {code(field['pattern'])}"
    words = _WORDS.get(field.get("type", ""), "")
    bounds = [f"{sign} {_number(field[bound])}" for bound, sign in _BOUNDS.items() if bound in field]
    items = _allowed(field["items"]) if "items" in field else ""
    return ", ".join([f"{words} of: {items}" if items else words, *bounds])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"
