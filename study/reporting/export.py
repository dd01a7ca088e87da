"""One archive of a study that another machine can open."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import optuna

from nsh_core import plugins
from nsh_core.errors import UserError
from nsh_core.files import write_atomically
from nsh_core.plain_yaml import write_yaml
from study.analysis.generation import reading
from study.analysis.results import Results
from study.execution.queue import TrialQueue
from study.plan.quiet import quiet
from study.plan.trials import Plan
from study.reporting.document import write_report
from study.storage.opening import open_storage, storage_errors
from study.storage.place import JOURNAL

_README = """\
The study {key}: {question}

results/{key}/      tables, facts of the run, indices of the splits
results/{journal}   Optuna's storage, this study alone
reports/{key}/      report.html, report.md, table.tex, figures
{name}.yaml         the spec
{plugins}
In a checkout of the project, with this archive unpacked in DIR:

    python study/report.py --study {key} --results DIR/results --reports DIR/reports{options}
    {command}
    optuna-dashboard DIR/results/{journal}
"""


def check_archive(path: Path) -> None:
    """Looks whether a path may be that of an archive.

    Args:
        path: Of the archive.

    Raises:
        UserError: It is a folder, or ends otherwise.
    """
    if path.is_dir():
        raise UserError(f"--export must name a file to write, as study.zip, got the folder {str(path)!r}")
    if path.suffix.lower() != ".zip":
        raise UserError(f"--export writes a .zip: the name must end so, as {path.stem}.zip, got {str(path)!r}")


def export(queue: TrialQueue, url: str, results: Results, tables: Path, path: Path) -> list[str]:
    """Writes spec, plug-ins, tables, storage and report of a study as a zip archive.

    Args:
        queue: Of the study.
        url: Of its storage, for messages.
        results: Of the study.
        tables: Folder of its results.
        path: Of the archive.

    Returns:
        A line for each figure that failed, and is not in it.

    Raises:
        UserError: It cannot be written, or ends in something else than .zip.
    """
    check_archive(path)
    plan = queue.plan
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        beside = root / "results" / plan.key
        beside.mkdir(parents=True)
        with reading(tables):
            for file in filter(_is_kept, tables.iterdir()):
                shutil.copyfile(file, beside / file.name)
        report = write_report(replace(results, folder=beside), root / "reports" / plan.key)
        with storage_errors(url):
            journal = open_storage(str(root / "results" / JOURNAL))
            with quiet():
                for study in queue.studies:
                    optuna.copy_study(from_study_name=study.study_name, from_storage=queue.storage, to_storage=journal)
        spec = plan.spec.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        spec["plugins"] = [_place(plugin) for plugin in plugins.loaded()]
        (root / f"{plan.spec.name}.yaml").write_text(write_yaml(spec), encoding="utf-8")
        (root / "README.txt").write_text(_readme(plan, results.facts.seeds), encoding="utf-8")
        for plugin in plugins.loaded():
            if plugin.is_file:
                write_atomically(root / _place(plugin), plugin.source)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(path for path in root.rglob("*") if path.is_file()):
                archive.write(file, file.relative_to(root))
    write_atomically(path, buffer.getvalue())
    return report.failures


def _is_kept(file: Path) -> bool:
    """Whether a file of a results folder is no other process' for a moment."""
    return file.is_file() and not file.name.startswith(".")


def _place(plugin: plugins.Plugin) -> str:
    """Where a plug-in lies in the archive; a module has to be installed."""
    return f"plugins/{Path(plugin.name).name}" if plugin.is_file else plugin.name


def _readme(plan: Plan, seeds: int) -> str:
    dataset = f" --dataset {plan.dataset}" if plan.dataset != plan.spec.dataset else ""
    settings = "".join(f" --set {text}" for text in plan.assignments)
    files = [f"DIR/{_place(plugin)}" for plugin in plugins.loaded() if plugin.is_file]
    return _README.format(
        key=plan.key,
        name=plan.spec.name,
        question=plan.spec.question,
        journal=JOURNAL,
        plugins="plugins/            what the study registers beside the project's own\n" if files else "",
        options="".join(f" --plugin {file}" for file in files),
        command=f"python study/run.py --study DIR/{plan.spec.name}.yaml{dataset}{settings} --seeds {seeds} "
        "--results DIR/results",
    )
