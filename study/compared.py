"""What the command line prints of two arms that are compared now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.analysis.results import Results
from study.analysis.unplanned import differences, find_arm, unplanned


def print_comparison(arms: tuple[str, str], folder: Path, own: Results | None) -> None:
    """Prints what two arms' trials show, and that nobody said beforehand that they would be compared.

    Args:
        arms: ARM of the study or STUDY:ARM of any.
        folder: Of all results.
        own: The study, where one was named.

    Raises:
        UserError: There are no such arms, or they share neither data nor seeds.
    """
    one, other = (find_arm(text, folder, own) for text in arms)
    claim = unplanned(one, other)
    over = "seeds and queries" if claim.row["se_queries"] > 0 else "seeds alone"
    print(claim.sentence)
    if claim.finding in ("single", "untested"):
        print("Unplanned, and not tested.")
        return
    print(
        f"Unplanned: this pair was chosen after the trials were run, among as many as one likes; p and interval (95%, "
        f"over {over}) are of this pair alone. {one[0].map_name} of test queries, {claim.row['n']} seeds. "
        f"The two differ in {_in_words(differences(one, other))}."
    )


def _in_words(differ: dict[str, tuple[Any, Any]]) -> str:
    """Settings in which two arms differ."""
    return ", ".join(f"{name} ({mine} and {yours})" for name, (mine, yours) in differ.items()) or "nothing"
