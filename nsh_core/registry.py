"""What can be chosen by name: one kind of registry, on the ground floor, that config, model and studies ask."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from nsh_core.errors import UserError, in_a_line

T = TypeVar("T")

_registrant: ContextVar[str] = ContextVar("registrant", default="")


@contextmanager
def registering(plugin: str) -> Iterator[None]:
    """Says who registers what is registered meanwhile.

    Args:
        plugin: Its file or module.

    Yields:
        Nothing; the block imports the plug-in.
    """
    token = _registrant.set(plugin)
    try:
        yield
    finally:
        _registrant.reset(token)


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' with the known name next to `name`, or nothing where none is near."""
    by_case = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(str(name).casefold(), by_case, n=1)
    return f"; did you mean {by_case[found[0]]!r}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """Names in a line, each in quotes where one of them holds a comma.

    Args:
        names: As they are.
    """
    each = list(names)
    return ", ".join(map(repr, each) if any("," in name for name in each) else each)


def nearest_file(path: Path) -> str:
    """'; did you mean ...?' with the file of the same ending next to a path that is not there, or nothing.

    Args:
        path: Of a file.
    """
    found = nearest(path.name, (file.name for file in path.parent.glob(f"*{path.suffix}"))) if path.suffix else ""
    return "" if path.exists() else found


@cache
def _entry_points() -> Any:
    """Those of all installed packages, which are looked through once for all registries."""
    return entry_points()


class Registry(Generic[T]):
    """Entries of one kind by name.

    An entry is registered by name or by decorator, or is an entry point of the group `nsh.<kind>s` of an installed
    package, which is imported when it is first asked for.

    Args:
        kind: What an entry is called in messages: "sorter".
        needs: Attributes without which an entry is none.
        home: Module that registers the project's own entries, imported before the first look at them.
    """

    def __init__(self, kind: str, needs: tuple[str, ...] = (), home: str = "") -> None:
        self.kind = kind
        self.group = f"nsh.{kind}s"
        self._needs, self._home = needs, home
        self._entries: dict[str, T | str] = {}
        self._imported: dict[str, T] = {}
        self._usages: dict[str, str] = {}
        self._plugins: dict[str, str] = {}
        self._demands: list[Callable[[str, Any], None]] = []

    @overload
    def register(self, name: str, entry: T | str, usage: str | None = None) -> None: ...
    @overload
    def register(self, name: str, entry: None = None, usage: str | None = None) -> Callable[[T], T]: ...

    def register(self, name: str, entry: T | str | None = None, usage: str | None = None) -> Callable[[T], T] | None:
        """Makes an entry known by name; without an entry, a decorator that does.

        Args:
            name: What configs and specs call it.
            entry: The entry, or "module:attribute" for one that is imported when it is first asked for.
            usage: How it is asked for, where that is more than the name.

        Returns:
            The decorator, or nothing where the entry was given.

        Raises:
            ValueError: The name is another entry's, or the entry lacks what its kind must have.
        """
        if entry is None:

            def decorate(entry: T) -> T:
                self.register(name, entry, usage)
                return entry

            return decorate
        known = self._all.setdefault(name, entry)
        if known is not entry:
            by = f", by {self._plugins[name]}" if self._plugins.get(name) else ""
            raise ValueError(f"{self.kind} {name!r} is already {getattr(known, '__name__', 'registered')}{by}")
        self._plugins.setdefault(name, _registrant.get())
        if usage is not None:
            self._usages[name] = usage
        if not isinstance(entry, str):
            try:
                self._check(name, entry)
            except ValueError:
                self.unregister(name)
                raise
        return None

    def unregister(self, name: str) -> None:
        """Forgets an entry.

        Args:
            name: A registered name.
        """
        del self._all[name], self._plugins[name]

    def demand(self, check: Callable[[str, Any], None]) -> None:
        """Adds a check that every entry must pass, those that are registered already too.

        Args:
            check: Gets a name and its entry; raises ValueError in one line for what cannot be used.

        Raises:
            ValueError: An entry does not pass.
        """
        self._demands.append(check)
        for name, entry in self._entries.items():
            if not isinstance(entry, str):
                check(name, entry)

    def plugin_of(self, name: str) -> str:
        """File or module of the plug-in that registered an entry; empty for one of the project's or of a package's."""
        return self._plugins.get(name, "")

    def module_of(self, name: str) -> str:
        """The module that an entry is defined in; empty for one that is not imported yet."""
        return getattr(self._all.get(name), "__module__", "")

    def names(self) -> list[str]:
        """All names: registered ones in their order, then those of installed packages."""
        return [*self._all, *(name for name in self._installed if name not in self._all)]

    def usages(self) -> list[str]:
        """The names, each as it is asked for."""
        return [self._usages.get(name, name) for name in self.names()]

    def unknown(self, name: str, more: str = "") -> str:
        """What is said of a name that is none of the known ones.

        Args:
            name: As asked for.
            more: What else is allowed.
        """
        known = ", ".join(self.usages())
        return f"unknown {self.kind} {name!r}, known: {known}{more}{nearest(name, self.names())}"

    def __contains__(self, name: object) -> bool:
        return name in self._all or name in self._installed

    def __getitem__(self, name: str) -> T:
        """The entry of a name.

        Raises:
            UserError: There is none; the message lists the known names and the nearest. Or its package fails.
        """
        if name not in self:
            raise UserError(self.unknown(name))
        if name in self._installed:
            return self._of_a_package(name)
        entry = self._all[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._all[name] = getattr(importlib.import_module(module), attribute)
            self._check(name, entry)
        return entry

    def entries(self) -> list[T]:
        """All entries, in the order of their names."""
        known = self._all | dict.fromkeys(self._installed, "")
        return [self[name] if isinstance(entry, str) else entry for name, entry in known.items()]

    @property
    def _all(self) -> dict[str, T | str]:
        """What is registered, the project's own too."""
        if self._home and self._home not in sys.modules:
            # Whoever looks first may be a plug-in.
            with registering(""):
                importlib.import_module(self._home)
        return self._entries

    @cached_property
    def _installed(self) -> dict[str, list[EntryPoint]]:
        points: dict[str, list[EntryPoint]] = {}
        for point in _entry_points().select(group=self.group):
            same = points.setdefault(point.name, [])
            if point.value not in [other.value for other in same]:
                same.append(point)
        return points

    def _of_a_package(self, name: str) -> T:
        if name in self._imported:
            return self._imported[name]
        points = self._installed[name]
        rivals = [point.value for point in points[1:]]
        if name in self._all:
            rivals.append(called(self._all[name]))
        if rivals:
            raise UserError(f"{self.kind} {name!r} is both {points[0].value} and {', '.join(rivals)}: uninstall one")
        try:
            entry = points[0].load()
            self._check(name, entry)
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self.kind} {name!r}, entry point {points[0].value}, cannot be used: {in_a_line(error)}"
            ) from None
        return self._imported.setdefault(name, entry)

    def _check(self, name: str, entry: Any) -> None:
        missing = sorted({need for need in self._needs if not hasattr(entry, need)})
        if inspect.isclass(entry):
            missing = sorted({*missing, *getattr(entry, "__abstractmethods__", ())})
        if missing:
            raise ValueError(f"{self.kind} {name!r} ({called(entry)}) lacks {', '.join(missing)}")
        if not self._needs and not callable(entry):
            raise ValueError(f"{self.kind} {name!r} must be callable, got {called(entry)}")
        for check in self._demands:
            check(name, entry)


def called(entry: Any) -> str:
    """An entry by its own name, or by that of its type."""
    return entry if isinstance(entry, str) else getattr(entry, "__name__", type(entry).__name__)


SORTERS: Registry[Any] = Registry(
    "sorter",
    ("paper", "default_temperature", "search_range", "first", "level_form"),
    home="nsh_core.sorters",
)
METHODS: Registry[Any] = Registry("method", ("paper", "Options", "search_space"), home="nsh_core.methods")
DATASETS: Registry[Callable[[str], Any]] = Registry("dataset", home="nsh_core.data.kinds")
BACKBONES: Registry[Any] = Registry("backbone", ("dim", "from_scratch", "features"), home="nsh_core.backbones.kinds")
MEASURES: Registry[Any] = Registry(
    "measure", ("label", "better", "digits", "needs_labels", "shown", "compute"), home="nsh_core.measures"
)
