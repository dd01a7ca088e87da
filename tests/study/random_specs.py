"""Random specs, most of them nearly right."""

import string

from hypothesis import strategies as st

from tests.study.commands import SPEC
from tests.study.random_bytes import damaged
from tests.study.random_commands import RIGHT, Given, nearly

_KEYS = ["question", "dataset", "plugins", "base", "factors", "reference", "within", "comparisons", "asks",
         "smallest_effect", "mode", "tune", "seeds", "figures", "name"]  # fmt: skip
_SCALARS = st.one_of(
    st.sampled_from(
        ["1", "0", "-1", "1e400", ".nan", ".inf", "null", "~", "true", "yes", "2024-01-01", "1:30", "010", "0x1F", "''",
         "9" * 50, '"16"', "[]", "{}", "[[]]", "{a: {b: {c: 1}}}", "!!set {a}", "!!binary aGk=", "!!python/name:os",
         "!x y", "*a", "&a [*a]", "&a 1", "|\n  text", "? x", "<<: {a: 1}", "'[/b]'", "'=1+1'", "'a\\tb'", "'a/b'",
         '"\\x1b[2J"', '"\\u2028"', '"\\0"', '"\\ud800"', "@x", "%x", "`x`", "'" + "x" * 500 + "'", "[" * 40 + "]" * 40,
         "softsort", "argsort", "digits", "tuned", "pareto", "0.1", "日本", "'..'"]
    ),
    st.text(string.printable, max_size=8).map(repr),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=6),
)  # fmt: skip
_LEVELS = st.one_of(
    st.lists(_SCALARS | st.sampled_from(["softsort", "argsort", "neuralsort", "sinkhorn"]), max_size=4).map(
        lambda found: f"[{', '.join(found)}]"
    ),
    st.dictionaries(_SCALARS, st.sampled_from(["{}", "{sorter.name: argsort}", "{loss.gap: 1}", "3"]), max_size=3).map(
        lambda found: "{" + ", ".join(f"{name}: {value}" for name, value in found.items()) + "}"
    ),
)
_RIGHT_VALUES = {
    "mode": ["grid", "tuned", "one_factor", "pareto"],
    "tune": ["{trials: 3}", "{trials: 2, seeds: 2}", "{each_seed: true}"],
    "within": ["[code_length]"],
    "comparisons": ["{more: [[argsort, softsort]]}"],
    "asks": ["factors", "value", "predictor"],
    "smallest_effect": ["0.01"],
    "figures": ["[arms]"],
    "name": ["mine"],
    "dataset": ["digits"],
    "plugins": ["[]"],
}


@st.composite
def specs(draw: st.DrawFn) -> Given:
    """Specs with a few changes, shown by a dry run or named to a report."""
    parts = dict(line.split(": ", 1) for line in SPEC.replace("\n  ", " ").splitlines() if not line.startswith(" "))
    parts["factors"] = "{sorter.name: [softsort, argsort]}"
    lines = list(parts.items())
    for _ in range(draw(st.integers(0, 3))):
        how = draw(
            st.sampled_from(["right", "right", "value", "levels", "reference", "drop", "twice", "key", "factor"])
        )
        at = draw(st.integers(0, len(lines) - 1))
        key, value = lines[at]
        if how == "right":
            more = draw(st.sampled_from(sorted(_RIGHT_VALUES)))
            lines.append((more, draw(st.sampled_from(_RIGHT_VALUES[more]))))
        elif how == "value":
            lines[at] = (key, draw(_SCALARS))
        elif how == "levels":
            lines.append(("factors", f"{{sorter.name: {draw(_LEVELS)}}}"))
        elif how == "reference":
            lines.append(("reference", f"{{sorter.name: {draw(_SCALARS)}}}"))
        elif how == "drop":
            lines.pop(at)
        elif how == "twice":
            lines.append((key, value))
        elif how == "key":
            lines[at] = (draw(st.sampled_from(_KEYS) | nearly(key)), value)
        else:
            level = draw(_SCALARS)
            lines += [
                ("factors", f"{{arm: {{{level}: {{}}, b: {{loss.gap: 1}}}}}}"),
                ("reference", f"{{arm: {level}}}"),
            ]
        if not lines:
            break
    if draw(st.integers(0, 3)):  # the last word counts, or all are left, which is a name twice
        lines = list(dict(lines).items())
    text = "".join(f"{key}: {value}\n" for key, value in lines).encode("utf-8", "surrogatepass")
    text = draw(damaged(text)) if draw(st.integers(0, 7)) == 0 else text
    script = draw(st.sampled_from(["run.py", "run.py", "run.py", "report.py"]))
    more = ["--dry-run", "--results", "r"] if script == "run.py" else ["--mode", draw(st.sampled_from(RIGHT["--mode"]))]
    return Given(script, ["--study", "s.yaml", *more], {"s.yaml": text})
