"""The main table of a study for a paper: LaTeX with booktabs."""

from __future__ import annotations

import re
from typing import Any

from nsh_core.measures import RESULT, Place
from study.analysis.results import Results
from study.analysis.verdict import Verdict

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "*": "{*}",  # after the end of a row the last two would be its options
}  # fmt: skip


def escape(text: str) -> str:
    """Plain text as LaTeX."""
    return re.sub(r"[\\{}&%$#_~^<>|[*]", lambda match: _SPECIAL[match.group()], text)


def latex_table(results: Results, verdict: Verdict) -> str:
    """A booktabs table of the arms: mean and standard deviation over seeds, the best in bold, ties with it marked.

    Args:
        results: Of the study.
        verdict: On them.
    """
    shown, cost = results.measured(Place.LATEX), results.cost_measures
    summaries = results.summaries_of(shown)
    lines = [
        "% needs \\usepackage{booktabs}",
        f"% {escape(results.spec.question)}",
        "\\begin{tabular}{l" + "r" * (len(shown) + len(cost)) + "}",
        "\\toprule",
        "arm & " + " & ".join(escape(results.title(one, short=True)) for one in (*shown, *cost)) + " \\\\",
        "\\midrule",
    ]
    for arm in results.arms:
        cells = []
        for one in shown:
            row: Any = summaries[one.name].loc[arm]
            spread = "" if row.n < 2 else f" \\pm {row.sd:.{one.digits}f}"
            number = f"{one.text(row['mean'])}{spread}"
            bold = arm in verdict.best and one.name == RESULT
            cells.append(f"$\\mathbf{{{number}}}$" if bold else f"${number}$" if row.n else "")
        cells += [f"${text}$" if (text := results.cost_of(arm, one)) else "" for one in cost]
        mark = "$^\\dagger$" if arm in verdict.tied else "$^\\ddagger$" if arm in results.ceilings else ""
        lines.append(f"{escape(arm)}{mark} & " + " & ".join(cells) + " \\\\")
    lines += [
        "\\bottomrule",
        "\\end{tabular}",
        "% bold: best by validation mAP among arms compared with one another",
        "% dagger: not told apart from that best by the largest |t| of all pairs of arms",
        *(["% ddagger: learns from labels, a ceiling for scale"] if results.ceilings else []),
    ]
    return "\n".join(lines) + "\n"
