import json

import pytest
from optuna.trial import TrialState

from nsh_core import load_dataset
from study.execution.claim import claim
from study.execution.queue import TrialQueue
from study.execution.records import TrialFacts
from study.execution.trial import Outcome, record
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.reporting.artifacts import add_artifacts
from study.storage.opening import open_storage
from study.storage.optuna_internals import study_id

FACTS = TrialFacts(
    {"val_map": 0.5}, history=[{"epoch": 1, "val_map": 0.5}], nearest=[list(range(10))] * 8, codes_sha256="0"
)


def names(queue: TrialQueue) -> list[str]:
    attributes = queue.storage.get_study_system_attrs(study_id(queue.study))
    return sorted(
        json.loads(meta)["filename"] for key, meta in attributes.items() if key.startswith("dashboard:artifacts:")
    )


def test_pictures_that_a_kill_left_out_are_made_at_the_next_look(spec_file, tmp_path, monkeypatch):
    dataset = load_dataset("digits")
    storage = open_storage(str(tmp_path / "o.journal"))
    queue = TrialQueue(storage, make_plan(load_spec(str(spec_file))), dataset.fingerprint())
    queue.enqueue(queue.unfinished()[:1])
    [trial] = claim(queue.studies, storage, set(queue.latest()), lambda _: 1)
    record(queue.study, trial, Outcome(TrialState.COMPLETE, FACTS))
    set_attribute = storage.set_study_system_attr

    def killed(number: int, key: str, value: str) -> None:
        if names(queue):
            raise KeyboardInterrupt
        set_attribute(number, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "set_study_system_attr", killed)
        with pytest.raises(KeyboardInterrupt):
            add_artifacts(queue, dataset, tmp_path / "pictures")
    assert names(queue) == ["curves.png"]
    for _ in range(2):
        add_artifacts(queue, dataset, tmp_path / "pictures")
        assert names(queue) == ["curves.png", "gallery.png"]
        # One of them was written before the kill, and is not written twice.
        assert len(list((tmp_path / "pictures").iterdir())) == 2
