"""A study at work: plan, data and storage together."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from nsh_core import Dataset, UserError, load_dataset, plugins
from nsh_core.evaluation import continuous_map
from nsh_core.files import check_folder, write_atomically
from nsh_core.preparation import prepared
from nsh_core.registry import METHODS, SORTERS
from study import reporting
from study.analysis.by_class import read_classes, write_classes
from study.analysis.csv_files import csv_text
from study.analysis.gallery import make_gallery, write_gallery
from study.analysis.generation import writing
from study.analysis.results import Results
from study.analysis.run_facts import Continuous, RunFacts
from study.analysis.searched import searched
from study.analysis.tables import COST_FILE, Tables, build_tables, complete, over, read_cost, write_tables
from study.analysis.versions import provenance_of
from study.execution.cost import COST, first_finals, measure_cost
from study.execution.engine import Execution
from study.execution.growth import grow
from study.execution.held import with_all_seeds
from study.execution.queue import TrialQueue, has_result
from study.execution.scheduler import execute
from study.plan.trials import Plan, PlannedTrial
from study.reporting.artifacts import FOLDER
from study.reporting.shown import is_shown, keep_shown
from study.storage.opening import open_storage, storage_errors
from study.storage.place import JOURNAL, shown
from study.typed import recorded_command

SPLITS = "splits.npz"


@dataclass(frozen=True)
class Session:
    """An opened study.

    Attributes:
        queue: Of its trials.
        dataset: What it trains on.
        folder: Where its tables go.
        url: Of its storage, with password.
    """

    queue: TrialQueue
    dataset: Dataset
    folder: Path
    url: str

    @property
    def plan(self) -> Plan:
        """What runs, as far as it is known."""
        return self.queue.plan

    @property
    def kept(self) -> str:
        """What is there to go on from, in words."""
        over = sum(map(has_result, self.queue.latest().values()))
        return f"{over} trials that are over, in {shown(self.url)}; those under way begin anew"

    def run(self, execution: Execution) -> None:
        """Runs what is left of the plan, and what follows from its results.

        Features of frozen backbones are extracted before, once for all workers.

        Args:
            execution: How to run.

        Raises:
            UserError: Workers cannot run.
        """
        execution.display.stage(f"preparing {self.plan.dataset}")
        self._prepare(self.plan.trials)
        execute(self.queue, self.url, execution)

    def measure_cost(self, repeats: int) -> pd.DataFrame:
        """Measures what a run of each arm costs, and writes it into the folder of results, round by round.

        Args:
            repeats: Of each.

        Returns:
            See study.execution.cost.

        Raises:
            UserError: No final trial is planned yet, or the folder cannot be written into.
        """
        trials = first_finals(self.plan.trials)
        if not trials:
            raise UserError(
                f"study {self.plan.spec.name}: cost is of final trials, and none is planned yet: run the study first"
            )
        self._prepare(trials)
        cost = pd.DataFrame(columns=COST)
        for cost in measure_cost(trials, self.dataset, repeats):
            write_atomically(self.folder / COST_FILE, csv_text(cost))
        return cost

    def _prepare(self, trials: Iterable[PlannedTrial]) -> None:
        for config in {trial.config.image: trial.config for trial in trials}.values():
            prepared(config, self.dataset)

    def write_results(self) -> Results:
        """Builds the tables from the storage and writes them, with the facts of the run.

        Returns:
            The study as reports see it.

        Raises:
            UserError: The storage cannot be read, or the folder not written.
        """
        with writing(self.folder) as files:
            with storage_errors(self.url):
                held = with_all_seeds(self.queue)
                tables = replace(build_tables(held), cost=read_cost(self.folder))
            gallery = make_gallery(complete(tables.trials), self.dataset)
            write_tables(tables, files)
            write_classes(self.dataset.test.labels, files)
            write_gallery(gallery, files)
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **cast(dict[str, Any], self.dataset.splits()))
            files.write(SPLITS, buffer.getvalue())
            facts = self._facts(held.plan, tables, files.digests)
            facts.write(self.folder)
            return Results(tables, facts, gallery, read_classes(self.folder), folder=self.folder)

    def publish(self) -> Results:
        """Writes the results, and shows them on the dashboard.

        Raises:
            UserError: The storage cannot be read, or a folder not written.
        """
        results = self.write_results()
        with storage_errors(self.url):
            if not is_shown(self.queue, results):
                reporting.publish(self.queue, self.dataset, self.url, results, self.folder.parent / FOLDER)
                keep_shown(self.queue, results)
        return results

    def _facts(self, plan: Plan, tables: Tables, digests: dict[str, str]) -> RunFacts:
        limits = {trial.config.map_at for trial in plan.trials}
        chosen = limits.pop() if len(limits) == 1 else None
        map_at = self.dataset.default_map_at if chosen is None else chosen
        return RunFacts(
            key=plan.key,
            spec=plan.spec,
            dataset=plan.dataset,
            fingerprint=self.queue.fingerprint,
            train_items=self.dataset.num_train,
            database_items=len(self.dataset.database),
            validation_queries=len(self.dataset.validation),
            test_queries=len(self.dataset.test),
            assignments=list(plan.assignments),
            seeds=plan.seeds,
            left=int((~over(tables.trials)).sum()),
            lacking=dict(plan.lacking),
            map_at=map_at,
            precision_at=plan.trials[0].config.precision_at,
            information={trial.config.method.name: trial.config.information for trial in plan.trials},
            papers=_papers(plan),
            spaces=searched(plan.trials),
            continuous=self._continuous(map_at),
            storage=shown(self.url),
            command=recorded_command(),
            written=datetime.now(UTC).isoformat(timespec="seconds"),
            provenance=provenance_of(tables.trials),
            plugins=plugins.digests(),
            digests=digests,
        )

    def _continuous(self, map_at: int | None) -> Continuous:
        """Retrieval by the continuous input, computed once for a data set and k."""
        try:
            known = RunFacts.read(self.folder)
            if known.fingerprint == self.queue.fingerprint and known.map_at == map_at:
                return known.continuous
        except (OSError, ValueError):
            pass
        spec = self.plan.spec
        reference = self.plan.config(spec.reference_arm, spec.overrides(spec.reference_levels))
        return Continuous(**continuous_map(prepared(reference, self.dataset), map_at))


def _papers(plan: Plan) -> dict[str, str]:
    """The sources of the methods and sorters of a plan, by name; a plug-in's may have none."""
    configs = [trial.config for trial in plan.trials]
    entries = {config.method.name: METHODS[config.method.name] for config in configs}
    entries |= {config.sorter.name: SORTERS[config.sorter.name] for config in configs if config.sorts}
    papers = {name: getattr(entry, "paper", "") for name, entry in entries.items()}
    return {name: paper for name, paper in papers.items() if paper}


def open_session(plan: Plan, results: Path, storage: str | None) -> Session:
    """Loads the data, makes the folder and opens the storage.

    Args:
        plan: What a command asks for.
        results: Folder of tables.
        storage: Path or URL of the storage; none: a journal in that folder.

    Raises:
        UserError: What cannot be used.
    """
    dataset = load_dataset(plan.dataset)
    folder = results / plan.key
    check_folder(folder)
    url = storage or str(results / JOURNAL)
    opened = open_storage(url)
    with storage_errors(url):
        queue = TrialQueue(opened, plan, dataset.fingerprint())
        grow(queue)
    return Session(queue, dataset, folder, url)
