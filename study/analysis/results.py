"""What a study left in its results folder, read back for reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from nsh_core.errors import UserError
from nsh_core.measures import RESULT, SELECTION, Measure, Place, measures
from nsh_core.registry import METHODS, listed, nearest
from study.analysis.by_class import Classes, read_classes
from study.analysis.columns import COMPARISONS
from study.analysis.gallery import Gallery, read_gallery
from study.analysis.generation import RUN_FILE, reading, strangers
from study.analysis.importance import importances
from study.analysis.run_facts import RunFacts, load_plugins_of
from study.analysis.tables import Tables, complete, read_tables, tables_of
from study.plan.asked import not_asked
from study.plan.spec import StudySpec


@dataclass(frozen=True)
class Results:
    """A study as reports see it.

    Attributes:
        tables: Of its trials.
        facts: Of its run.
        gallery: Pictures, where the data have any.
        classes: Labels of the test queries, where they have one each; see study.analysis.by_class.
        left_out: How many seeds that the folder holds are not among these.
        folder: That holds its tables; none where they lie in none.
    """

    tables: Tables
    facts: RunFacts
    gallery: Gallery | None = None
    classes: Classes | None = None
    left_out: int = 0
    folder: Path | None = None

    def of_seeds(self, count: int) -> Results:
        """The study as its first seeds show it; what tuning tried stays as it is.

        Args:
            count: Of seeds.

        Raises:
            UserError: There are fewer.
        """
        tables, held = self.tables, int(self.done.seed.nunique())
        if count > held:
            raise UserError(f"seeds must be at most {held}, which {self.facts.key} has, got {count}")
        trials = tables.trials[(tables.trials.phase != "final") | (tables.trials.seed < count)]
        curves, per_query = (frame[frame.seed < count] for frame in (tables.curves, tables.per_query))
        narrowed = replace(tables_of(trials, curves, per_query, self.spec), cost=tables.cost)
        return replace(self, tables=narrowed, left_out=held - count)

    def of_arms(self, names: Sequence[str]) -> Results:
        """The study as some of its arms show it; the others are told as left out.

        Args:
            names: Of groups of arms of its spec, and of arms.

        Raises:
            UserError: There is no such group or arm, or none of them has trials.
        """
        tables, others = self.tables, not_asked(self.spec, names)
        trials, curves, per_query, cost = (
            frame[~frame.arm.isin(others)] for frame in (tables.trials, tables.curves, tables.per_query, tables.cost)
        )
        if trials.empty:
            raise UserError(f"{self.facts.key} has no trials of {listed(names)}: run it with --arms first")
        narrowed = replace(tables_of(trials, curves, per_query, self.spec), cost=cost)
        facts = self.facts.model_copy(update={"lacking": self.facts.lacking | others})
        gallery = None if self.gallery is None else self.gallery.of_arms(set(trials.arm))
        return replace(self, tables=narrowed, facts=facts, gallery=gallery)

    @property
    def spec(self) -> StudySpec:
        """The study."""
        return self.facts.spec

    @property
    def mode(self) -> Any:
        """Its mode, a study.plan.mode.Mode."""
        return self.spec.how

    @cached_property
    def done(self) -> pd.DataFrame:
        """The complete final trials."""
        return complete(self.tables.trials)

    @property
    def arms(self) -> list[str]:
        """Names of arms with complete trials, in the order of tables."""
        return self.mode.shown_arms(self.spec, list(dict.fromkeys(self.done.arm)))

    @cached_property
    def information(self) -> dict[str, str]:
        """Arm to what its method learns from: images, text or labels."""
        known = self.tables.trials.drop_duplicates("arm")
        if "config" not in known:
            return {}
        names = {arm: json.loads(config)["method"]["name"] for arm, config in zip(known.arm, known.config, strict=True)}
        # Methods come with torch, which takes a second.
        told = self.facts.information
        return {arm: told.get(name) or METHODS[name].information for arm, name in names.items()}

    @cached_property
    def ceilings(self) -> list[str]:
        """Names of arms that learn from labels, in the order of tables: for scale, and never the best."""
        return [arm for arm in self.arms if self.information.get(arm) == "labels"]

    @property
    def ranked_arms(self) -> list[str]:
        """Names of arms by mean validation mAP, best first; those that learn from labels behind the others."""
        ranked = self.summary_of(SELECTION)["mean"].sort_values(ascending=False).index
        return sorted(map(str, ranked), key=self.ceilings.__contains__)

    def contenders(self, arms: Sequence[str]) -> list[str]:
        """The arms among which one is the best: those that learn without labels, where there are any.

        Args:
            arms: Their names.
        """
        return [arm for arm in arms if arm not in self.ceilings] or list(arms)

    def marked(self, arm: str) -> str:
        """An arm by name, and what its method learns from where that is more than images.

        Args:
            arm: With complete trials.
        """
        information = self.information.get(arm, "images")
        return arm if information == "images" else f"{arm} ({information})"

    @property
    def by_query(self) -> bool:
        """Whether AP of single queries is known, so that intervals are over seeds and queries, not over seeds alone."""
        return not self.tables.per_query.empty

    @property
    def map_name(self) -> str:
        """mAP@k as it is written in figures."""
        return self.facts.map_name

    def title(self, measure: Measure, short: bool = False) -> str:
        """What a measure is called in this study.

        Args:
            measure: Of the catalogue.
            short: For a column of a table.
        """
        return measure.title(self.map_name, self.facts.precision_at, short)

    def column(self, measure: Measure) -> str:
        """The head of a measure's column; the result's names the interval beside it.

        Args:
            measure: Of the catalogue.
        """
        return self.title(measure, short=True) + (" [95% CI]" if measure.name == RESULT else "")

    def estimate(self, arm: str) -> str:
        """Test mAP of an arm in words: its mean and, of several seeds, its 95% interval over seeds and queries.

        Of a deterministic arm that is over queries, and none where those are not known one by one.

        Args:
            arm: With complete trials.
        """
        row = self._result.loc[arm]
        if arm in self.deterministic and not self.by_query:
            return f"{row['mean']:.3f} (deterministic)"
        return f"{row['mean']:.3f}" + ("" if row.n < 2 else f" [{row.both_low:.3f}, {row.both_high:.3f}]")

    @cached_property
    def _result(self) -> pd.DataFrame:
        """Summary rows of the result, which is told of each arm."""
        return self.summary_of(RESULT)

    def cost_of(self, arm: str, measure: Measure) -> str:
        """What a run of an arm costs by itself, in words: the mean of its repeats; empty where it was not measured.

        Args:
            arm: Of the study.
            measure: Of the place COST.
        """
        cost = self.tables.cost
        values = cost[cost.arm == arm][measure.name]
        return measure.text(values.mean()) if len(values) else ""

    @property
    def cost_measures(self) -> list[Measure]:
        """The measures of cost, where it was measured."""
        return measures(Place.COST) if len(self.tables.cost) else []

    @cached_property
    def deterministic(self) -> set[str]:
        """The arms whose codes are the same for every seed, so that seeds have no interval to give."""
        codes = self.done.groupby("arm").codes_sha256
        return set(codes.nunique().index[(codes.nunique() == 1) & (codes.count() > 1)])

    @cached_property
    def importances(self) -> pd.DataFrame:
        """Importance of the tuned settings, see study.analysis.importance; empty for a study that tunes nothing."""
        return pd.DataFrame() if self.spec.tune is None else importances(self.tables.trials, self.spec.tune)

    def summary_of(self, measure: str) -> pd.DataFrame:
        """Summary rows of one measure, by arm; NaN, of n = 0, for an arm of which it was not taken.

        Args:
            measure: Its name.
        """
        summary = self.tables.summary
        rows = summary[summary.metric == measure].set_index("arm")
        return rows.reindex(summary.arm.unique()).assign(n=lambda frame: frame.n.fillna(0))

    def summaries_of(self, shown: Sequence[Measure]) -> dict[str, pd.DataFrame]:
        """Summary rows of measures, by the measure's name; see summary_of.

        Args:
            shown: Measures of the catalogue.
        """
        return {one.name: self.summary_of(one.name) for one in shown}

    def measured(self, shown: str) -> list[Measure]:
        """The measures of a place that this study has values of.

        Args:
            shown: A nsh_core.measures.Place.
        """
        done = self.done
        return [one for one in measures(shown) if one.name in done and done[one.name].notna().any()]


def earlier(folder: Path, spec: StudySpec) -> pd.DataFrame:
    """The comparisons that a study's trials so far allow, as in Tables; empty where there are none to be read.

    Args:
        folder: Of its results.
        spec: The study.
    """
    try:
        with reading(folder):
            _facts(folder)
            return read_tables(folder, spec).comparisons
    except (OSError, ValueError, KeyError, UserError):
        return pd.DataFrame(columns=list(COMPARISONS))


def studies_in(folder: Path) -> list[str]:
    """Names of the studies that have results in a folder.

    Args:
        folder: Of all results.
    """
    return [facts.parent.name for facts in sorted(folder.glob(f"*/{RUN_FILE}"))]


def read_results(folder: Path, first: str = "run the study") -> Results:
    """Reads results/<study>; measures that its version did not know are missing values.

    Args:
        folder: Of the results.
        first: What has to be done before there are any, for the message.

    Raises:
        UserError: The study has not been run, its files are damaged, or not of one moment.
    """
    if not (folder / RUN_FILE).exists():
        near = nearest(folder.name, studies_in(folder.parent))
        raise UserError(f"no results in {folder}: {first} first{near}")
    load_plugins_of(folder)
    try:
        with reading(folder):
            facts = _facts(folder)
            tables, gallery = read_tables(folder, facts.spec), read_gallery(folder, facts.spec)
            return Results(tables, facts, gallery, read_classes(folder), folder=folder)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder} is damaged, run the study again: {' '.join(str(error).split())}") from None


def _facts(folder: Path) -> RunFacts:
    """run.json, of which all other files are: nothing is told of two moments at once."""
    facts = RunFacts.read(folder)
    if others := strangers(folder, facts.digests):
        raise UserError(
            f"{folder} holds files of two moments, as after a kill ({', '.join(others)} not as {RUN_FILE} has it): "
            f"run the same command again: {facts.command}"
        )
    return facts
