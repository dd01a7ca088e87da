"""Where attributes of a trial are: user attributes are for people, what the queue keeps is among system attributes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from study.storage.transactions import OWN

# Asked of every trial at each look.
_among_system = cache(OWN.__add__)


def own(trial: FrozenTrial, name: str, default: Any = None) -> Any:
    """An attribute of the queue's, wherever the version that wrote it put it: earlier ones had user attributes alone.

    Args:
        trial: As storage has it.
        name: Of the attribute.
        default: Where the trial has none.
    """
    value = trial.system_attrs.get(_among_system(name))
    return trial.user_attrs.get(name, default) if value is None else value


def known(trial: FrozenTrial) -> dict[str, Any]:
    """All attributes of a trial by name, wherever the version that wrote them put them; none of Optuna's own.

    Args:
        trial: As storage has it.
    """
    system = trial.system_attrs
    return trial.user_attrs | {name.removeprefix(OWN): system[name] for name in system if name.startswith(OWN)}


def set_own(storage: BaseStorage, trial_id: int, name: str, value: Any) -> None:
    """Writes an attribute of the queue's.

    Args:
        storage: Of the trial's study.
        trial_id: Of a queued or running trial.
        name: Of the attribute.
        value: What JSON holds.
    """
    storage.set_trial_system_attr(trial_id, OWN + name, value)


def as_system(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of the queue's as system attributes of a trial that is to be added.

    Args:
        attributes: By name.
    """
    return {OWN + name: value for name, value in attributes.items()}
