"""Random charts, with names that markup hides in."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from study.reporting.figures.chart import Axis, Chart, Panel, Shades
from study.reporting.figures.marks import Band, Cells, Intervals, Line, Mark, Picture, Points, Rule, Texts
from study.reporting.figures.palette import look

NUMBERS = st.floats(0.0625, 1024, width=32)
WORDS = st.sampled_from(["softsort", "<b>bold</b>", "a & b", "$x$ and $y$", "%{x}", "&lt;", "ünïcode ≤ 3", "c" * 40])


@st.composite
def marks(draw: st.DrawFn) -> Mark:
    count = draw(st.integers(1, 4))
    some = arrays(np.float64, count, elements=NUMBERS)
    gaps = arrays(np.float64, count, elements=NUMBERS | st.just(float("nan")))
    kind = draw(st.sampled_from([Points, Line, Band, Intervals, Rule, Texts]))
    own = {
        Points: lambda: {"x": draw(some), "y": draw(some), "hollow": draw(st.booleans())},
        Line: lambda: {"x": draw(some), "y": draw(gaps), "markers": draw(st.booleans()), "steps": draw(st.booleans())},
        Band: lambda: {"x": np.sort(draw(some)), "low": draw(some), "high": draw(some)},
        Intervals: lambda: {
            "at": draw(some), "low": draw(gaps), "high": draw(gaps), "along": draw(st.sampled_from("xy")),
            "caps": draw(st.booleans()),
        },
        Rule: lambda: {"at": draw(NUMBERS), "axis": draw(st.sampled_from("xy"))},
        Texts: lambda: {"x": draw(some), "y": draw(some), "texts": tuple(draw(WORDS) for _ in range(count))},
    }[kind]()  # fmt: skip
    return kind(draw(st.just("") | WORDS), look(draw(st.integers(0, 60))), draw(st.booleans()), **own)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    axis = st.builds(Axis, WORDS, log=st.booleans(), reversed=st.booleans())
    some = st.lists(marks(), min_size=1, max_size=4).map(tuple)
    panels = draw(st.lists(st.builds(Panel, some, axis, axis, WORDS), min_size=1, max_size=4))
    columns = draw(st.integers(1, 3))
    return Chart(tuple(panels), "alt", columns=columns, wide=draw(st.booleans()))


def mosaic() -> Chart:
    """Cells with one empty and one framed, points with values, and a picture."""
    shades = Shades("bits", 8, 64, log=True, ticks=(8, 16, 64))
    values = np.array([[8.0, 16.0, 32.0], [64.0, np.nan, 8.0]])
    cells = Cells(values=values, texts=(("8", "<16>", "32"), ("64", "", "8")), framed=(1, 0))
    names = Axis("across", low=-0.5, names=("a", "b", "c")), Axis("down", low=-0.5, names=("d", "e"), reversed=True)
    points = Points(x=np.array([1.0, 2.0]), y=np.array([3.0, 4.0]), values=np.array([8.0, 32.0]))
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    picture = Picture(pixels=grey, left=0.0, top=0.0, size=1.0, frame="#d85a00", crossed=True)
    hidden = Axis(low=-0.1, high=1.1, hidden=True)
    panels = (
        Panel((cells,), *names, title="cells"),
        Panel((points,), Axis("x"), Axis("y")),
        Panel((picture,), hidden, Axis(low=-0.1, high=1.1, hidden=True, reversed=True), square=True),
    )
    return Chart(panels, "alt", columns=2, wide=True, shades=shades)
