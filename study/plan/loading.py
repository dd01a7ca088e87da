"""Where studies come from: shipped specs, files, Python, and each in another mode."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nsh_core import plugins
from nsh_core.errors import UserError
from nsh_core.registry import nearest
from nsh_core.settings import read_mapping, validation_line
from study.plan.arm import short
from study.plan.spec import StudySpec, tunes_nothing
from study.registry import MODES

_ENDINGS = (".yaml", ".yml", ".json")
SPECS = Path(__file__).parents[1] / "specs"


def available() -> list[StudySpec]:
    """The shipped specs, by name."""
    return [load_spec(str(path)) for path in sorted(SPECS.glob("*.yaml"))]


def load_spec(name: str, others: Iterable[str] = ()) -> StudySpec:
    """A study by name or file; its plug-ins are loaded first.

    Args:
        name: Of a shipped spec, or the path of a .yaml, .yml or .json file.
        others: What else may be named where it is asked for.

    Raises:
        UserError: What does not fit, or a plug-in that cannot be used.
    """
    if not is_spec(name):
        raise UserError(_no_spec(name, others))
    path = Path(name) if name.endswith(_ENDINGS) else SPECS / f"{name}.yaml"
    settings = {"name": path.stem} | read_mapping(path)
    names = settings.get("plugins")
    if isinstance(names, list) and all(isinstance(one, str) for one in names):
        settings["plugins"] = [plugins.resolved(one, path.parent) for one in names]
        plugins.load(settings["plugins"])
    return _validated(settings, str(path))


def is_spec(name: str) -> bool:
    """Whether a name is that of a shipped spec, or ends as the path of one does.

    Args:
        name: As typed.
    """
    return name.endswith(_ENDINGS) or name in _shipped()


def _shipped() -> list[str]:
    return [spec.stem for spec in sorted(SPECS.glob("*.yaml"))]


def _no_spec(name: str, others: Iterable[str]) -> str:
    """Why a name means no study."""
    known = list(dict.fromkeys([*_shipped(), *others]))
    instead = f"the path of a spec ends in {', '.join(_ENDINGS)}"
    beside = [f"{name}{ending}" for ending in _ENDINGS if os.path.isfile(f"{name}{ending}")]
    near = f"; did you mean {beside[0]!r}?" if beside else nearest(name, known)
    # os.path takes names that are too long for the system, or hold a NUL, for nothing; Path raises.
    if name and os.path.isdir(name):
        held = sorted(os.path.join(name, file) for file in os.listdir(name) if file.endswith(_ENDINGS))
        return f"study {name!r} is a folder, and {instead}" + (f"; did you mean {held[0]!r}?" if held else near)
    if os.path.isfile(name):
        return f"study {name!r} is a file of another kind: {instead}{near}"
    return f"unknown study {name!r}, known: {', '.join(known)}, or give the path of a .yaml file{near}"


def spec_of(name: str, settings: Mapping[str, Any]) -> StudySpec:
    """A study that is written in Python: what a file would say, without a question where none is given.

    Args:
        name: Of the study; without factors that of a known study, which becomes one of its own with these settings.
        settings: By the names of StudySpec.

    Raises:
        UserError: What does not fit.
    """
    if "factors" not in settings:
        spec = load_spec(name)
        if settings.get("tune") is not None and not spec.how.tunes:
            spec = with_mode(spec, "tuned", None)
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:6]
        return _validated(spec.model_dump() | {"name": f"{spec.name}-{digest}"} | dict(settings), f"study {name}")
    factors = settings["factors"] if isinstance(settings["factors"], dict) else {}
    question = f"Which {' and '.join(map(short, factors))} is best?"
    return _validated({"name": name, "question": question} | dict(settings), f"study {name}")


def _validated(settings: Mapping[str, Any], where: str) -> StudySpec:
    try:
        return StudySpec.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"{where}: {validation_line(error, StudySpec)}") from None


def with_mode(spec: StudySpec, mode: str | None, trials: int | None, each_seed: bool = False) -> StudySpec:
    """The spec in another mode, under a name of its own, or with another tuning budget.

    Args:
        spec: As loaded.
        mode: Another mode, none for the spec's.
        trials: Tuning trials of each arm, none for the spec's.
        each_seed: Whether each seed gets a tuning of its own, where the spec does not say so itself.

    Raises:
        UserError: There is no such mode, or it does not fit the spec.
    """
    if mode is not None and mode not in MODES:
        raise UserError(MODES.unknown(mode))
    settings = spec.model_dump()
    if mode is not None and mode != spec.mode:
        settings |= {"mode": mode, "name": f"{spec.name}-{mode}"}
        settings |= MODES[mode].adapted(settings)
        settings["figures"] = [*(name for name in MODES[mode].figures if name not in spec.figures), *spec.figures]
    tune = ({} if trials is None else {"trials": trials}) | ({"each_seed": True} if each_seed else {})
    if tune:
        if not MODES[settings["mode"]].tunes:
            asked = " and ".join([*(["trials"] if trials else []), *(["tune_each_seed"] if each_seed else [])])
            raise UserError(f"study {spec.name}: {tunes_nothing(settings['mode'], asked)}")
        settings["tune"] = (settings["tune"] or {}) | tune
    return _validated(settings, f"study {spec.name}")
