"""Which of the tuned settings mattered."""

from __future__ import annotations

import json

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from nsh_core import Config
from nsh_core.measures import SELECTION
from study.analysis.tables import VALUED
from study.plan.quiet import quiet

_FEWEST = 8


def importances(trials: pd.DataFrame) -> pd.DataFrame:
    """Importance of tuned settings in each arm with at least 8 tuning trials, by fANOVA (Hutter et al. 2014).

    Args:
        trials: As in Tables. A pruned trial counts with the mAP at which it was stopped.

    Returns:
        arm, setting, fanova: share of the variance of validation mAP over the search space that a setting explains;
        shares sum to 1 in each arm.
    """
    tried = trials[(trials.phase == "tuning") & trials.state.isin(VALUED)]
    rows = []
    for arm, group in tried.groupby("arm", sort=False):
        names = sorted({name for text in group.tuned for name in json.loads(text)})
        if len(group) < _FEWEST or not names:
            continue
        configs = [Config.model_validate_json(text) for text in group.config]
        points = pd.DataFrame([{name: float(config.value_of(name)) for name in names} for config in configs])
        names = [name for name in names if points[name].min() < points[name].max()]
        spans: dict[str, BaseDistribution] = {
            name: FloatDistribution(points[name].min(), points[name].max(), log=True) for name in names
        }
        with quiet():
            study = optuna.create_study(direction="maximize")
        for params, value in zip(points[names].to_dict("records"), group[SELECTION], strict=True):
            study.add_trial(
                create_trial(params={str(name): x for name, x in params.items()}, distributions=spans, value=value)
            )
        shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
        rows += [(arm, name, shares.get(name, 0.0)) for name in names]
    return pd.DataFrame(rows, columns=["arm", "setting", "fanova"])
