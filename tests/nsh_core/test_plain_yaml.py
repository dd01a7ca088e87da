import pytest

from nsh_core.plain_yaml import read_yaml, write_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 20))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("0o10", 8), ("1:30", "1:30"), ("yes", "yes"), ("no", "no"), ("on", "on"), ("true", True),
        ("null", None), ("1e-3", 0.001), ("3", 3), ("3.0", 3.0), ("{no: 1, off: 2}", {"no": 1, "off": 2}),
        ("{a: &b {c: 1}, d: *b, e: {<<: *b}}", {"a": {"c": 1}, "d": {"c": 1}, "e": {"c": 1}}),
        ('{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
    ],
)  # fmt: skip
def test_text_is_read_as_yaml_1_2(text, value):
    assert read_yaml(text) == value
    assert type(read_yaml(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", 'line 3: found duplicate key "a"'),
        ('{"a": 1, "a": 2}', 'found duplicate key "a"'),
        ("2026-01-01", "2026-01-01 is read as a date: as text write '2026-01-01', in quotes"),
        ("a:\n  2026-13-45: 1", "line 2: the name 2026-13-45 is read as a date"),
        ("null: {}", "the name null is read as nothing: as text write 'null', in quotes"),
        ("512: {}", "the name 512 is read as a number"),
        ("? [1, 2]\n: 3", "a name must be text"),
        ("!!set {a}", "no setting is of the type set"),
        ("!!binary aGk=", "no setting is of the type binary"),
        ("!!python/object:os.system x", "no setting is of the type python/object"),
        ("!!bool maybe", "maybe"),
        ("a: 1\nb: &b [*b]", "line 2: it nests more than 32 levels deep, or holds itself"),
        ("[" * 200, "it nests more than 32 levels deep"),
        ("- " * 5000, "it nests more than 32 levels deep"),
        ("9" * 5000, "a number of 5000 characters, at most 40 are read"),
        ("0x" + "f" * 5000, "a number of 5002 characters"),
        (BOMB, "more than 100000 values, those of aliases counted each time"),
        (MERGED, "more than 100000 values"),
        ("x" * 200_000, "more than 100000 characters"),
        ("%YAML 1.1\n---\na: yes", "leave out %YAML 1.1"),
        ("a: [1", "expected ',' or ']'"),
        ("*x", "undefined alias 'x'"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_plain_value_is_named_in_a_line(text, message):
    with pytest.raises(ValueError, match=r".+") as caught:
        read_yaml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_as_the_same():
    texts = ["no", "1.0", "null", "010", "1:30", "2026-01-01", "~", "", "=", "<<", "[/b]", "a|b", "# b", "x" * 300, "é"]
    value = {"question": "why: this? " * 30, "no": {text: text for text in texts}, "z": [True, 3, 0.1, None], "a": {}}
    assert read_yaml(write_yaml(value)) == value
    assert list(read_yaml(write_yaml(value))) == list(value)
