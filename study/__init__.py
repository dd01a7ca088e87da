"""Many runs: hyperparameter studies and ablations of nsh_core."""
