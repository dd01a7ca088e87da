import pytest
from markdown_it import MarkdownIt

from nsh_core.markdown import as_markdown
from study.reporting.latex import escape

NAMES = ["[/b]", "<b>", "a|b", r"a\|b", "$x_1$", "100%", "*x*", "_x_", "a_b", "`x`", r"\x", "&lt;", "+0.1*", "None"]


@pytest.mark.parametrize("name", NAMES)
def test_markdown_shows_text_as_it_is(name):
    page = MarkdownIt("commonmark").enable("table")
    table = f"| {as_markdown(name)} | x |\n|---|---|\n| 1 | 2 |\n"
    cells = [token.children for token in page.parse(table) if token.type == "inline"]
    assert ["".join(child.content for child in children) for children in cells] == [name, "x", "1", "2"]
    assert all(child.type in ("text", "text_special") for children in cells for child in children)
    assert "$" not in as_markdown(name).replace(r"\$", "")


@pytest.mark.parametrize(
    ("name", "latex"),
    [("[/b]", "{[}/b]"), ("*", "{*}"), ("<b>", r"\textless{}b\textgreater{}"), ("a|b", r"a\textbar{}b")],
)
def test_latex_shows_text_as_it_is(name, latex):
    assert escape(name) == latex
