"""Which of the tuned settings mattered."""

from __future__ import annotations

import json

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from nsh_core.config import setting
from study.analysis.tables import OVER

_FEWEST = 8


def importances(trials: pd.DataFrame) -> pd.DataFrame:
    """arm, setting, fanova: shares that sum to 1 in each arm; arms with at least 8 tries.

    trials: the trials table. fanova: share of the variance of validation mAP over the search space that a setting
    explains (Hutter et al. 2014). A pruned try counts with the mAP at which it was stopped.
    """
    tried = trials[(trials.phase == "tuning") & trials.state.isin(OVER)]
    rows = []
    for arm, group in tried.groupby("arm", sort=False):
        names = sorted({name for text in group.tuned for name in json.loads(text)})
        if len(group) < _FEWEST or not names:
            continue
        settings = [
            (json.loads(tuned), json.loads(config)) for tuned, config in zip(group.tuned, group.config, strict=True)
        ]
        points = [
            {name: tuned[name] if name in tuned else setting(config, name) for name in names}
            for tuned, config in settings
        ]
        # A default temperature is the backend's own, which the config leaves open.
        pairs = zip(points, group.val_map, strict=True)
        known = [(point, value) for point, value in pairs if None not in point.values()]
        spread = {name: [float(point[name]) for point, _ in known] for name in names}
        names = [name for name in names if min(spread[name]) < max(spread[name])]
        spans: dict[str, BaseDistribution] = {
            name: FloatDistribution(min(spread[name]), max(spread[name]), log=True) for name in names
        }
        study = optuna.create_study(direction="maximize")
        for point, value in known:
            params = {name: float(point[name]) for name in names}
            study.add_trial(create_trial(params=params, distributions=spans, value=value))
        shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
        rows += [(arm, name, shares.get(name, 0.0)) for name in names]
    return pd.DataFrame(rows, columns=["arm", "setting", "fanova"])
