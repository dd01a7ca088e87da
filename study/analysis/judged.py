"""What the tries of tuning were worth, by the objective that chose among them."""

from __future__ import annotations

import pandas as pd

from nsh_core import Config
from nsh_core.measures import MEASURES, SELECTION
from study.plan.goal import Goal


def judged(trials: pd.DataFrame, goal: Goal) -> pd.DataFrame:
    """The value of each try, and whether it keeps all constraints.

    Args:
        trials: Tuning trials, as in Tables.
        goal: Of the study.

    Returns:
        By the rows of trials: value, NaN where a try has none, and feasible.
    """
    if goal.is_plain:
        return pd.DataFrame({"value": trials[SELECTION], "feasible": True}, trials.index)
    names = [name for name in MEASURES.names() if name in trials]
    rows = []
    for row in trials[[*names, "config"]].to_dict("records"):
        measures = {name: row[name] for name in names if pd.notna(row[name])}
        value = goal.value(measures) if measures else None
        violations = goal.violations(measures, Config.model_validate_json(row["config"]))
        rows.append((value, all(violation <= 0 for violation in violations.values())))
    return pd.DataFrame(rows, trials.index, ["value", "feasible"]).astype({"value": float, "feasible": bool})
