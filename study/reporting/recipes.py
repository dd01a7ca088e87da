"""Commands that go on from a report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from study.analysis.results import Results


@dataclass(frozen=True)
class Recipe:
    """A command and what it is for.

    Attributes:
        title: In a few words.
        command: A line for the shell, in the project's folder.
    """

    title: str
    command: str


def recipes(results: Results) -> list[Recipe]:
    """What may be done with the study next; a study that Python ran has its report alone.

    Args:
        results: Of the study.
    """
    facts = results.facts
    words = shlex.split(facts.command)
    folder = ["--results", words[words.index("--results") + 1]] if "--results" in words[:-1] else []
    again = Recipe("Write this report again", shlex.join(["python", "study/report.py", "--study", facts.key, *folder]))
    if "--study" not in words:
        return [again]
    elsewhere = words.copy()
    if "--dataset" in words[:-1]:
        place = words.index("--dataset")
        del elsewhere[place : place + 2]
    found = [Recipe("Run it again, or go on with it", facts.command)]
    if len(results.done) and "trial" in results.done:
        one = results.done.iloc[0]
        title = f"Train one trial again and compare its codes ({one.arm}, seed {one.seed})"
        found.append(Recipe(title, f"{facts.command} --verify {one.trial:.0f}"))
    return [
        *found,
        Recipe("The same on other data, features in a file", f"{shlex.join(elsewhere)} --dataset FILE.npz"),
        Recipe("One archive for another machine", f"{facts.command} --export {shlex.quote(facts.spec.name)}.zip"),
        again,
    ]
