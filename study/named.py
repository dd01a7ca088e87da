"""The spec that a name means to whoever runs or reports a study, beside the results that are there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from nsh_core.errors import UserError
from study.analysis.generation import RUN_FILE
from study.analysis.results import studies_in
from study.analysis.run_facts import RunFacts
from study.plan.loading import is_spec, load_spec
from study.plan.spec import StudySpec


def spec_named(study: str, results: Path, *, reported: bool = False) -> StudySpec:
    """A study by name or file, where a name that only a folder of results has is told with what made those.

    Args:
        study: As load_spec takes it.
        results: Folder of all results.
        reported: Whether names of results would do as well.

    Raises:
        UserError: As load_spec.
    """
    others = studies_in(results)
    # os.path, as a name may be none that Path takes.
    if study and not is_spec(study) and os.path.isfile(os.path.join(study, RUN_FILE)) and study not in others:
        own = Path(study)
        raise UserError(f"study {study!r} is a folder of results: give --study {own.name} --results {own.parent}")
    if reported and not is_spec(study) and not results.is_dir():
        raise UserError(f"{study!r} is no shipped study, and there is no folder of results {results}")
    if is_spec(study) or study not in others:
        return load_spec(study, others if reported else ())
    folder, command = results / study, ""
    with contextlib.suppress(OSError, ValueError):
        command = RunFacts.read(folder).command
    if command.startswith("python "):
        how = f"give what it was run by, as in `{command}`"
    elif command:
        how = "it was run from Python: go on there, or give the path of its spec, if it has one"
    else:
        how = "give the path of its spec, which ends in .yaml"
    raise UserError(f"no shipped study is called {study!r}, and its results in {folder} are not its spec: {how}")
