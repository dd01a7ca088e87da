"""MLflow: an experiment for each study, in a SQLite file or at the server of MLFLOW_TRACKING_URI."""

from __future__ import annotations

import os
import re
from datetime import datetime
from functools import cached_property
from typing import Any

from PIL import Image

from study.reporting.tracking.tracker import TrackedRun, Tracker

_SERVER = "MLFLOW_TRACKING_URI"
_ID = "nsh_run"
# What MLflow takes at once.
_BATCH = 1000
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
# No message home, and no minutes of waiting for a server that is away, unless somebody asks for it.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MLflow(Tracker):
    """Runs of the experiment that is named after the study, or by MLFLOW_EXPERIMENT_NAME; arm and state are tags."""

    package = "mlflow"
    install = "'.[mlflow]'"

    @property
    def place(self) -> str:
        """URI of the tracking server, or of a SQLite file in the folder."""
        return os.environ.get(_SERVER) or f"sqlite:///{self.folder / 'mlflow.db'}"

    @cached_property
    def _client(self) -> Any:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self.folder.mkdir(parents=True, exist_ok=True)
        return MlflowClient(self.place)

    @cached_property
    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", self.study)
        known = self._client.get_experiment_by_name(name)
        if known is not None:
            return known.experiment_id
        pictures = None if os.environ.get(_SERVER) else (self.folder / "artifacts").as_uri()
        return self._client.create_experiment(name, artifact_location=pictures)

    def write(self, run: TrackedRun) -> None:
        """Writes a run, or the rest of one that is not over; one that somebody deleted stays so."""
        client, ended = self._client, _milliseconds(run.ended)
        from mlflow.entities import Metric, Param, ViewType

        known = self._runs(run, ViewType.ALL)
        if any(map(_is_over, known)):
            return
        if not known:
            tags = {_named(name): str(value) for name, value in run.facts.items()} | {_ID: run.id}
            known = [client.create_run(self._experiment, _milliseconds(run.started), tags, run.name)]
        number = known[0].info.run_id
        # Written twice, as after a kill, it is there once.
        client.log_batch(number, params=[Param(name, str(value)) for name, value in run.params.items()])
        points = [*run.points(), *((name, run.last_epoch, value) for name, value in run.measures.items())]
        metrics = [Metric(_named(name), y, ended, x) for name, x, y in points]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(number, metrics=metrics[start : start + _BATCH])
        for name, path in run.pictures.items():
            client.log_image(number, Image.open(path), name)
        client.set_terminated(number, _STATUS[run.state], ended)
        # Who has another results folder, and so another lock, may have made one at the same moment.
        over = sorted(one.info.run_id for one in self._runs(run, ViewType.ACTIVE_ONLY) if _is_over(one))
        for other in over[1:]:
            client.delete_run(other)

    def _runs(self, run: TrackedRun, view: int) -> list[Any]:
        return self._client.search_runs([self._experiment], f"tags.{_ID} = '{run.id}'", view)


def _is_over(run: Any) -> bool:
    return run.info.end_time is not None


def _named(name: str) -> str:
    """A name with the signs alone that MLflow takes."""
    return re.sub(r"[^\w.\-/ ]", "_", name)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
