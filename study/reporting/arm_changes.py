"""What each arm of a study changes, as a section."""

from __future__ import annotations

from nsh_core.settings import dotted
from study.analysis.results import Results
from study.reporting.base_settings import in_words
from study.reporting.section import Section


def arm_changes(results: Results) -> Section:
    """A row an arm of the spec, with the settings that its levels give.

    Args:
        results: Of the study.
    """
    spec = results.spec
    rows = [
        [arm.name, ", ".join(f"{name} = {in_words(value)}" for name, value in dotted(arm.overrides).items())]
        for arm in spec.arms
    ]
    base = ", ".join([*(f"{name} = {in_words(value)}" for name, value in dotted(spec.base).items())])
    given = ", ".join(results.facts.assignments)
    notes = [f"Every arm has {base or 'the defaults'}" + (f", and by the command {given}" if given else "") + "."]
    return Section("What each arm changes", notes, ["arm", "settings"], rows, folded=True)
