"""The studies of Optuna's that hold the trials of a plan: the final trials in one, what tuning tries in another.

Importance of settings, slices and contours are about tries, among which the seeds of an arm would count as so many.
"""

from __future__ import annotations

import optuna
from optuna.storages import BaseStorage

from study.plan.quiet import quiet
from study.plan.trials import Plan


def open_studies(storage: BaseStorage, plan: Plan) -> dict[str, optuna.Study]:
    """Opens the studies of a plan, or makes them.

    Args:
        storage: Where they are.
        plan: Their name, and whether anything is tuned.

    Returns:
        By phase, "final" and, where anything is tuned, "tuning". The two are one where an earlier version queued tries,
        which had one study for all.
    """
    finals = _open(storage, plan.key)
    if not any(trial.tuning for trial in plan.trials):
        return {"final": finals}
    has_tries = any(trial.user_attrs.get("phase") == "tuning" for trial in finals.get_trials(deepcopy=False))
    return {"final": finals, "tuning": finals if has_tries else _open(storage, plan.tuning_key)}


def _open(storage: BaseStorage, name: str) -> optuna.Study:
    try:
        with quiet():
            return optuna.create_study(study_name=name, storage=storage, direction="maximize", load_if_exists=True)
    except optuna.exceptions.DuplicatedStudyError:
        # Somebody made it between Optuna's look and its creation.
        return optuna.load_study(study_name=name, storage=storage)
