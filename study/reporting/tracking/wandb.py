"""Weights & Biases: a project for each study; offline, for `wandb sync`, unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from nsh_core.settings import with_overrides
from study.reporting.tracking.tracker import TrackedRun, Tracker

_PATIENCE_SECONDS = 30
_LONGEST = 128


class WandB(Tracker):
    """Runs of the project that is named after the study, or by WANDB_PROJECT, grouped by arm."""

    package = "wandb"
    install = "'.[wandb]'"

    @property
    def place(self) -> str:
        """The folder, and the project where runs are uploaded."""
        if self._mode == "offline":
            return str(self.folder)
        account = (os.environ.get(name, "") for name in ("WANDB_BASE_URL", "WANDB_ENTITY"))
        return " ".join(filter(None, [*account, self._project, self._mode]))

    @property
    def _mode(self) -> Any:
        return os.environ.get("WANDB_MODE", "offline")

    @property
    def _project(self) -> str:
        return os.environ.get("WANDB_PROJECT", self.study)

    def write(self, run: TrackedRun) -> None:
        """Writes a run; what is there of it online goes on, and drops the rows that it has."""
        # No message home, and no log beside these files, unless somebody asks for it.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_CACHE_DIR", tempfile.gettempdir())
        import wandb

        for part in (self.folder / "wandb").glob(f"offline-run-*-{run.id}"):
            shutil.rmtree(part)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Not of this process: its terminal, its code and its machine say nothing of where the trial ran.
        settings = wandb.Settings(
            console="off", silent=True, disable_git=True, save_code=False, x_disable_meta=True, x_disable_stats=True,
            x_disable_machine_info=True, x_save_requirements=False, init_timeout=_PATIENCE_SECONDS,
            login_timeout=_PATIENCE_SECONDS, finish_timeout=_PATIENCE_SECONDS, finish_timeout_raises=True,
        )  # fmt: skip
        # A dot in a name stands for a section.
        facts = {name.replace(".", "_"): value for name, value in run.facts.items()}
        own = wandb.init(
            dir=self.folder, project=self._project, mode=self._mode, id=run.id, name=run.name,
            group=run.arm[:_LONGEST], job_type=str(run.facts["phase"]), tags=[run.state],
            config=facts | with_overrides({}, run.params), resume="allow", reinit="create_new", settings=settings,
        )  # fmt: skip
        step = 0
        for axis, rows in run.curves.items():
            own.define_metric(f"{axis}/*", step_metric=axis)
            for x, values in rows.items():
                own.log({axis: x, **{f"{axis}/{name}": value for name, value in values.items()}}, step=step)
                step += 1
        if run.pictures:
            own.log({Path(name).stem: wandb.Image(Image.open(path)) for name, path in run.pictures.items()}, step=step)
        own.summary.update(run.measures)
        own.finish(exit_code=int(run.state == "failed"))
