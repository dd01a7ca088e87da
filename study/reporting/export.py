"""One archive of a study that another machine can open."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import optuna
import yaml

from nsh_core.files import write_atomically
from study.analysis.results import Results
from study.reporting.document import write_report
from study.session import JOURNAL, Session
from study.storage.opening import open_storage, storage_errors

_README = """\
The study {key}: {question}

results/{key}/      tables, facts of the run, indices of the splits
results/{journal}   Optuna's storage, this study alone
reports/{key}/      report.html, report.md, table.tex, figures
{name}.yaml         the spec

In a checkout of the project, with this archive unpacked in DIR:

    python study/report.py --study {key} --results DIR/results --reports DIR/reports
    {command}
    optuna-dashboard DIR/results/{journal}
"""


def export(session: Session, results: Results, path: Path) -> None:
    """Writes spec, tables, storage and report of a study as a zip archive. Raises UserError if it cannot be written."""
    plan = session.plan
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_report(results, root / "reports" / plan.key)
        with storage_errors(session.url):
            optuna.copy_study(
                from_study_name=plan.key,
                from_storage=session.queue.storage,
                to_storage=open_storage(str(root / "results" / JOURNAL)),
            )
        spec = plan.spec.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        (root / f"{plan.spec.name}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
        (root / "README.txt").write_text(_readme(session), encoding="utf-8")
        files = [(file, file.relative_to(root)) for file in root.rglob("*") if file.is_file()]
        files += [(file, Path("results", plan.key, file.name)) for file in session.folder.iterdir() if file.is_file()]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, name in sorted(files, key=lambda pair: pair[1]):
                archive.write(file, name)
    write_atomically(path, buffer.getvalue())


def _readme(session: Session) -> str:
    plan = session.plan
    dataset = f" --dataset {plan.dataset}" if plan.dataset != plan.spec.dataset else ""
    settings = "".join(f" --set {text}" for text in plan.assignments)
    return _README.format(
        key=plan.key,
        name=plan.spec.name,
        question=plan.spec.question,
        journal=JOURNAL,
        command=f"python study/run.py --study DIR/{plan.spec.name}.yaml{dataset}{settings} --seeds {plan.seeds} "
        "--results DIR/results",
    )
