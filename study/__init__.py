"""Many runs: hyperparameter studies and ablations of nsh_core."""

import optuna

import study.plan.modes
import study.reporting.figures  # noqa: F401, names of figures, which are imported when they are drawn

optuna.logging.set_verbosity(optuna.logging.WARNING)
