"""What a study's storage holds of a trial: what it is to run, and what that came to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nsh_core import Config
from nsh_core.measures import MEASURES, SELECTION, Place, measures
from study.execution.attributes import as_system, known
from study.plan.goal import Goal
from study.storage.transactions import CLAIMANT

# Written for people: the dashboard lists a trial's attributes, and each is a transaction of its own.
_SHOWN = "failure"
FACTS = "facts"
# Who runs a trial, and when it was queued, is no part of what it came to.
_UNSEALED = (FACTS, "after", "owner", "lead", "beat")
_SEAL = "seal"


@dataclass(frozen=True)
class Task:
    """What a trial is to run.

    Attributes:
        key: Identifies the run by content: its config (seed included) and the data.
        after: Number of the trial of that key that it follows, -1 for the first.
        arm: Name of its arm.
        phase: "tuning" or "final".
        fingerprint: Of the data.
        config: What runs.
        prune_below: Epoch to the validation mAP that it must reach there.
        goal: What it is judged by.
    """

    key: str
    after: int
    arm: str
    phase: str
    fingerprint: str
    config: Config
    prune_below: dict[int, float] = field(default_factory=dict)
    goal: Goal = field(default_factory=Goal)

    def user_attributes(self) -> dict[str, Any]:
        """What people look for."""
        return {"arm": self.arm, "phase": self.phase, "seed": self.config.seed, "bits": self.config.code_length}

    def system_attributes(self) -> dict[str, Any]:
        """The rest."""
        attributes: dict[str, Any] = {
            "key": self.key,
            "after": self.after,
            "fingerprint": self.fingerprint,
            "config": self.config.model_dump_json(),
        }
        if self.prune_below:
            attributes["prune_below"] = {str(epoch): value for epoch, value in self.prune_below.items()}
        if not self.goal.is_plain:
            attributes["goal"] = self.goal.model_dump_json()
        return as_system(attributes)

    @classmethod
    def of(cls, trial: FrozenTrial) -> Task:
        """The task of a queued trial.

        Args:
            trial: As storage has it.
        """
        told = known(trial)
        return cls(
            told["key"],
            told["after"],
            told["arm"],
            told["phase"],
            told["fingerprint"],
            Config.model_validate_json(told["config"]),
            {int(epoch): value for epoch, value in told.get("prune_below", {}).items()},
            Goal.model_validate_json(told["goal"]) if "goal" in told else Goal(),
        )


@dataclass(frozen=True)
class TrialFacts:
    """What the run of a trial came to.

    Attributes:
        measures: Values by name, costs among them.
        failure: Why it failed; empty if it did not.
        stacked: How many runs trained with it.
        sorter_form: How its sorter ran.
        codes_sha256: Of the packed codes of the database.
        history: One mapping an evaluation.
        curves: By name, a value for each Hamming radius.
        nearest: What its gallery shows; empty for none.
        ap: AP of each query, by kind of queries; empty where an earlier version ran it, and for tuning.
        provenance: Where it was trained: commit, versions, machine.
    """

    measures: dict[str, float] = field(default_factory=dict)
    failure: str = ""
    stacked: int | None = None
    sorter_form: str | None = None
    codes_sha256: str | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    nearest: list[list[int]] = field(default_factory=list)
    ap: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)

    def attributes(self, task: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """As attributes of a trial: what people look for by itself, the rest as one text with a digest of all.

        Args:
            task: All attributes of the trial by now, as `known` gives them.
        """
        shown = {one.name for one in measures(Place.LISTS)}
        apart: dict[str, Any] = {name: value for name, value in self.measures.items() if name in shown}
        rest: dict[str, Any] = {name: value for name, value in self.measures.items() if name not in shown}
        if self.failure:
            apart[_SHOWN] = self.failure
        rest |= {
            "stacked": self.stacked,
            "sorter_form": self.sorter_form,
            "codes_sha256": self.codes_sha256,
            "history": self.history,
            "curves": self.curves,
            "nearest": self.nearest,
            "ap": self.ap,
            "provenance": self.provenance,
        }
        asked = {name: value for name, value in task.items() if name != _SHOWN}
        return apart, json.dumps(rest | {_SEAL: _seal({**asked, **apart}, rest)})

    @classmethod
    def of(cls, trial: FrozenTrial) -> TrialFacts:
        """What storage knows of a trial; nothing of one that has not run.

        Args:
            trial: As storage has it.
        """
        apart = _own(trial)
        return cls._of(apart, json.loads(apart.get(FACTS, "{}")))

    @classmethod
    def whole(cls, trial: FrozenTrial) -> TrialFacts | None:
        """What storage knows of a trial that is over; none where that is not what was written.

        One of an earlier version has no digest to tell by.

        Args:
            trial: As storage has it.
        """
        told = _own(trial)
        try:
            rest = json.loads(told.get(FACTS, "{}"))
            seal = rest.pop(_SEAL, None)
            if seal is not None and seal != _seal(told, rest):
                return None
            facts = cls._of(told, rest)
            if seal is None and trial.state == TrialState.COMPLETE:
                return facts if facts.history and facts.measures[SELECTION] == trial.value else None
        except (ValueError, TypeError, AttributeError, KeyError):
            return None
        return facts

    @classmethod
    def _of(cls, apart: Mapping[str, Any], rest: Mapping[str, Any]) -> TrialFacts:
        told = {**apart, **rest}
        values = {name: told[name] for name in MEASURES.names() if told.get(name) is not None}
        return cls(
            values,
            told.get(_SHOWN, ""),
            told.get("stacked"),
            told.get("sorter_form"),
            told.get("codes_sha256"),
            _read(told.get("history"), []),
            _read(told.get("curves"), {}),
            _read(told.get("nearest"), []),
            told.get("ap", {}),
            _read(told.get("provenance"), {}),
        )


def state_of(trial: FrozenTrial) -> str:
    """How tables, trackers and listeners call a trial's state: Optuna's name, "failed" for FAIL.

    Args:
        trial: As storage has it.
    """
    return "failed" if trial.state == TrialState.FAIL else trial.state.name.lower()


def is_whole(trial: FrozenTrial) -> bool:
    """Whether the record of a trial that is over is what was written; one of an earlier version has no digest.

    Args:
        trial: As storage has it.
    """
    return TrialFacts.whole(trial) is not None


def _own(trial: FrozenTrial) -> dict[str, Any]:
    """Attributes of a trial without what another, who came too late to end it, said of its failure."""
    told = known(trial)
    return {name: told[name] for name in told if name != _SHOWN or trial.state == TrialState.FAIL}


def _seal(told: Mapping[str, Any], rest: Mapping[str, Any]) -> str:
    """A digest of a trial's attributes, all but who ran it, and of the text among them."""
    sealed = {name: told[name] for name in told if name not in _UNSEALED and not name.startswith(CLAIMANT)}
    return hashlib.sha256(json.dumps([sealed, rest], sort_keys=True).encode()).hexdigest()[:16]


def _read(value: Any, default: Any) -> Any:
    """A value as it is, or as text, as earlier versions wrote it."""
    if value is None:
        return default
    return json.loads(value) if isinstance(value, str) else value
