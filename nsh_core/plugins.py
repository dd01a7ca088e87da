"""Plug-ins: files and modules of a user's, which register what they hold in every process that needs it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.util
import os
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nsh_core.errors import UserError, in_a_line
from nsh_core.registry import BACKBONES, DATASETS, METHODS, SORTERS, nearest_file, registering


@dataclass(frozen=True)
class Plugin:
    """A plug-in that is loaded.

    Attributes:
        name: The file's absolute path, or the module's name.
        source: Its text.
    """

    name: str
    source: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file of its own, not a module of an installed package."""
        return self.name.endswith(".py")

    @property
    def digest(self) -> str:
        """Identifies the content, 12 hex digits."""
        return _digest(self.source)


_loaded: dict[str, Plugin] = {}


def loaded() -> list[Plugin]:
    """The plug-ins of this process, in the order in which they were loaded."""
    return list(_loaded.values())


def digests() -> dict[str, str]:
    """File or module to the digest of its content, of all loaded plug-ins."""
    return {plugin.name: plugin.digest for plugin in loaded()}


def digest_of(file: Path) -> str:
    """The digest that the plug-in in a file would have.

    Args:
        file: A .py file.

    Raises:
        OSError: It cannot be read.
    """
    return _digest(file.read_text(encoding="utf-8"))


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def resolved(name: str, folder: Path | None = None) -> str:
    """A plug-in's name wherever it is read: of a file the absolute path, of a module its name.

    Args:
        name: `my_sorter.py`, a path or a module's dotted name.
        folder: What a relative path is relative to; none: the working directory.
    """
    return str((folder or Path()).joinpath(name).resolve()) if name.endswith(".py") else name


def load(names: Iterable[str]) -> None:
    """Loads plug-ins that are not loaded yet; what they register is known from then on.

    Args:
        names: Paths of .py files, or names of modules.

    Raises:
        UserError: One is neither a .py file nor a module, cannot be read, fails as it is imported, or registers what
            lacks something or has a name that is taken.
    """
    for given in names:
        _check_name(given)
        name = resolved(given)
        if name in _loaded:
            continue
        if name.endswith(".py"):
            try:
                source = Path(name).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or error
                raise UserError(f"cannot read the plug-in {name}: {reason}{nearest_file(Path(name))}") from None
            receive([Plugin(name, source)])
        else:
            _import(name)


def receive(plugins: Iterable[Plugin]) -> None:
    """Loads plug-ins that another process has, as they are there, wherever their files lie.

    Args:
        plugins: As the other process has loaded them.

    Raises:
        UserError: As load.
    """
    for plugin in plugins:
        if plugin.name in _loaded:
            continue
        if not plugin.is_file:
            _import(plugin.name)
            continue
        if not any(_is_from(module, plugin.name) for module in list(sys.modules.values())):
            _execute(plugin)
        _loaded[plugin.name] = plugin


def check_reachable() -> None:
    """Looks whether other processes can have all that is registered.

    Raises:
        UserError: Something is defined where they do not look, in a notebook or a script.
    """
    for registry in (SORTERS, METHODS, DATASETS, BACKBONES):
        for name in registry.names():
            if registry.module_of(name) == "__main__":
                raise UserError(
                    f"{registry.kind} {name!r} is defined in a notebook or script, which worker processes do not "
                    f"import: write it into a file, with %%writefile my_{registry.kind}.py in a notebook, and give "
                    f"plugins=['my_{registry.kind}.py']"
                )


def _check_name(name: str) -> None:
    if name.endswith(".py"):
        return
    if not all(part.isidentifier() for part in name.split(".")) or os.path.isfile(name):
        raise UserError(f"the plug-in {name!r} is neither a file that ends in .py nor a module{_file_beside(name)}")


def _file_beside(name: str) -> str:
    """'; did you mean ...?' with the .py file of the same stem, or nothing where there is none."""
    path = Path(name)
    file = path.with_suffix(".py") if path.name else path
    return f"; did you mean '{file}'?" if os.path.isfile(file) else ""


class _Source(importlib.abc.InspectLoader):
    """Imports a module from its text."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def get_source(self, fullname: str) -> str:
        return self._plugin.source

    def get_code(self, fullname: str) -> types.CodeType:
        return self.source_to_code(self._plugin.source, self._plugin.name)


def _execute(plugin: Plugin) -> None:
    stem = Path(plugin.name).stem
    name = stem if stem not in sys.modules else f"{stem}_{plugin.digest}"
    spec = importlib.util.spec_from_loader(name, _Source(plugin), origin=plugin.name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = plugin.name
    sys.modules[name] = module
    try:
        with registering(plugin.name):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _unusable(plugin.name, error) from None


def _is_from(module: object, path: str) -> bool:
    """Whether somebody imported the file already, as a notebook may have."""
    origin = getattr(module, "__file__", None)
    return isinstance(origin, str) and origin.endswith(".py") and str(Path(origin).resolve()) == path


def _import(name: str) -> None:
    try:
        with registering(name):
            module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _unusable(name, error) from None
    origin = getattr(module, "__file__", None)
    if origin is None or not origin.endswith(".py"):
        raise UserError(f"the plug-in {name} has no Python source: give a .py file, or a package with an __init__.py")
    _loaded[name] = Plugin(name, Path(origin).read_text(encoding="utf-8"))


def _unusable(name: str, error: BaseException) -> UserError:
    absent = isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]
    return UserError(f"the plug-in {name} cannot be used: {in_a_line(error)}{_file_beside(name) if absent else ''}")
