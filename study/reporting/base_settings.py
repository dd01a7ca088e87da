"""The settings of a study's base run, each with its meaning, as a section."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nsh_core import Config
from nsh_core.settings import dotted
from study.analysis.results import Results
from study.reporting.section import Section

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def base_settings(results: Results) -> Section | None:
    """Every setting of the reference arm's first run; none where tables hold no configurations.

    Args:
        results: Of the study.
    """
    done = results.done
    if done.empty or "config" not in done:
        return None
    own = done[done.arm == results.spec.reference_arm.name]
    run = (own if len(own) else done).sort_values("seed").iloc[0]
    values = dotted(json.loads(run.config))
    known = dict(_fields(Config))
    rows: list[list[str]] = []
    others = []
    for name, value in values.items():
        field = known.get(name)
        default = None if field is None else field.get_default(call_default_factory=True)
        if field is not None and name != "seed" and value != default:
            others.append(len(rows))
        rows.append([name, in_words(value), *_told(field, default)])
    tuned = ", as tuned" if run.tuned not in ("{}", None) else ""
    note = (
        f"Of {run.arm}{tuned}, seed {run.seed}, as it ran; what stands out differs from the default. What each arm "
        "changes follows below."
    )
    columns = ["setting", "value", "default", "allowed", "meaning"]
    return Section("Settings of the base run", [note], columns, rows, others, folded=True)


def in_words(value: Any) -> str:
    """The value of a setting as YAML has it, nothing as "none".

    Args:
        value: Plain.
    """
    if isinstance(value, str):
        return value
    return "none" if value is None else json.dumps(value)


def _told(field: FieldInfo | None, default: Any) -> list[str]:
    """Default, range and meaning; an option is its method's or sorter's, which are not asked: they come with torch."""
    if field is None:
        return ["", "", "option of the method or sorter"]
    return [in_words(default), _allowed(field), field.description or ""]


def _allowed(field: FieldInfo) -> str:
    choices = [choice for kind in _kinds(field.annotation) for choice in get_args(kind) if get_origin(kind) is Literal]
    if bool in _kinds(field.annotation):
        choices = ["true", "false"]
    bounds = [
        f"{words} {getattr(one, name):.12g}"
        for one in field.metadata
        for name, words in _BOUNDS.items()
        if hasattr(one, name)
    ]
    parts = [", ".join(map(str, choices)), ", ".join(bounds), "none" if type(None) in _kinds(field.annotation) else ""]
    return " or ".join(part for part in parts if part)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The parts of a union, or the type itself."""
    return (annotation,) if get_origin(annotation) in (Literal, list, dict) else (get_args(annotation) or (annotation,))


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The settings of a configuration, by dotted name."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field
