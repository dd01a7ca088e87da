"""Settings as files and command lines give them, before they are a Config."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from nsh_core.arguments import in_short, names
from nsh_core.errors import UserError
from nsh_core.files import status_of
from nsh_core.plain_yaml import LONGEST, read_yaml
from nsh_core.registry import nearest, nearest_file


def validation_line(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """A pydantic error in one line that names each setting, what was got and what is allowed.

    Args:
        error: As pydantic raised it.
        model: That refused the settings; where it is given, what it knows is listed beside an unknown one.
    """
    parts = []
    for item in error.errors():
        loc, value = [str(part) for part in item["loc"]], item["input"]
        where = f"{'.'.join(loc)}: " if loc else ""
        message = item["msg"].removeprefix("Value error, ")
        named = isinstance(value, str) and repr(value) in message
        got = "" if named or isinstance(value, (dict, BaseModel)) else f", got {in_short(value)}"
        if item["type"] == "string_type" and isinstance(value, (int, float)):
            got += ": as text write it in quotes"
        if item["type"] == "bool_type":
            message = "Input should be true or false"
        if item["type"] == "literal_error":
            got += nearest(str(value), [part.strip("'") for part in re.split(", | or ", item["ctx"]["expected"])])
        if item["type"] == "extra_forbidden":
            message = "unknown setting"
            known = [] if model is None else _settings_of(model, loc[:-1])
            got += f", known: {', '.join(known)}{nearest(loc[-1], known)}" if known else ""
        parts.append(f"{where}{message}{got}")
    return "; ".join(parts)


def _settings_of(model: type[BaseModel], sections: Sequence[str]) -> list[str]:
    """The names of the settings of a section; none where that is no section of its own."""
    path = iter(sections)
    for section in path:
        kind = model.model_fields[section].annotation if section in model.model_fields else None
        inner = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not inner:
            return []
        model = inner[0]
        if get_origin(kind) is dict:
            next(path, None)  # the name of one among several sections
    return list(model.model_fields)


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file.

    Raises:
        UserError: It is missing, malformed or no mapping.
    """
    path = Path(path)
    try:
        status_of(path)
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}{nearest_file(path)}") from None
    try:
        content = read_yaml(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid YAML or JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a mapping of settings, got {type(content).__name__}")
    return content


def parse_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Assignments 'a.b=c' as dotted names with values, each value read as YAML.

    Args:
        texts: As a command line has them.

    Raises:
        UserError: It is a single text, there is no name or no '=', a value is no YAML, or a setting is given twice.
    """
    pairs = [_parsed(text) for text in names("assignments", texts)]
    twice = clash(name for name, _ in pairs)
    if twice is not None:
        values = " and ".join(repr(value) for name, value in pairs if name in twice)
        raise UserError(f"{' and '.join(dict.fromkeys(twice))} given twice, as {values}: once is enough")
    return dict(pairs)


def _parsed(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UserError(f"a setting is written NAME=VALUE, as loss.num_positives=5, got {text!r}")
    try:
        return name.strip(), read_yaml(value)
    except ValueError as error:
        raise UserError(f"{name.strip()}: {in_short(value)} is not a valid value: {error}") from None


def clash(names: Iterable[str]) -> tuple[str, str] | None:
    """Two dotted names of one setting, or of a section and a setting in it; none where all are apart.

    Args:
        names: Of settings.
    """
    parts = sorted(name.split(".") for name in names)
    for one, other in pairwise(parts):
        if other[: len(one)] == one:
            return ".".join(one), ".".join(other)
    return None


def dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by dotted name, as with_overrides takes them.

    Args:
        settings: As a model dumps them.
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": own for inner, own in dotted(value).items()}
        else:
            flat[name] = value
    return flat


def as_json(what: str, value: Any) -> str:
    """The value of a setting as JSON.

    Args:
        what: What the message calls it.
        value: As given.

    Raises:
        UserError: JSON has no such value.
    """
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        raise UserError(f"{what} must be a plain value, got {in_short(value)}") from None


def with_overrides(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A nested copy of `settings` with the dotted names of `overrides` replaced.

    Args:
        settings: Nested.
        overrides: By dotted name.

    Raises:
        UserError: A name is in no section, or a value among `settings` is not plain.
    """
    result = {name: json.loads(as_json(name, value)) for name, value in settings.items()}
    for dotted, value in overrides.items():
        *sections, last = dotted.split(".")
        node = result
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise UserError(f"{dotted}: {section!r} is a single setting, not a section")
        node[last] = value
    return result
