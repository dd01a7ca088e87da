"""Whether the dashboard shows what the tables say, asked before its packages are imported, which takes a second."""

from __future__ import annotations

import hashlib

from study.analysis.results import Results
from study.execution.provenance import provenance
from study.execution.queue import TrialQueue
from study.storage.optuna_internals import study_id

_SHOWN = "nsh:shown"


def is_shown(queue: TrialQueue, results: Results) -> bool:
    """Whether this code has shown these results, all of them.

    Args:
        queue: Of the study.
        results: Of the study so far.
    """
    return queue.storage.get_study_system_attrs(study_id(queue.study)).get(_SHOWN) == _identity(results)


def keep_shown(queue: TrialQueue, results: Results) -> None:
    """Says so in the storage.

    Args:
        queue: Of the study.
        results: That were shown.
    """
    queue.storage.set_study_system_attr(study_id(queue.study), _SHOWN, _identity(results))


def _identity(results: Results) -> str:
    """A digest of the facts, the digests of all tables among them, and of the code."""
    facts = results.facts.model_dump_json(exclude={"command", "storage", "written"})
    return hashlib.sha256(f"{provenance()['commit']} {facts}".encode()).hexdigest()[:16]
