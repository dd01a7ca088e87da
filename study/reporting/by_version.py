"""The versions that trained a study's trials, as a section, where there are several."""

from __future__ import annotations

from study.analysis.results import Results
from study.analysis.versions import apart, versions
from study.execution.provenance import UNKNOWN
from study.reporting.section import Section


def by_version(results: Results) -> Section | None:
    """A row a version, with what tells them apart and their trials; none of a single version.

    Args:
        results: Of the study.
    """
    found = versions(results.tables.trials)
    if len(found) < 2:
        return None
    names = apart(found)
    rows = []
    for one in found:
        arms = one.trials.groupby("arm", sort=False).seed.unique()
        held = "; ".join(f"{arm}: seeds {', '.join(map(str, sorted(seeds)))}" for arm, seeds in arms.items())
        facts = [one.facts.get(name, UNKNOWN) for name in names]
        rows.append([", ".join(one.commits), *facts, str(len(one.trials)), held])
    note = (
        "These trials stand in the same means although they were not trained alike: a difference between arms or seeds "
        "can be one of versions. `--rerun-older` trains all by the present one."
    )
    return Section("Versions", [note], ["commit", *names, "trials", "of them"], rows)
