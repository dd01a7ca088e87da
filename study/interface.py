"""Studies from Python: what the command lines do, in a notebook or a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import optuna
import pandas as pd

from nsh_core import Dataset, UserError, arguments, load_dataset
from nsh_core.data import check_name
from nsh_core.plugins import check_reachable
from nsh_core.plugins import load as load_plugins
from study import reporting
from study.analysis.generation import RUN_FILE
from study.analysis.results import Results
from study.analysis.seeds import what_is_weak
from study.analysis.verify import Verification
from study.analysis.verify import verify as train_again
from study.arguments import assignments
from study.ending import ending
from study.execution.display import Display, display_here
from study.execution.engine import EngineName, Execution, Others, cores
from study.execution.events import OnEvaluation, OnTrial
from study.named import spec_named
from study.plan.loading import spec_of, with_mode
from study.plan.planning import make_plan
from study.plan.trials import Plan, left_out
from study.reporting.tracking.tracking import Tracking
from study.session import Session, open_session
from study.storage.place import KINDS
from study.stored import StoredStudy
from study.typed import command_line


class Study(StoredStudy):
    """A study: plan it, run it, look at what it says.

    Every state lives in its storage: whatever stops a run, `run` again goes on, in this process or another, and
    `python study/run.py` with the same spec, data and settings is the same study; one whose `factors` are given here
    has no spec, and goes on from Python alone.

        >>> from study import Study
        >>> study = Study(
        ...     "positives",
        ...     base={"code_length": 16, "train.epochs": 2, "train.evaluate_every": 1},
        ...     factors={"loss.num_positives": [1, 5]},
        ...     seeds=2,
        ... )
        >>> study
        Study positives on digits: 2 arms, 2 seeds, not run yet in results/positives
        >>> study.run(jobs=1, progress=False).trials.state.unique().tolist()
        ['complete']
        >>> print(study.compare("num_positives=5", "num_positives=1").arm)
        num_positives=5

    Args:
        study: Name of a shipped study, path of a .yaml file or, with `factors`, of a new one.
        dataset: What to train on: a name, or a Dataset, which is stored below `results` for worker processes; default:
            the study's.
        seeds: Of each arm; default: the study's.
        settings: Overrides of every arm, by dotted name.
        mode: Another mode than the study's.
        trials: Tuning trials of each arm.
        tune_each_seed: Whether each seed gets a tuning of its own.
        arms: Groups of arms of the spec, and arms, that alone run; default: all. Trials are the same either way.
        plugins: Files and modules that register sorters, methods, measures, ...
        results: Folder of tables, and of the default storage.
        storage: Path or URL of the Optuna storage; default: a journal in `results`.
        spec: What a spec in YAML says: factors, base, reference, within, question, comparisons, tune, ...; see
            study.plan.spec.StudySpec. `reference` is the first level of each factor unless it is given. Without factors
            they change a known study, into one with a name of its own: `tune={"objective": "val_precision"}`.

    Attributes:
        plan: Its trials, as far as they are known.
        storage: As given.

    Raises:
        UserError: What does not fit, in one line.
    """

    _first = "run()"

    def __init__(
        self,
        study: str,
        *,
        dataset: str | Dataset | None = None,
        seeds: int | None = None,
        settings: Mapping[str, Any] | Sequence[str] = (),
        mode: str | None = None,
        trials: int | None = None,
        tune_each_seed: bool = False,
        arms: Sequence[str] = (),
        plugins: Sequence[str] = (),
        results: str | Path = "results",
        storage: str | None = None,
        **spec: Any,
    ) -> None:
        load_plugins(arguments.names("plugins", plugins))
        if not isinstance(study, str):
            raise UserError(f"study must be text, got {arguments.in_short(study)}: a name, or the path of a .yaml file")
        if storage is not None and not isinstance(storage, str):
            raise UserError(f"storage must be text, got {arguments.in_short(storage)}, allowed: {KINDS}")
        if dataset is not None and not isinstance(dataset, Dataset):
            check_name(dataset)
        folder = arguments.path("results", results)
        known = spec_of(study, spec) if spec else spec_named(study, folder)
        self.plan: Plan = make_plan(
            with_mode(known, mode, arguments.optional_count("trials", trials), tune_each_seed),
            dataset.stored(folder / "data") if isinstance(dataset, Dataset) else dataset,
            assignments(settings),
            arguments.optional_count("seeds", seeds),
            arms=arguments.names("arms", arms),
        )
        self.storage = storage
        super().__init__(folder / self.plan.key)

    @classmethod
    def from_yaml(cls, path: str | Path, **options: Any) -> Self:
        """The study of a spec.

        Args:
            path: Of a .yaml, .yml or .json file.
            options: As for Study.

        Raises:
            UserError: What does not fit.
        """
        if arguments.path("a spec", path).suffix not in (".yaml", ".yml", ".json"):
            raise UserError(f"a spec is a .yaml, .yml or .json file, got {str(path)!r}")
        return cls(str(path), **options)

    @cached_property
    def session(self) -> Session:
        """Plan, data and storage together, opened when first asked for."""
        return open_session(self.plan, self.folder.parent, self.storage)

    def run(
        self,
        *,
        jobs: int | None = None,
        limit: int | None = None,
        stack: int | None = None,
        retry_failed: bool = False,
        others: Others = "refuse",
        engine: EngineName = "local",
        gpus_per_task: float = 0.0,
        track: Sequence[str] = (),
        on_trial: OnTrial | None = None,
        on_evaluation: OnEvaluation | None = None,
        progress: bool | Display = True,
    ) -> Self:
        """Runs what is left of the study, and writes its tables whatever happens. Ctrl-C stops it.

        Args:
            jobs: Worker processes; default: a core each.
            limit: At most so many trials now.
            stack: Runs that train as one stack; default: what is fastest. No result depends on it.
            retry_failed: Whether trials run again that failed.
            others: What becomes of trials that another version of code or libraries trained: "refuse" to go on, "mix"
                theirs with new ones, or "rerun" them.
            engine: "local", or "ray" for tasks on a cluster.
            gpus_per_task: Share of a GPU of each Ray task.
            track: Trackers that each trial is written to: "tensorboard", "mlflow", "wandb", or of a plug-in.
            on_trial: Called in this process after each trial with a study.execution.events.EndedTrial.
            on_evaluation: Called in this process after each evaluation with a study.execution.events.Evaluated.
            progress: Whether to say how far it is: in a bar, below a cell or in lines; or an open display for that.

        Returns:
            Itself.

        Raises:
            UserError: It cannot run.
            KeyboardInterrupt: After Ctrl-C, with its own running trials marked.
        """
        check_reachable()
        jobs = arguments.optional_count("jobs", jobs) or cores()
        tracking = Tracking(arguments.names("track", track), self.key, self.folder.parent)

        def refresh() -> None:
            self.refresh()
            tracking.update(self.session.queue, self.session.url)

        execution = Execution(
            jobs,
            max(1, cores() // jobs),
            arguments.optional_count("stack", stack),
            arguments.optional_count("limit", limit),
            retry_failed,
            arguments.one_of("others", others, Others),
            refresh,
            arguments.one_of("engine", engine, EngineName),
            gpus_per_task,
            arguments.called("on_trial", on_trial),
            arguments.called("on_evaluation", on_evaluation),
        )
        with closing(tracking):
            if isinstance(progress, Display):
                self._run(replace(execution, display=progress), refresh)
                return self
            with display_here() if progress else Display() as display:
                self._run(replace(execution, display=display), refresh)
                display.end(ending(self.verdict, self.folder))
        return self

    def _run(self, execution: Execution, refresh: Callable[[], None]) -> None:
        display = execution.display
        display.stage(f"loading {self.plan.dataset}")
        display.say(f"labels: {self.session.dataset.labels_in_words()}")
        for line in left_out(self.plan.lacking):
            display.say(f"note: arms {line}")
        if weak := what_is_weak(self.plan.spec, self.plan.seeds):
            display.say(f"note: {weak}")
        try:
            try:
                self.session.run(execution)
            finally:
                display.stage("writing tables")
                refresh()
        except KeyboardInterrupt:
            display.say(f"kept: {self.session.kept}\nto go on: {command_line() or 'run() again'}")
            raise

    def refresh(self) -> Results:
        """Writes the tables anew from the storage, and shows them on the dashboard.

        Raises:
            UserError: The storage cannot be read, or a folder not written.
        """
        return self.session.publish()

    def verify(self, trial: int | str) -> Verification:
        """Trains a trial of the tables again and compares the codes.

        Args:
            trial: Its number in `trials`, of a final trial; of a try of tuning "tuning:NUMBER".

        Raises:
            UserError: There is nothing to compare, or these are other data.
        """
        return train_again(self.folder, load_dataset(self.plan.dataset), str(trial), cores())

    def export(self, archive: str | Path) -> Path:
        """Writes spec, tables, storage and report as one .zip.

        Args:
            archive: The file.

        Returns:
            Its path.

        Raises:
            UserError: It cannot be written, or a figure of the report failed; the rest is in it.
        """
        file, session = arguments.path("archive", archive), self.session
        failures = reporting.write_archive(session.queue, session.url, session.write_results(), self.folder, file)
        if failures:
            raise UserError("; ".join(failures))
        return file

    def measure_cost(self, repeats: int = 3) -> pd.DataFrame:
        """Trains each arm by itself, for seconds and memory.

        Args:
            repeats: Of each arm.

        Returns:
            A row a run; see study.execution.cost.

        Raises:
            UserError: No final trial is planned yet, or the folder cannot be written into.
        """
        return self.session.measure_cost(arguments.count("repeats", repeats))

    def __repr__(self) -> str:
        if (self.folder / RUN_FILE).exists():
            return super().__repr__()
        plan = self.plan
        arms = len(plan.spec.arms)
        return f"Study {self.key} on {plan.dataset}: {arms} arms, {plan.seeds} seeds, not run yet in {self.folder}"

    @property
    def optuna_study(self) -> optuna.Study:
        """The study as Optuna knows it, in its storage."""
        return self.session.queue.study
