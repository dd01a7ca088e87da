"""Studies and arms by the names that pages call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from nsh_core.errors import UserError
from nsh_core.registry import listed, nearest
from study.analysis.results import Results, read_results, studies_in
from study.analysis.verdict import Verdict, decide


def the_one(what: str, name: str, known: Iterable[str]) -> str:
    """What a name means: itself, or the only one that begins with it.

    Args:
        what: Kind of thing, for messages.
        name: As pages have it.
        known: All there are.

    Raises:
        UserError: There is none, or several.
    """
    all_known = list(known)
    if name in all_known:
        return name
    found = [one for one in all_known if one.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{what} {name!r} may be any of {listed(found)}: say more of its name")
    raise UserError(f"there is no {what} {name!r}, known: {listed(all_known)}{nearest(name, all_known)}")


def called(arm: str) -> str:
    """An arm in a sentence: without what its name says in brackets, and as code where it is more than words.

    Args:
        arm: Its name.
    """
    name = re.sub(r" \([^()]*\)$", "", arm)
    return f"`{name}`" if re.search("[,=+]", name) else name


def group_called(group: str) -> str:
    """The label of a group in a table: "8 bits" for code_length=8, the level alone where it is that of one factor.

    Args:
        group: Its label.
    """
    factor, _, level = group.partition("=")
    if "=" in level:
        return group
    return f"{level} bits" if factor == "code_length" else level


class Studies:
    """The studies of folders of results, each read once.

    Args:
        folders: Of results; a study is in one of them.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = {key: folder / key for folder in folders for key in studies_in(folder)}
        self._results, self._verdict, self._group = cache(read_results), cache(self._decided), cache(self._group_of)

    @property
    def keys(self) -> list[str]:
        """Of all studies."""
        return list(self._folders)

    def results(self, study: str) -> Results:
        """A study's tables.

        Args:
            study: Its name, or the beginning of it that no other has.

        Raises:
            UserError: There is no such study, or it is damaged.
        """
        return self._results(self._folders[the_one("study", study, self._folders)])

    def verdict(self, study: str) -> Verdict:
        """What a study answers.

        Args:
            study: As for results.
        """
        return self._verdict(the_one("study", study, self._folders))

    def _group_of(self, study: str, within: str) -> dict[str, str]:
        results = self.results(study)
        groups, known = results.spec.groups(), set(results.arms)
        label = the_one("group", within, groups)
        return {arm.name_in_group: arm.name for arm in groups[label] if arm.name in known}

    def _decided(self, key: str) -> Verdict:
        return decide(self.results(key))

    def group(self, study: str, within: str) -> dict[str, str]:
        """The arms with results that are compared with one another: name among them to full name.

        Args:
            study: As for results.
            within: Label of their group, or its beginning; empty where all are compared.

        Raises:
            UserError: There is no such group.
        """
        return self._group(study, within)

    def arm(self, study: str, arm: str, within: str = "") -> str:
        """The full name of an arm.

        Args:
            study: As for results.
            arm: Its name in its group, or the beginning of it that no other has.
            within: As for group.

        Raises:
            UserError: There is no such arm with results.
        """
        names = self.group(study, within)
        return names[the_one(f"arm of {study}", arm, names)]
