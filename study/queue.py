"""The queue of a study in its storage: what is planned, who runs it, what is over.

Optuna's trial states carry it: WAITING is queued, RUNNING is owned by a process, COMPLETE is done, FAIL is either a
failed run (a result like another) or an interrupted one (to be run again).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable

import optuna
import psutil
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nsh_core import Config, UserError
from study.spec import Plan, PlannedTrial
from study.stack import stack_kind

INTERRUPTED = "interrupted"
_CLAIMANT = "claimant "


def trial_key(trial: PlannedTrial, fingerprint: str) -> str:
    """Identifies a run by content: its config (seed included) and the data."""
    return f"{trial.config.digest()}-{fingerprint}"


def this_process() -> str:
    """Host, process id and start time of this process: never the same twice."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}"


def owner_is_dead(owner: str) -> bool:
    """Whether an owner is a process of this host that is over. Owners on other hosts count as alive."""
    host, pid, created = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return abs(process.create_time() - float(created)) > 1 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class TrialQueue:
    """The trials of one plan within a storage."""

    def __init__(self, storage: BaseStorage, plan: Plan, fingerprint: str) -> None:
        self.storage = storage
        self.fingerprint = fingerprint
        self.study = optuna.create_study(
            study_name=plan.key, storage=storage, direction="maximize", load_if_exists=True
        )
        self.replan(plan)

    def replan(self, plan: Plan) -> None:
        """Takes another plan of the same study, e.g. one with the final trials of tuned arms."""
        self.plan = plan
        self._planned = {trial_key(trial, self.fingerprint): trial for trial in plan.trials}

    def latest(self) -> dict[str, FrozenTrial]:
        """For each planned key that has trials, the one that counts: complete, else the last."""
        result: dict[str, FrozenTrial] = {}
        for trial in self.study.get_trials(deepcopy=False):
            key = trial.user_attrs.get("key")
            if key not in self._planned:
                continue
            known = result.get(key)
            if known is None or known.state != TrialState.COMPLETE:
                result[key] = trial
        return result

    def recover(self, why: str = "its process ended") -> int:
        """Marks running trials whose process is over as interrupted; returns how many."""
        orphans = [trial for trial in self.latest().values() if trial.state == TrialState.RUNNING and _is_orphan(trial)]
        for trial in orphans:
            interrupt(self.storage, trial, why)
        return len(orphans)

    def enqueue(self, keys: Iterable[str]) -> None:
        """Queues a new trial for each key."""
        for key in keys:
            planned = self._planned[key]
            try:
                self.study.add_trial(self._waiting(key, planned))
            except ValueError as error:
                raise UserError(
                    f"study {self.plan.key} is in this storage with other levels of its factors ({error}): "
                    "give the spec another name, or use another --storage"
                ) from None

    def _waiting(self, key: str, planned: PlannedTrial) -> FrozenTrial:
        spec = self.plan.spec
        return create_trial(
            state=TrialState.WAITING,
            params=dict(planned.levels),
            distributions={factor: CategoricalDistribution(spec.labels(factor)) for factor in spec.factors},
            user_attrs={
                "key": key,
                "arm": planned.arm,
                "seed": planned.seed,
                "phase": planned.phase,
                "tuned": json.dumps(planned.tuned),
                "dataset": self.plan.dataset,
                "fingerprint": self.fingerprint,
                "bits": planned.config.code_length,
                "config": planned.config.model_dump_json(),
            },
        )

    def unfinished(self, retry_failed: bool = False) -> list[str]:
        """Planned keys with neither a result nor a trial under way, in the plan's order."""
        latest = self.latest()
        return [key for key in self._planned if key not in latest or is_open(latest[key], retry_failed)]


def _is_orphan(trial: FrozenTrial) -> bool:
    """Whether the process that runs a trial is over: its owner, or whoever claimed it and did not come to say so."""
    owner = trial.user_attrs.get("owner")
    claimants = [name.removeprefix(_CLAIMANT) for name in trial.user_attrs if name.startswith(_CLAIMANT)]
    return all(owner_is_dead(process) for process in ([owner] if owner else claimants))


def is_open(trial: FrozenTrial, retry_failed: bool = False) -> bool:
    """Whether a trial ended without a result that counts."""
    reason = trial.user_attrs.get("failure", INTERRUPTED)
    return trial.state == TrialState.FAIL and (retry_failed or reason.startswith(INTERRUPTED))


def interrupt(storage: BaseStorage, trial: FrozenTrial, why: str) -> None:
    """Ends a running trial as interrupted, unless it ended meanwhile."""
    try:
        storage.set_trial_user_attr(trial._trial_id, "failure", f"{INTERRUPTED}: {why}")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:
        pass


def claim(
    study: optuna.Study, storage: BaseStorage, keys: set[str], most: Callable[[Config], int]
) -> list[optuna.Trial]:
    """The first queued trial among `keys` and those that can be stacked with it, now owned by this process.

    most: how many at most, by the config of the first. Empty if none is left.
    """
    claimed: list[optuna.Trial] = []
    kind, limit = "", 1
    for waiting in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        if waiting.user_attrs.get("key") not in keys:
            continue
        config = Config.model_validate_json(waiting.user_attrs["config"])
        own_kind = waiting.user_attrs["phase"] + stack_kind(config)
        if claimed and own_kind != kind:
            continue
        try:
            # Before the state, and as its owner after it: a process that ends in between leaves its name.
            storage.set_trial_user_attr(waiting._trial_id, _CLAIMANT + this_process(), True)
            won = storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
        except optuna.exceptions.UpdateFinishedTrialError:
            continue
        if won:
            storage.set_trial_user_attr(waiting._trial_id, "owner", this_process())
            claimed.append(optuna.Trial(study, waiting._trial_id))
            if len(claimed) == 1:
                kind, limit = own_kind, most(config)
            if len(claimed) >= limit:
                break
    return claimed
