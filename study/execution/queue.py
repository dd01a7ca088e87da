"""The queue of a study in its storage: what is planned, who runs it, what is over.

Optuna's trial states carry it: WAITING is queued, RUNNING is owned by a process, COMPLETE and PRUNED are done, FAIL is
a failed run (a result like another), an interrupted one (to be run again), or a duplicate that never ran.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nsh_core import UserError
from study.execution.attributes import own
from study.execution.one_by_one import claimants, steps_of
from study.execution.ownership import is_of_own_run, owner_is_dead, shown
from study.execution.records import Task, is_whole
from study.execution.signs_of_life import Silence, no_sign_of
from study.execution.studies import open_studies
from study.plan.goal import Goal
from study.plan.trials import Plan, PlannedTrial
from study.storage.optuna_internals import study_id, trial_id

INTERRUPTED = "interrupted"
DUPLICATE = "duplicate"
# Trials are queued so many in a step, at most.
_MOST_AT_ONCE = 1000
Again = Callable[[FrozenTrial], bool]


def trial_key(trial: PlannedTrial, fingerprint: str) -> str:
    """Identifies a run by content: its config (seed included) and the data.

    Args:
        trial: Planned.
        fingerprint: Of the data.
    """
    return f"{trial.config.digest()}-{fingerprint}"


class TrialQueue:
    """The trials of one plan within a storage.

    Args:
        storage: Where the study is, or is made.
        plan: Of the study.
        fingerprint: Of the data.

    Attributes:
        storage: As given.
        fingerprint: As given.
        study: Optuna's, of the final trials.
        studies: Optuna's, of the tries of tuning before that of the final trials; one alone where nothing is tuned.
        plan: What is planned by now.
        keys: Of its trials, in its order; two tries with the same settings have one.
        planned: Its trials by key.
    """

    def __init__(self, storage: BaseStorage, plan: Plan, fingerprint: str) -> None:
        self.storage = storage
        self.fingerprint = fingerprint
        self._silence = Silence()
        self._by_phase = open_studies(storage, plan)
        self.study = self._by_phase["final"]
        self.studies = [study for study in self._by_phase.values() if study is not self.study] + [self.study]
        self.replan(plan)

    def replan(self, plan: Plan) -> None:
        """Takes another plan of the same study, e.g. one with the final trials of tuned arms."""
        self.plan = plan
        self.keys = [trial_key(trial, self.fingerprint) for trial in plan.trials]
        self.planned = dict(zip(self.keys, plan.trials, strict=True))

    def trials(self) -> list[FrozenTrial]:
        """All trials, as storage has them by now."""
        return [trial for study in self.studies for trial in study.get_trials(deepcopy=False)]

    def latest(self) -> dict[str, FrozenTrial]:
        """For each planned key that has trials, the one that counts: the last that was queued after the one before it.

        Of two that were queued at once, without knowing of each other, a complete or pruned one counts.
        """
        result: dict[str, FrozenTrial] = {}
        for trial in self.trials():
            key = own(trial, "key")
            if key not in self.planned or _is_duplicate(trial):
                continue
            other = result.get(key)
            if other is None or other.state not in (TrialState.COMPLETE, TrialState.PRUNED) or _follows(trial, other):
                result[key] = trial
        return result

    def recover(self, cause: str = "its process ended") -> None:
        """Marks running trials whose process is over or silent as interrupted, and duplicates of what is over.

        Args:
            cause: Why, of those whose process is over.
        """
        trials = self.trials()
        planned = [trial for trial in trials if own(trial, "key") in self.planned]
        running = [trial for trial in planned if trial.state == TrialState.RUNNING]
        silent, gone = self._silent(running, trials), set()
        for trial in running:
            if is_orphan(trial):
                interrupt(self.storage, trial, cause)
            elif trial_id(trial) in silent:
                silence = no_sign_of(", ".join(map(shown, _owners(trial))))
                interrupt(self.storage, trial, silence)
                gone.add(silence)
        for silence in sorted(gone):
            print(f"note: {silence}: its trials run again")
        for trial, other in duplicates(planned):
            if has_result(other):
                end(self.storage, trial, f"{DUPLICATE} of trial {other.number}")

    def _silent(self, running: Iterable[FrozenTrial], trials: Iterable[FrozenTrial]) -> Collection[Hashable]:
        """Ids of running trials whose process has not counted on for long; to those of this run its engine looks."""
        beats = {trial_id(trial): int(own(trial, "beat", 0)) for trial in trials}
        others = [trial for trial in running if not all(map(is_of_own_run, _owners(trial)))]
        leads = {trial_id(trial): own(trial, "lead", trial_id(trial)) for trial in others}
        return self._silence.after({number: beats.get(lead, 0) for number, lead in leads.items()})

    def enqueue(self, keys: Sequence[str], shared: bool = False, again: Again | None = None) -> None:
        """Queues a new trial for each key that has neither a result nor a trial under way by now.

        Args:
            keys: Planned ones.
            shared: Whether many may start at once, as on a cluster: each begins somewhere else, so that few are queued
                twice (of which one will run).
            again: Which results do not count, beside those that `is_open` names; none: all do.

        Raises:
            UserError: The storage has the study with other levels of its factors.
        """
        start = random.randrange(len(keys)) if shared and keys else 0
        left, part = [*keys[start:], *keys[:start]], 1 if shared else len(keys)
        latest = self.latest()
        while left:
            by_phase: dict[str, list[FrozenTrial]] = {}
            for key in left[:part]:
                before = latest.get(key)
                if before is None or _is_left(before, again):
                    by_phase.setdefault(self.planned[key].phase, []).append(self._waiting(key, before))
            try:
                for phase, trials in by_phase.items():
                    steps_of(self.storage).add(study_id(self._by_phase[phase]), trials)
            except ValueError as error:
                raise UserError(
                    f"study {self.plan.key} is in this storage with other levels of its factors ({error}): "
                    "give the spec another name, or use another storage"
                ) from None
            # Looks that cost as much as they save would take hours for many trials.
            left, part = left[part:], min(2 * part, _MOST_AT_ONCE)
            latest = self.latest() if shared and left else latest

    def _waiting(self, key: str, before: FrozenTrial | None) -> FrozenTrial:
        """A trial to be queued, after the last one of its key."""
        planned = self.planned[key]
        after = -1 if before is None else before.number
        tune = self.plan.spec.tune
        goal = tune.goal if tune and planned.tuning else Goal()
        task = Task(
            key, after, planned.arm.name, planned.phase, self.fingerprint, planned.config, planned.prune_below, goal
        )
        # In one study with final trials, as an earlier version had it, the name of a setting may be that of a factor.
        space = {} if self._by_phase[planned.phase] is self.study else planned.space
        tried = planned.params if space else {}
        levels = {factor: label for factor, label in planned.arm.levels.items() if factor not in space}
        choices = {factor: CategoricalDistribution(self.plan.spec.labels(factor)) for factor in levels}
        return create_trial(
            state=TrialState.WAITING,
            params=levels | tried,
            distributions=choices | {name: space[name] for name in tried},
            user_attrs=task.user_attributes() | ({"tuned": planned.tuned} if planned.tuned and not tried else {}),
            system_attrs=task.system_attributes() | _retried(before),
        )

    def unfinished(self, again: Again | None = None) -> list[str]:
        """Planned keys with neither a result nor a trial under way, in the plan's order.

        Args:
            again: See enqueue.
        """
        latest = self.latest()
        return [key for key in self.planned if key not in latest or _is_left(latest[key], again)]


def _is_left(trial: FrozenTrial, again: Again | None) -> bool:
    """Whether a key whose trial this is, is to be queued again."""
    return is_open(trial) or (again is not None and has_result(trial) and again(trial))


def _retried(before: FrozenTrial | None) -> dict[str, Any]:
    """What Optuna's own retries say of the failed trials before them, in system attributes."""
    if before is None or before.state != TrialState.FAIL:
        return {}
    history = [*before.system_attrs.get("retry_history", []), before.number]
    return {"failed_trial": history[0], "retry_history": history}


def _follows(trial: FrozenTrial, other: FrozenTrial) -> bool:
    """Whether a trial was queued in the knowledge of another, to take its place."""
    return own(trial, "after", -1) >= other.number


def _is_duplicate(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and trial.user_attrs.get("failure", "").startswith(DUPLICATE)


def duplicates(trials: Iterable[FrozenTrial]) -> list[tuple[FrozenTrial, FrozenTrial]]:
    """Queued trials that stand behind another of their key which whoever queued them did not know of, with that one.

    Args:
        trials: Of one study.
    """
    by_key: dict[str, list[FrozenTrial]] = {}
    for trial in trials:
        by_key.setdefault(own(trial, "key", ""), []).append(trial)
    pairs = []
    for same in by_key.values():
        for trial in same if len(same) > 1 else []:
            if trial.state != TrialState.WAITING:
                continue
            after = own(trial, "after", -1)
            before = [t for t in same if after < t.number < trial.number and not is_open(t) and not _is_duplicate(t)]
            pairs += [(trial, other) for other in before[:1]]
    return pairs


def is_orphan(trial: FrozenTrial) -> bool:
    """Whether the process that runs a trial is over."""
    return all(map(owner_is_dead, _owners(trial)))


def _owners(trial: FrozenTrial) -> list[str]:
    """Its owner, or whoever claimed it and did not come to say so."""
    owner = own(trial, "owner")
    return [owner] if owner else claimants(trial)


def is_open(trial: FrozenTrial) -> bool:
    """Whether a trial ended without a result of its own: interrupted.

    Args:
        trial: In any state.
    """
    return trial.state == TrialState.FAIL and trial.user_attrs.get("failure", INTERRUPTED).startswith(INTERRUPTED)


def has_result(trial: FrozenTrial) -> bool:
    """Whether a trial is over: complete, pruned, or failed for a reason of its own."""
    return trial.state.is_finished() and not is_open(trial)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is over, and its record is what was written.

    Args:
        trial: In any state.
    """
    return has_result(trial) and is_whole(trial)


def interrupt(storage: BaseStorage, trial: FrozenTrial, cause: str) -> None:
    """Ends a running trial as interrupted, unless it ended meanwhile.

    Args:
        storage: Of its study.
        trial: A running one.
        cause: Why, in words.
    """
    end(storage, trial, f"{INTERRUPTED}: {cause}")


def end(storage: BaseStorage, trial: FrozenTrial, reason: str) -> None:
    """Ends a trial as failed, unless it ended meanwhile.

    Args:
        storage: Of its study.
        trial: Queued or running.
        reason: Why, as its failure.
    """
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        steps_of(storage).end(trial_id(trial), TrialState.FAIL, None, {"failure": reason}, {})
