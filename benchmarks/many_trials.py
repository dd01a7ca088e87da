"""What a very large study costs at its end: python -m benchmarks.many_trials --arms 1000 --seeds 100.

Writes a journal of so many complete trials with made-up results, each as large as one on the digits, and prints seconds
and peak memory of reading it, of the tables, and of writing them.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.bulk import fill
from nsh_core.measures import RESULT, SELECTION
from nsh_core.metrics.per_query import as_text
from study.analysis.generation import writing
from study.analysis.tables import build_tables, write_tables
from study.execution.attributes import as_system
from study.execution.queue import TrialQueue, trial_key
from study.execution.records import FACTS, Task, TrialFacts
from study.plan.loading import load_spec
from study.plan.planning import make_plan
from study.plan.trials import Plan
from study.storage.opening import open_storage

_FINGERPRINT = "made-up"
_QUERIES, _RADII, _EVALUATIONS = 200, 33, 10

app = typer.Typer(add_completion=False)


@app.command()
def main(
    arms: Annotated[int, typer.Option(help="arms of the study")] = 1000,
    seeds: Annotated[int, typer.Option(help="seeds of each")] = 100,
    profile: Annotated[bool, typer.Option(help="show where the time of the tables goes")] = False,
) -> None:
    """Measure and print seconds and megabytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _measured("plan"):
            plan = make_plan(load_spec(str(_spec(folder, arms, seeds))))
        with _measured("journal written"):
            fill(str(folder / "o.journal"), plan.key, _trials(plan))
        print(f"{(folder / 'o.journal').stat().st_size / 1e6:.0f} MB on disk")
        with _measured("read"):
            queue = TrialQueue(open_storage(str(folder / "o.journal")), plan, _FINGERPRINT)
            queue.trials()
        with _measured("one look at the queue"):
            queue.latest()
        profiler = cProfile.Profile()
        with _measured("tables"):
            if profile:
                profiler.enable()
            tables = build_tables(queue)
            profiler.disable()
        (folder / "results").mkdir()
        with _measured("tables written"), writing(folder / "results") as files:
            write_tables(tables, files)
        if profile:
            pstats.Stats(profiler).sort_stats("cumtime").print_stats(40)


@contextmanager
def _measured(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.perf_counter() - start:.1f} s, peak memory by now {peak:.0f} MB", flush=True)


def _spec(folder: Path, arms: int, seeds: int) -> Path:
    path = folder / "many.yaml"
    levels = ", ".join(f"{1e-4 * (1 + place):.4f}" for place in range(arms))
    path.write_text(
        f"question: Which of many?\nbase: {{code_length: 16}}\nfactors: {{train.learning_rate: [{levels}]}}\n"
        f"reference: {{train.learning_rate: 0.0001}}\nseeds: {seeds}\n"
    )
    return path


def _trials(plan: Plan) -> Iterator[FrozenTrial]:
    rng = np.random.default_rng(0)
    for planned in plan.trials:
        task = Task(trial_key(planned, _FINGERPRINT), -1, planned.arm.name, planned.phase, _FINGERPRINT, planned.config)
        value = float(rng.uniform(0.4, 0.6))
        facts = TrialFacts(
            {SELECTION: value, RESULT: value + 0.01, "train_seconds": 1.0, "total_seconds": 1.5},
            stacked=1,
            codes_sha256=f"{rng.integers(2**60):x}",
            history=[{"epoch": float(epoch), SELECTION: value, "loss": 1.0} for epoch in range(_EVALUATIONS)],
            curves={f"test_{name}_by_radius": [value] * _RADII for name in ("precision", "recall")},
            ap={kind: as_text(rng.random(_QUERIES)) for kind in ("val", "test")},
            provenance={"commit": "made up", "host": "none"},
        )
        shown, asked = task.user_attributes(), task.system_attributes()
        apart, text = facts.attributes(shown | {name.removeprefix("nsh:"): told for name, told in asked.items()})
        yield create_trial(
            state=TrialState.COMPLETE,
            value=value,
            user_attrs=shown | apart,
            system_attrs=asked | as_system({FACTS: text}),
        )


if __name__ == "__main__":
    app()
