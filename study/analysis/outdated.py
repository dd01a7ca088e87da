"""Whether tables are older than the spec or the storage that they come from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from nsh_core.errors import UserError
from study.analysis.results import Results
from study.plan.loading import SPECS, load_spec, with_mode
from study.plan.spec import StudySpec
from study.storage.place import scheme_of

# What a command may say otherwise, or where a file lies, is no change of a spec.
_OWN_AFFAIR: dict[str, Any] = {"name": True, "plugins": True, "arm_groups": True, "tune": {"trials", "each_seed"}}
# Far more than a study; what is larger is not read for a note.
_MOST_BYTES = 200_000_000


def outdated(results: Results, study: str) -> list[str]:
    """What tables lack, a line each.

    Args:
        results: As read.
        study: As typed: a spec's file is looked at, else the shipped spec that asks the same question.
    """
    lines = []
    now = _spec_now(results.spec, study)
    if now is not None and (changed := _changed(results.spec, now)):
        lines.append(f"the spec changed since these tables were written ({', '.join(changed)}): run the study again")
    if count := _since(results):
        trials = "trial has" if count == 1 else "trials have"
        lines.append(f"{count} {trials} ended since these tables were written: run the study again")
    return lines


def _spec_now(stored: StudySpec, study: str) -> StudySpec | None:
    """The spec as it is by now, in the mode of the tables; none where it is not known."""
    is_file = study.endswith((".yaml", ".yml", ".json"))
    ending = f"-{stored.mode}"
    shipped = SPECS / f"{stored.name.removesuffix(ending)}.yaml"
    try:
        if not is_file and not shipped.exists():
            return None
        now = load_spec(study if is_file else str(shipped))
        if not is_file and now.question != stored.question:
            return None
        return with_mode(now, stored.mode if stored.name == f"{now.name}{ending}" else None, None)
    except UserError:
        return None


def _changed(stored: StudySpec, now: StudySpec) -> list[str]:
    """Names of what differs between two specs."""
    before, after = (spec.model_dump(mode="json", exclude=_OWN_AFFAIR) for spec in (stored, now))
    return [name for name in after if before[name] != after[name]]


def _since(results: Results) -> int:
    """Trials that the storage has and the tables have not; 0 where it is not on this machine."""
    facts = results.facts
    written = datetime.fromisoformat(facts.written).timestamp()
    trials = results.tables.trials.dropna(subset="trial")
    known = set(zip(trials.phase, trials.trial, strict=True))
    try:
        if scheme_of(facts.storage) not in (None, "sqlite"):
            return 0
        file = Path(facts.storage.removeprefix("sqlite:///")).stat()
        if file.st_mtime < written or file.st_size > _MOST_BYTES:
            return 0
        # Optuna's databases take a while to import, and most reports are of storages at rest.
        import optuna

        from study.execution.queue import has_result
        from study.storage.opening import open_storage, storage_errors

        with storage_errors(facts.storage):
            study = optuna.load_study(study_name=facts.key, storage=open_storage(facts.storage))
            held = study.get_trials(deepcopy=False)
    except (OSError, KeyError, UserError):
        return 0
    ended: list[Any] = [trial for trial in held if has_result(trial) and _place(trial) not in known]
    return sum(trial.datetime_complete.timestamp() >= written for trial in ended)


def _place(trial: Any) -> tuple[str, int]:
    """Its phase and number: tries of tuning, which are in a study of their own, are numbered from 0 too."""
    return trial.user_attrs.get("phase", "final"), trial.number
