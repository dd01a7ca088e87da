"""Writes a study's report: figures, LaTeX, Markdown and one self-contained HTML page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from nsh_core.files import write_atomically
from study import figures
from study.latex import latex_table
from study.results import Results
from study.verdict import Verdict, decide


def write_report(results: Results, folder: Path) -> str:
    """Writes the report into a folder; returns its headline."""
    verdict = decide(results)
    images = figures.draw(results, folder)
    environment = Environment(
        loader=PackageLoader("study"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    context = {
        "name": results.facts["key"],
        "question": results.spec.question,
        "verdict": verdict,
        "reference": results.spec.reference_arm,
        "table": _table(results, verdict),
        "map_name": results.map_name,
        "continuous": results.facts["continuous"]["test_map"],
        "figures": [
            {"name": name, "caption": figures.CAPTIONS[name], "base64": base64.b64encode(image).decode()}
            for name, image in images.items()
        ],
        "facts": _facts(results),
    }
    for name in ("report.md", "report.html"):
        write_atomically(folder / name, environment.get_template(f"{name}.j2").render(context))
    write_atomically(folder / "table.tex", latex_table(results, verdict))
    return verdict.headline


def _table(results: Results, verdict: Verdict) -> dict[str, Any]:
    """Columns and rows of the arms, in the spec's order, and the index of the best."""
    test = results.summary_of("test_map")
    plain = [
        "val_map",
        "test_map_expected",
        "test_precision",
        "test_precision_radius_2",
        "train_seconds",
        "peak_memory_mb",
    ]
    means = {metric: results.summary_of(metric)["mean"] for metric in plain}
    rows = []
    for arm in results.arms:
        row = test.loc[arm]
        interval = "" if row.n < 2 else f" [{row.ci_low:.3f}, {row.ci_high:.3f}]"
        rows.append(
            [
                f"{arm}{' †' if arm in verdict.tied else ''}",
                f"{row.n:.0f}",
                f"{means['val_map'][arm]:.3f}",
                f"{row['mean']:.3f}{interval}",
                *(f"{means[metric][arm]:.3f}" for metric in plain[1:4]),
                f"{means['train_seconds'][arm]:.1f}",
                f"{means['peak_memory_mb'][arm]:.0f}",
            ]
        )
    at = results.facts["precision_at"]
    name = results.map_name
    return {
        "columns": [
            "arm", "seeds", f"val {name}", f"test {name} [95% CI]", "tie-aware", f"P@{at}", "P, radius 2",
            "train s", "MB",
        ],
        "rows": rows,
        "best": results.arms.index(verdict.best) if verdict.best else None,
    }  # fmt: skip


def _facts(results: Results) -> dict[str, str]:
    facts = results.facts
    states = results.tables.trials.state.value_counts()
    return {
        "command": facts["command"],
        "data set": f"{facts['dataset']}, fingerprint {facts['fingerprint']}",
        "items": f"{facts['train_items']} training, {facts['database_items']} database, "
        f"{facts['validation_queries']} validation queries, {facts['test_queries']} test queries",
        "trials": ", ".join(f"{count} {state}" for state, count in states.items()),
        "training time of all trials": f"{results.done.train_seconds.sum() if len(results.done) else 0:.0f} s",
        "storage": facts["storage"],
        "written": facts["written"],
        **facts["provenance"],
    }
