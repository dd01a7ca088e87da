"""Whether the trials of a study were trained by one version: of code, libraries and kind of machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from optuna.trial import FrozenTrial

from nsh_core.errors import UserError
from study.execution.provenance import (
    CPU_CAPABILITY,
    capability_setting,
    differences,
    differing,
    provenance,
    version_of,
)
from study.execution.records import TrialFacts

_SHOWN = 3


def is_of_another_version(trial: FrozenTrial) -> bool:
    """Whether a trial that has run was trained by another version than this process would.

    Args:
        trial: As storage has it.
    """
    return bool(differing(version_of(TrialFacts.of(trial).provenance), version_of(provenance())))


def refuse(study: str, others: Sequence[FrozenTrial]) -> NoReturn:
    """Refuses to go on with a study of which another version trained a part.

    Args:
        study: Its name.
        others: Those trials, at least one.

    Raises:
        UserError: Says what differs, and what to do.
    """
    now = version_of(provenance())
    versions = [version_of(TrialFacts.of(trial).provenance) for trial in others]
    lines = list(dict.fromkeys(line for version in versions for line in differences(version, now)))
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    capable = capability_setting(versions[0][CPU_CAPABILITY]) if len(lines) == 1 else ""
    raise UserError(
        f"{len(others)} trials of study {study} were trained by another version ({'; '.join(lines[:_SHOWN])}{more}): "
        f"{f'set {capable} to train as they were, or ' if capable else ''}give --rerun-older to train them again, or "
        "--allow-mixed to go on beside them (in Python others='rerun' or 'mix')"
    )
