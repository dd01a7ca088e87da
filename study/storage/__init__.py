"""Where it is kept: Optuna's storage, opened, mended and waited for."""
