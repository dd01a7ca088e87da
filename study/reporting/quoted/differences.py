"""What comparisons show, in the words of their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from nsh_core.errors import UserError
from nsh_core.registry import listed
from study.analysis.claims import Claim, Finding, claims_of
from study.reporting.quoted.markdown import joined, table
from study.reporting.quoted.studies import Studies, called, group_called

_OPEN: tuple[Finding, ...] = ("likely", "open")


class Differences:
    """Quotes planned comparisons of test mAP.

    Args:
        studies: Where they are from.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._claims = cache(self._claims_of)

    def difference(self, study: str, arm: str, reference: str, within: str = "", question: str = "") -> str:
        """The difference of two arms with its 95% interval.

        Args:
            study: Name of the study.
            arm: Name of an arm, in its group.
            reference: Of the arm that it is compared with; the comparison may be planned either way around.
            within: Label of the group.
            question: Beginning of the question that the comparison answers, where it answers several.

        Raises:
            UserError: No such comparison was planned.
        """
        return self._claim(study, arm, reference, within, question).size

    def told(self, study: str, arm: str, reference: str, within: str = "", question: str = "") -> str:
        """What the test says: beats, loses to, is equivalent to, is not told apart from, or is untested against.

        Args:
            study: As for difference.
            arm: As for difference.
            reference: As for difference.
            within: As for difference.
            question: As for difference.
        """
        return _told(self._claim(study, arm, reference, within, question))

    def versus(self, study: str, arm: str, others: Sequence[str], within: str = "", question: str = "") -> str:
        """What an arm's comparisons with others show, as a clause whose subject it is.

        Args:
            study: As for difference.
            arm: As for difference.
            others: Names of the other arms.
            within: As for difference.
            question: As for difference.
        """
        by_verb: dict[str, list[str]] = {}
        for other in others:
            claim = self._claim(study, arm, other, within, question)
            by_verb.setdefault(_verb(claim), []).append(f"{called(claim.reference)} {_by(claim)}")
        parts = [f"{verb} {joined(found)}" for verb, found in by_verb.items()]
        return f"{called(self._name(study, arm, within))} {joined(parts, '; ' if len(others) > len(parts) else ', ')}"

    def verdicts(self, studies: Mapping[str, str], arm: str, others: Sequence[str]) -> str:
        """A table of what an arm's comparisons with others show, a row a study, or a group of its arms.

        Args:
            studies: Title of each row to the name of its study.
            arm: As for difference.
            others: Names of the other arms, one a column; an arm that a study did not run has an empty cell, and a
                study or group that ran none of them no row.
        """
        rows = []
        for title, study in studies.items():
            for group in self._studies.results(study).spec.groups():
                names = self._studies.group(study, group)
                if not any(name.startswith(arm) for name in names):
                    continue
                run = [any(name.startswith(other) for name in names) for other in others]
                cells = [
                    _cell(self._claim(study, arm, other, group, "")) if there else ""
                    for other, there in zip(others, run, strict=True)
                ]
                if any(cells):
                    rows.append([f"{title}, {group_called(group)}" if group else title, *cells])
        return table([f"{arm} against", *others], rows)

    def _name(self, study: str, arm: str, within: str) -> str:
        full = self._studies.arm(study, arm, within)
        return next(name for name, one in self._studies.group(study, within).items() if one == full)

    def _claim(self, study: str, arm: str, reference: str, within: str, question: str) -> Claim:
        claims = self._claims(study, within)
        pair = [self._name(study, one, within) for one in (arm, reference)]
        found = [one for one in claims if {one.arm, one.reference} == set(pair)]
        chosen = [one for one in found if one.row["question"].startswith(question)]
        if not found:
            known = listed(sorted({f"{one.arm} against {one.reference}" for one in claims}))
            raise UserError(f"{study} plans no comparison of {pair[0]} and {pair[1]}, known: {known}")
        if len(chosen) != 1:
            questions = listed(repr(one.row["question"]) for one in found)
            raise UserError(f"question must be one of {questions} for {pair[0]} and {pair[1]}, got {question!r}")
        return chosen[0] if chosen[0].arm == pair[0] else _turned(chosen[0])

    def _claims_of(self, study: str, within: str) -> list[Claim]:
        results, names = self._studies.results(study), self._studies.group(study, within)
        table = results.tables.comparisons
        own = table[table.arm.isin(names.values()) & table.reference.isin(names.values())]
        return claims_of(own, {full: name for name, full in names.items()}, results.spec.smallest_effect)


def _turned(claim: Claim) -> Claim:
    """The same comparison, told of the other arm."""
    row = claim.row
    ends = {"difference": -row["difference"], "both_low": -row["both_high"], "both_high": -row["both_low"]}
    return replace(claim, arm=claim.reference, reference=claim.arm, row=row | ends)


def _cell(claim: Claim) -> str:
    told = {"loses to": "**loses**", "beats": "**beats**", "is equivalent to": "equivalent"}.get(_told(claim), "open")
    return f"{told}, {claim.size}"


def _told(claim: Claim) -> str:
    if claim.finding in ("clear", "small"):
        return "loses to" if claim.worse else "beats"
    if claim.finding == "equivalent":
        return "is equivalent to"
    return "is not told apart from" if claim.finding in _OPEN else "is untested against"


def _verb(claim: Claim) -> str:
    told = _told(claim)
    return f"is equivalent within {claim.smallest_effect:g} to" if claim.finding == "equivalent" else told


def _by(claim: Claim) -> str:
    """By how much: of a difference that is shown its size, of others the estimate."""
    row = claim.row
    if claim.finding not in ("clear", "small"):
        return f"({claim.size})"
    low, high = sorted((abs(row["both_low"]), abs(row["both_high"])))
    # An interval may hold 0 where a test that is adjusted for little does not.
    low = low if row["both_low"] * row["both_high"] > 0 else -low
    nothing = f", less than {claim.smallest_effect:g}" if claim.finding == "small" else ""
    return f"by {abs(row['difference']):.3f} [{low:.3f}, {high:.3f}]{nothing}"
