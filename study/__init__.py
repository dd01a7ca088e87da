"""Many runs: hyperparameter studies and ablations of nsh_core."""

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
