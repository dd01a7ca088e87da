"""YAML 1.2, and JSON as part of it, as plain values: a name that is given twice is refused, and so are other types."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

# Far above any study; a text within them is read in less than a second.
LONGEST = 100_000
_MOST_VALUES = 100_000
_DEEPEST = 32
_LONGEST_NUMBER = 40
_TOO_DEEP = f"it nests more than {_DEEPEST} levels deep, or holds itself"

_TAG = "tag:yaml.org,2002:"
_PLAIN = {"str", "int", "float", "bool", "null", "seq", "map"}
_CALLED = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing", "timestamp": "a date"}


def read_yaml(text: str) -> Any:
    """What a YAML 1.2 text says: mappings with text as names, lists, text, numbers, true and false, and nothing.

    Args:
        text: Of a file, or the value of an option.

    Raises:
        ValueError: It is no YAML, gives a name twice, holds another kind of value, or is too long or too deep; in one
            line, with the number of the line where there are several.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has more than {LONGEST} characters, the most that are read")
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _PlainValues
    reader.max_depth = _DEEPEST
    try:
        return reader.load(text)
    except MarkedYAMLError as error:
        problem = _TOO_DEEP if isinstance(error, MaxDepthExceededError) else error.problem
        raise ValueError(f"{_at(error.problem_mark)}{problem}") from None
    except (YAMLError, KeyError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def write_yaml(value: Any) -> str:
    """Plain values as YAML 1.2, from which read_yaml reads the same.

    Args:
        value: Of mappings in their order, lists, text, numbers, true and false, and nothing.
    """
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    buffer = io.StringIO()
    writer.dump(value, buffer)
    return buffer.getvalue()


class _PlainValues(SafeConstructor):
    """Looks at what a text is made of before anything is made of it."""

    def construct_document(self, node: Node) -> Any:
        if self.resolver.processing_version == (1, 1):
            raise ValueError("it says that it is YAML 1.1, and YAML 1.2 is read: leave out %YAML 1.1")
        self._seen = 0
        self._check(node, 1)
        return super().construct_document(node)

    def _check(self, node: Node, depth: int) -> None:
        """Raises ValueError for what is no plain value; an alias counts as often as it is used."""
        self._seen += 1
        kind = str(node.tag).removeprefix(_TAG)
        where = _at(node.start_mark)
        if depth > _DEEPEST:
            raise ValueError(f"{where}{_TOO_DEEP}")
        if self._seen > _MOST_VALUES:
            raise ValueError(f"it comes to more than {_MOST_VALUES} values, those of aliases counted each time")
        if kind == "timestamp":
            raise ValueError(f"{where}{_read_as(node, kind)}")
        if kind not in _PLAIN:
            raise ValueError(f"{where}no setting is of the type {kind}")
        if kind in ("int", "float") and len(node.value) > _LONGEST_NUMBER:
            raise ValueError(f"{where}a number of {len(node.value)} characters, at most {_LONGEST_NUMBER} are read")
        if isinstance(node, MappingNode):
            for name, value in node.value:
                self._check_name(name)
                self._check(value, depth + 1)
        elif not isinstance(node, ScalarNode):
            for value in node.value:
                self._check(value, depth + 1)

    def _check_name(self, node: Node) -> None:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in ("str", "merge"):
            return
        if kind in _CALLED and node.value:
            raise ValueError(f"{_at(node.start_mark)}the name {_read_as(node, kind)}")
        raise ValueError(f"{_at(node.start_mark)}a name must be text")


def _read_as(node: Node, kind: str) -> str:
    return f"{node.value} is read as {_CALLED[kind]}: as text write '{node.value}', in quotes"


def _at(mark: Any) -> str:
    """The line of a mark, of which a text of a single line needs none."""
    return "" if mark is None or "\n" not in mark.buffer.rstrip("\0\n") else f"line {mark.line + 1}: "
