"""Trackers of experiments: TensorBoard, MLflow, Weights & Biases, or one of a plug-in's, told of each trial."""

from study.reporting.tracking.tracker import TrackedRun, Tracker

__all__ = ["TrackedRun", "Tracker"]
