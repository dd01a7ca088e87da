"""Pages: what stands between markers is written anew, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsh_core.errors import UserError
from study.reporting.quoted import evaluator, literals, pieces, rewritten

NAMES = {"two": lambda: 2, "rows": lambda: "| a |\n| --- |", "no": lambda: False, "say": lambda text: text}


def page(text: str):
    return rewritten(text, evaluator(NAMES), "page.md")


def test_what_is_quoted_is_written_anew_and_once():
    once = page("There are <!--= two() -->7<!--/--> of `<!--= two() -->`.\n")
    assert once.text == "There are <!--= two() -->2<!--/--> of `<!--= two() -->`.\n"
    assert page(once.text) == once


def test_a_table_stands_between_empty_lines():
    assert page("a\n\n<!--= rows() --><!--/-->\n").text == "a\n\n<!--= rows() -->\n\n| a |\n| --- |\n\n<!--/-->\n"


def test_code_is_left_alone():
    text = "```\n<!--= unknown() -->\n```\nand `<!--? no() -->`\n"
    assert page(text).text == text
    assert page(text).broken == []


def test_a_condition_that_does_not_hold_is_named():
    [line] = page("One wins. <!--? two() == 2 -->\nTwo win. <!--? two() == 3 -->\n").broken
    assert line.startswith("page.md:2: no longer so: two() == 3;")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a <!--= two() -->", "page.md:1: <!--= two() --> has no end"),
        ("a <!--= two() --> b <!--= two() -->2<!--/-->", "page.md:1: <!--= two() --> has no end"),
        (
            "\n\na <!--= tow() -->2<!--/-->",
            "page.md:3: there is no tow(), known: two, rows, no, say; did you mean 'two'?",
        ),
        ("a <!--= two(1) -->2<!--/-->", "page.md:1: two(1) has no value"),
        ("a <!--= two( -->2<!--/-->", "page.md:1: two( has no value"),
    ],
)
def test_what_cannot_be_quoted_is_named_with_its_line(text, told):
    with pytest.raises(UserError) as error:
        page(text)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    "text", ["<!--= two() -->2<!--/--> are", "- <!--= two() -->2<!--/-->", "a\n<!--? two() == 2 -->\n"]
)
def test_a_line_of_prose_must_not_begin_with_a_marker(text):
    [line] = page(text).broken
    assert "takes for HTML" in line


@given(
    st.lists(st.sampled_from(["a 1.5 s\n", "`b`", "<!--= two() -->x<!--/-->", "<!--? no() -->", "```\n1\n```\n", "\n"]))
)
def test_pieces_are_the_page(parts):
    text = "".join(parts)
    assert "".join(piece.raw for piece in pieces(text, "page.md")) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is .743 there", [".743"]),
        ("It takes 203 us, 3 GB and 12.9 times as long", ["203 us", "3 GB", "12.9"]),
        ("86 claims a second, 39% of it, in 4 minutes", ["86 claims a second", "39%", "4 minutes"]),
        ("2,759 passed\nand -0.5", ["2,759 passed", "-0.5"]),
        ("[+.008, +.026]", ["+.008", "+.026"]),
        ("32 bits, ten seeds, seed 0, 2026-11-27, version 0.2.1, m = 2, `.05`, 95% intervals, 50,000 images", []),
        ("Python 3.11, 3.12 or 3.13, torch 2.13, arXiv 2201.13322, [a](b/1.5.md), <!--= two() -->1.5 s<!--/-->", []),
        ("```\n1.5 s\n```\n", []),
    ],
)
def test_numbers_that_look_measured_are_found(text, found):
    told = literals(text, "page.md")
    assert [line.split("'")[1] for line in told] == found


def test_a_number_is_found_on_its_line():
    assert literals("a\n`b`\nc 1.5\n", "page.md") == ["page.md:3: '1.5' is quoted from nothing"]
