import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from study.analysis.results import read_results
from study.analysis.verdict import decide
from study.reporting.latex import escape, latex_tables
from tests.study.commands import ROOT
from tests.study.reporting.test_document import synthetic

REFERENCE = ROOT / "results" / "reference"
TEX = shutil.which("pdflatex")
needs_tex = pytest.mark.skipif(TEX is None, reason="no pdflatex here: scripts/tex.sh")
# Of each kind some: ASCII, what is special, other scripts, accents that combine, what no font has.
SIGNS = st.one_of(
    st.characters(min_codepoint=33, max_codepoint=126),
    st.sampled_from(r"\{}&%$#_~^<>|[]*-`'\"?!,/" + "†‡×–αΩ−µł́é中😀Þ"),
    st.characters(exclude_categories=["C", "Z"]),
)


def compiled(tables: list[str], folder: Path) -> str:
    """What pdflatex says of tables in a document of the smallest width that they ask for."""
    body = "\n".join(f"{table}\\clearpage" for table in tables)
    setup = "\\documentclass{article}\\usepackage[textwidth=16cm,textheight=23cm]{geometry}\\usepackage{booktabs}"
    (folder / "all.tex").write_text(f"{setup}\n\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="utf-8")
    command = [str(TEX), "-interaction=nonstopmode", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    log = (folder / "all.log").read_text(encoding="latin-1")
    assert done.returncode == 0, re.findall("^!.*$", log, re.MULTILINE)[:5]
    return log


def complaints(log: str) -> list[str]:
    return re.findall(r"^(?:!|Missing character|Overfull|.*too large|.*multiply defined).*$", log, re.MULTILINE)


@needs_tex
@pytest.mark.slow(6)
def test_the_tables_of_the_reference_compile_on_a_page(tmp_path):
    names = "code_length", "selection", "sorter_ablation"
    tables = [latex_tables(results, decide(results)) for name in names if (results := read_results(REFERENCE / name))]
    log = compiled(tables, tmp_path)
    assert complaints(log) == []
    written = (tmp_path / "all.aux").read_text()
    labels = set(re.findall(r"\\newlabel\{(tab:[^}]+)\}", written))
    assert {"tab:code-length-glance", "tab:code-length", "tab:selection", "tab:sorter-ablation-cost"} <= labels


@needs_tex
@pytest.mark.slow(4)
@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(st.text(SIGNS, min_size=1, max_size=12), min_size=20, max_size=20, unique=True))
def test_any_name_compiles_and_lacks_no_character(tmp_path, names):
    rows = " \\\\\n".join(escape(name) for name in names)
    assert complaints(compiled([f"\\begin{{tabular}}{{l}}\n{rows} \\\\\n\\end{{tabular}}"], tmp_path)) == []


def test_marks_and_the_best_are_told_in_the_caption():
    results = synthetic({"softsort": 0.7, "neuralsort": 0.69, "argsort": 0.3}, spread=0.05)
    verdict = decide(results)
    text = latex_tables(results, verdict)
    rows = [line for line in text.splitlines() if line.endswith("\\\\")]
    bold = [row for row in rows if "mathbf" in row]
    assert len(bold) == len(verdict.tied) == 1
    assert bold[0].startswith(next(iter(verdict.best)))
    assert [row.split("\\text")[0] for row in rows if "dagger" in row] == list(verdict.tied)
    [caption] = re.findall(r"\\caption\{(.*)\}", text)
    for told in (
        r"Which \textless{}arm\textgreater{} \& why\_?",
        r"Test mAP@1000 on digits, mean, $\pm$ the standard deviation, over 8 seeds.",
        r"Brackets are 95\% intervals over seeds, by Student's t",
        "Items at one Hamming distance stand in the order of the database",
        "Bold: best on the validation queries",
        r"$\dagger$ not told apart from the best arm",
    ):
        assert told in caption
    assert "ddagger" not in caption
    assert "\\label{tab:made}" in text


def test_groups_have_a_table_of_their_own_whose_columns_are_few():
    lengths = {str(bits): {"code_length": bits} for bits in (8, 16, 32, 64)}
    factors = {"sorter": {"one": {}, "two": {"sorter.name": "argsort"}}, "code_length": lengths}
    means = {
        f"sorter={name}, code_length={bits}": 0.5 + int(bits) / 1000 for name in ("one", "two") for bits in lengths
    }
    results = synthetic(means, factors=factors, within=["code_length"])
    glance, all_arms = latex_tables(results, decide(results)).split("\\end{table*}")[:2]
    assert "\\label{tab:made-glance}" in glance
    assert "begin{tabular}{@{}lrrr@{}}" in glance
    assert " & code\\_length=8 & code\\_length=16 & code\\_length=32 \\\\" in glance
    assert " & code\\_length=64 &  &  \\\\" in glance
    assert glance.count("\none & ") == glance.count("\ntwo & ") == 2
    assert all_arms.count("\\emph{code\\_length=") == 4
    assert all_arms.count("\none & ") + all_arms.count("\none\\text") == 4


def test_arms_of_several_factors_have_a_column_for_each_and_go_on_in_another_table():
    factors = {
        "train.epochs": {str(one): {"train.epochs": one} for one in range(1, 10)},
        "train.batch_size": {str(one): {"train.batch_size": one} for one in range(2, 8)},
    }
    means = {f"epochs={one}, batch_size={two}": 0.5 for one in range(1, 10) for two in range(2, 8)}
    text = latex_tables(*(results := synthetic(means, 2, factors=factors), decide(results)))
    rows = re.findall(r"^(\d) & (\d)(?:\\text\S+)? & .*\\\\$", text, re.MULTILINE)
    assert rows == [(str(one), str(two)) for one in range(1, 10) for two in range(2, 8)]
    tables = text.split("\\end{table*}")[:-1]
    assert len(tables) == 2
    assert "\\caption{Continued from Table~\\ref{tab:made}.}\n\\label{tab:made-2}" in tables[1]
    assert "continuous input, by cosine" not in tables[0]
    assert r"\multicolumn{2}{@{}l}{continuous input, by cosine} & 0.600 & 0.600" in tables[1]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a\\b{c}~^", r"a\textbackslash{}b\{c\}\textasciitilde{}\textasciicircum{}"),
        ("--x-y", r"-{}-x-y"),
        ("nsh × α − 1", r"nsh $\times$ $\alpha$ $-$ 1"),
        ("e\u0301 Š 中", "é Š U+4E2D"),
        ("[1]*", "{[}1]{*}"),
        ('"a" ("b" c)"', "{``}a{''} ({``}b{''} c){''}"),
    ],
)
def test_text_is_shown_as_it_is(text, latex):
    assert escape(text) == latex
