"""The main table of a study for a paper: LaTeX with booktabs."""

from __future__ import annotations

import re

from study.analysis.results import Results
from study.analysis.verdict import Verdict

_COLUMNS = {
    "val_map": "val mAP",
    "test_map": "test mAP",
    "test_map_expected": "tie-aware",
    "test_precision": "precision",
    "test_precision_radius_2": "P, r $\\le$ 2",
    "train_seconds": "seconds",
}
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def escape(text: str) -> str:
    """Plain text as LaTeX."""
    return re.sub(r"[\\{}&%$#_~^]", lambda match: _SPECIAL[match.group()], text)


def latex_table(results: Results, verdict: Verdict) -> str:
    """A booktabs table of the arms: mean and standard deviation over seeds, the best in bold, ties with it marked."""
    lines = [
        "% needs \\usepackage{booktabs}",
        f"% {escape(results.spec.question)}",
        "\\begin{tabular}{l" + "r" * len(_COLUMNS) + "}",
        "\\toprule",
        "arm & " + " & ".join(_COLUMNS.values()) + " \\\\",
        "\\midrule",
    ]
    for arm in results.arms:
        cells = []
        for metric in _COLUMNS:
            row = results.summary_of(metric).loc[arm]
            digits = 1 if metric == "train_seconds" else 3
            spread = "" if row.n < 2 else f" \\pm {row.sd:.{digits}f}"
            number = f"{row['mean']:.{digits}f}{spread}"
            bold = arm in verdict.best and metric == "test_map"
            cells.append(f"$\\mathbf{{{number}}}$" if bold else f"${number}$")
        mark = "$^\\dagger$" if arm in verdict.tied else ""
        lines.append(f"{escape(arm)}{mark} & " + " & ".join(cells) + " \\\\")
    lines += [
        "\\bottomrule",
        "\\end{tabular}",
        "% bold: best by validation mAP among arms compared with one another",
        "% dagger: the 95% interval of its paired test difference from that best holds 0",
    ]
    return "\n".join(lines) + "\n"
