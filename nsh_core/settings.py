"""Settings as files and command lines give them, before they are a Config."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from nsh_core.errors import UserError
from nsh_core.registry import nearest


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
        got = "" if named or isinstance(value, (dict, BaseModel)) else f", got {value!r}"
        if item["type"] == "extra_forbidden":
            message = "unknown setting"
            known = [] if model is None else _settings_of(model, loc[:-1])
            got += f", known: {', '.join(known)}{nearest(loc[-1], known)}" if known else ""
        parts.append(f"{where}{message}{got}")
    return "; ".join(parts)


def _settings_of(model: type[BaseModel], sections: Sequence[str]) -> list[str]:
    """The names of the settings of a section; none where that is no section of its own."""
    for section in sections:
        kind = model.model_fields[section].annotation if section in model.model_fields else None
        inner = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not inner:
            return []
        model = inner[0]
    return list(model.model_fields)


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file.

    Raises:
        UserError: It is missing, malformed or no mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML or JSON: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a mapping of settings, got {type(content).__name__}")
    return content


def parse_assignment(text: str) -> tuple[str, Any]:
    """'a.b=c' as ('a.b', value), the value read as YAML.

    Raises:
        UserError: There is no name or no '=', or the value is no YAML.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UserError(f"--set wants NAME=VALUE, e.g. loss.num_positives=5, got {text!r}")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {name.strip()}: {value!r} is not a valid value") from None


def with_overrides(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A nested copy of `settings` with the dotted names of `overrides` replaced; UserError for one in no section."""
    result = json.loads(json.dumps(settings))
    for dotted, value in overrides.items():
        *sections, last = dotted.split(".")
        node = result
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise UserError(f"{dotted}: {section!r} is a single setting, not a section")
        node[last] = value
    return result
