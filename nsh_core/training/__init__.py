"""Training: fit one run, or several as one stack."""

from nsh_core.training.fit import fit, fit_together, stack_key, stackable, step_seconds

__all__ = ["fit", "fit_together", "stack_key", "stackable", "step_seconds"]
