"""TensorBoard: a folder of event files for each run."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import numpy as np
from PIL import Image

from study.reporting.tracking.tracker import TrackedRun, Tracker

_MOST_BYTES = 200
_STATUS = {"complete": "SUCCESS", "pruned": "UNKNOWN", "failed": "FAILURE"}


class TensorBoard(Tracker):
    """Event files at FOLDER/STUDY/ARM/SEED, for `tensorboard --logdir FOLDER`.

    Seeds of an arm have the same hyperparameters, so that the HPARAMS page makes one line of them, with means.
    """

    package = "tensorboard"
    install = "'.[tensorboard]'"

    def write(self, run: TrackedRun) -> None:
        """Writes a run beside the others, and moves it to its place; a run of that name, trained before, goes."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import metadata, summary_v2
        from tensorboard.plugins.hparams.api_pb2 import Status
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
        from torch.utils.tensorboard import SummaryWriter

        started, ended = run.started.timestamp(), run.ended.timestamp()
        draft = self.folder.with_name(f"{self.folder.name}.{run.id}")
        shutil.rmtree(draft, ignore_errors=True)
        writer: Any = SummaryWriter(draft)
        hparams = {"arm": run.arm, "phase": run.facts["phase"], "state": run.state} | run.params
        writer.file_writer.add_summary(summary_v2.hparams_pb(hparams, start_time_secs=started), walltime=started)
        for name, x, y in run.points():
            writer.add_scalar(name, y, x, walltime=ended)
        for name, value in run.measures.items():
            writer.add_scalar(f"final/{name}", value, run.last_epoch, walltime=ended)
        for name, path in run.pictures.items():
            writer.add_image(name, np.asarray(Image.open(path)), dataformats="HWC", walltime=ended)
        writer.add_text("trial", "\n".join(f"    {name}: {value}" for name, value in run.facts.items()), walltime=ended)
        status = Status.Value(f"STATUS_{_STATUS[run.state]}")
        over = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=ended))
        about = metadata.create_summary_metadata(over)
        end = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about)
        writer.file_writer.add_summary(Summary(value=[end]), walltime=ended)
        writer.close()
        place = self.folder / self.study / _file_name(run.arm) / run.name.removeprefix(f"{run.arm}/")
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(place)


def _file_name(arm: str) -> str:
    """An arm as the name of a folder: as it is, where it can be."""
    name = arm.replace("/", "_").lstrip(".")
    if name == arm and len(name.encode()) <= _MOST_BYTES:
        return arm
    return f"{name[: _MOST_BYTES // 4]} {hashlib.sha256(arm.encode()).hexdigest()[:8]}"
