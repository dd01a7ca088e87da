"""What a study left in its results folder, read back for reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nsh_core.errors import UserError
from study.analysis.gallery import Gallery, read_gallery
from study.analysis.tables import MEASUREMENTS, Tables, complete
from study.plan.spec import StudySpec

RUN_FILE = "run.json"


@dataclass(frozen=True)
class Results:
    """Tables of a study, the facts of its run (see study.session), and pictures where the data have any."""

    spec: StudySpec
    tables: Tables
    facts: dict[str, Any]
    gallery: Gallery | None = None

    @property
    def done(self) -> pd.DataFrame:
        """The complete final trials."""
        return complete(self.tables.trials)

    @property
    def arms(self) -> list[str]:
        """Arms with complete trials, group by group in the spec's order."""
        done = dict.fromkeys(self.done.arm)
        if self.spec.mode == "pareto":
            return list(done)
        return [arm for group in self.spec.groups().values() for arm in group if arm in done]

    @property
    def map_name(self) -> str:
        """mAP@k as it is written in figures."""
        return f"mAP@{self.facts['map_at'] or 'all'}"

    def estimate(self, arm: str) -> str:
        """Test mAP of an arm in words: its mean and, of several seeds, its 95% interval."""
        row = self.summary_of("test_map").loc[arm]
        return f"{row['mean']:.3f}" + ("" if row.n < 2 else f" [{row.ci_low:.3f}, {row.ci_high:.3f}]")

    def summary_of(self, metric: str) -> pd.DataFrame:
        """Summary rows of one metric, by arm."""
        return self.tables.summary[self.tables.summary.metric == metric].set_index("arm")


def read_results(folder: Path) -> Results:
    """Reads results/<study>. Raises UserError if the study has not been run or its files are damaged."""
    if not (folder / RUN_FILE).exists():
        raise UserError(f"no results in {folder}: run `python study/run.py --study {folder.name.split('@')[0]}` first")
    try:
        facts = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        tables = Tables(
            pd.read_parquet(folder / "trials.parquet"),
            pd.read_parquet(folder / "curves.parquet"),
            pd.read_csv(folder / "summary.csv", dtype={"arm": str}),
            pd.read_csv(folder / "comparisons.csv", dtype={"arm": str, "reference": str}),
        )
        missing = {"phase", "tuned", *MEASUREMENTS} - set(tables.trials)
        if missing:
            raise ValueError(f"written by another version, without {', '.join(sorted(missing))}")
        return Results(StudySpec.model_validate(facts["spec"]), tables, facts, read_gallery(folder))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder} is damaged, run the study again: {' '.join(str(error).split())}") from None
