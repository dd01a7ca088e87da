"""A study at work: plan, data and storage together; what run.py and report.py share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from nsh_core import Dataset, load_dataset
from nsh_core.files import write_atomically
from study.execute import Execution, execute
from study.queue import TrialQueue
from study.spec import Plan, load_spec, make_plan
from study.storage import open_storage, storage_errors
from study.tables import Tables, build_tables, write_tables

JOURNAL = "optuna.journal"


def plan(study: str, dataset: str | None, assignments: tuple[str, ...], seeds: int | None) -> Plan:
    """The plan of a command line. Raises UserError for anything in it that does not fit."""
    return make_plan(load_spec(study), dataset, assignments, seeds)


@dataclass(frozen=True)
class Session:
    """An opened study. folder: where its tables go. url: of its storage, with password."""

    queue: TrialQueue
    dataset: Dataset
    folder: Path
    url: str

    @property
    def plan(self) -> Plan:
        return self.queue.plan

    def run(self, execution: Execution) -> None:
        """Runs what is left of the plan."""
        execute(self.queue, self.url, execution)

    def write_tables(self) -> Tables:
        """Builds the tables from the storage and writes them."""
        with storage_errors(self.url):
            tables = build_tables(self.queue)
        write_tables(tables, self.folder)
        return tables


def open_session(plan: Plan, results: Path, storage: str | None) -> Session:
    """Loads the data, checks the folder and opens the storage. Raises UserError naming what cannot be used."""
    dataset = load_dataset(plan.dataset)
    folder = results / plan.key
    write_atomically(folder / "question.txt", plan.spec.question + "\n")
    url = storage or str(results / JOURNAL)
    opened = open_storage(url)
    with storage_errors(url):
        queue = TrialQueue(opened, plan, dataset.fingerprint())
    return Session(queue, dataset, folder, url)


def print_summary(console: Console, plan: Plan, tables: Tables) -> None:
    """The arms, best validation mAP first, and what failed."""
    table = Table("arm", "n", "val mAP", "test mAP [95% CI]", "seconds", title=plan.spec.question)
    wide = tables.summary.pivot(index="arm", columns="metric")
    if not wide.empty:
        for arm in wide.sort_values(("mean", "val_map"), ascending=False).index:
            row: pd.Series = wide.loc[arm]
            low, high = row["ci_low", "test_map"], row["ci_high", "test_map"]
            table.add_row(
                str(arm),
                f"{row['n', 'val_map']:.0f}",
                f"{row['mean', 'val_map']:.4f}",
                f"{row['mean', 'test_map']:.4f} [{low:.4f}, {high:.4f}]",
                f"{row['mean', 'train_seconds']:.1f}",
            )
    console.print(table)
    for _, trial in tables.trials[tables.trials.state != "complete"].iterrows():
        console.print(f"{trial.arm}, seed {trial.seed}: {trial.state} {trial.failure}", highlight=False, markup=False)

