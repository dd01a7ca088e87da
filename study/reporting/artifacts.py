"""Pictures of single trials for the dashboard: training and precision-recall curves, and what a trial retrieves."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from optuna.trial import TrialState
from PIL import Image

from nsh_core import Dataset
from nsh_core.files import write_atomically
from nsh_core.measures import SELECTION
from study.analysis.gallery import make_gallery
from study.execution.queue import TrialQueue
from study.execution.records import Task, TrialFacts
from study.storage.optuna_internals import study_id, trial_id

FOLDER = "artifacts"
# Where the dashboard also looks for artifacts of trials that are over, which take no more attributes themselves.
_PREFIX = "dashboard:artifacts:"
_CURVES, _GALLERY = "curves.png", "gallery.png"
_SIDE = 48


def add_artifacts(queue: TrialQueue, dataset: Dataset, folder: Path) -> None:
    """Writes pictures that complete final trials lack, for optuna-dashboard --artifact-dir FOLDER.

    Args:
        queue: Of the study.
        dataset: Of the study.
        folder: Of pictures.
    """
    known, number = known_artifacts(queue), study_id(queue.study)
    wanted = [_CURVES] if dataset.pictures(dataset.test, np.array([0])) is None else [_CURVES, _GALLERY]
    curves: _Curves | None = None
    for trial in queue.latest().values():
        missing = [name for name in wanted if name not in known.get(str(trial_id(trial)), {})]
        if trial.state != TrialState.COMPLETE or not missing:
            continue
        task, facts = Task.of(trial), TrialFacts.of(trial)
        if task.phase != "final":
            continue
        for name in missing:
            if name == _CURVES:
                curves = curves or _Curves()
                drawn: bytes | None = curves.draw(task, facts)
            else:
                drawn = _gallery(task, facts, dataset)
            if drawn is None:
                continue
            # Whoever draws it again, or at the same time, adds nothing.
            identity = hashlib.sha256(f"{trial_id(trial)}:".encode() + drawn).hexdigest()[:32]
            write_atomically(folder / identity, drawn)
            meta = {"artifact_id": identity, "filename": name, "mimetype": "image/png", "encoding": None}
            queue.storage.set_study_system_attr(number, f"{_PREFIX}{trial_id(trial)}:{identity}", json.dumps(meta))


def known_artifacts(queue: TrialQueue) -> dict[str, dict[str, str]]:
    """The pictures that the storage knows of: id of a trial, as text, to the names of its pictures and of their files.

    Args:
        queue: Of the study.
    """
    known: dict[str, dict[str, str]] = {}
    for key, text in queue.storage.get_study_system_attrs(study_id(queue.study)).items():
        if key.startswith(_PREFIX):
            meta = json.loads(text)
            known.setdefault(key.removeprefix(_PREFIX).partition(":")[0], {})[meta["filename"]] = meta["artifact_id"]
    return known


def _gallery(task: Task, facts: TrialFacts, dataset: Dataset) -> bytes | None:
    """What a trial retrieves; none where an earlier version did not keep it."""
    nearest = pd.DataFrame({"arm": [task.arm], "nearest": [json.dumps(facts.nearest)]})
    gallery = make_gallery(nearest, dataset) if facts.nearest else None
    if gallery is None:
        return None
    rows = [
        np.hstack(
            [_tile(gallery.query_pictures[query], None)]
            + [
                _tile(gallery.pictures[place], bool(gallery.relevant[query, place]))
                for place in gallery.nearest[0, query]
            ]
        )
        for query in range(len(gallery.query_pictures))
    ]
    return _png(Image.fromarray(np.vstack(rows)))


class _Curves:
    """Draws validation mAP by epoch, and precision against recall of the test queries, one picture after another.

    Axes and their layout are made once: for each picture they would take most of its time.
    """

    def __init__(self) -> None:
        # It takes a second, which whoever only asks for known pictures has no use for.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 2.4), dpi=80)
        self._canvas = FigureCanvasAgg(figure)
        margins = {"left": 0.1, "right": 0.98, "bottom": 0.2, "top": 0.88, "wspace": 0.28}
        self._left, right = figure.subplots(1, 2, gridspec_kw=margins)
        (self._by_epoch,) = self._left.plot([], [], marker="o", ms=3)
        self._left.set(xlabel="epoch", ylabel="validation mAP")
        (self._by_radius,) = right.plot([], [])
        right.set(xlabel="recall", ylabel="precision", title="test queries, by Hamming radius")
        right.set(xlim=(0, 1), ylim=(0, 1.02))

    def draw(self, task: Task, facts: TrialFacts) -> bytes:
        """The picture of a trial."""
        self._by_epoch.set_data(
            [record["epoch"] for record in facts.history], [record[SELECTION] for record in facts.history]
        )
        self._left.relim()
        self._left.autoscale_view()
        self._left.set_title(f"{task.arm}, seed {task.config.seed}", parse_math=False)
        precision, recall = (facts.curves.get(f"test_{name}_by_radius", []) for name in ("precision", "recall"))
        points = [(x, y) for x, y in zip(recall, precision, strict=True) if x is not None and y is not None]
        self._by_radius.set_data([x for x, _ in points], [y for _, y in points])
        self._canvas.draw()
        return _png(Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB"))


def _tile(picture: np.ndarray, relevant: bool | None) -> np.ndarray:
    """A picture [H, W(, 3)] as [52, 52, 3], framed blue if relevant, orange if not."""
    image = Image.fromarray(picture).convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    colour = {None: (255, 255, 255), True: (1, 115, 178), False: (222, 143, 5)}[relevant]
    framed = Image.new("RGB", (_SIDE + 4, _SIDE + 4), colour)
    framed.paste(image, (2, 2))
    return np.asarray(framed)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
