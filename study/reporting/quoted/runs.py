"""How studies were run, and what their runs cost."""

from __future__ import annotations

from nsh_core.errors import UserError
from nsh_core.measures import Place, measures
from nsh_core.registry import listed
from study.analysis.tables import failed_in_training
from study.reporting.quoted.studies import Studies


class Runs:
    """Quotes facts of runs.

    Args:
        studies: Where they are from.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def command(self, study: str) -> str:
        """The command that ran a study, as code.

        Args:
            study: Its name.
        """
        return f"`{self._studies.results(study).facts.command}`"

    def seeds(self, study: str) -> int:
        """How many seeds its final trials have.

        Args:
            study: As for command.
        """
        return int(self._studies.results(study).done.seed.nunique())

    def collapsed(self, study: str, name: str = "") -> str:
        """How many of the final runs of some arms failed in training.

        Args:
            study: As for command.
            name: What the arms' names hold; empty for all.
        """
        trials = self._studies.results(study).tables.trials
        final = trials[(trials.phase == "final") & trials.arm.str.contains(name, regex=False)]
        return f"{int(failed_in_training(final).sum())} of {len(final)}"

    def cost(self, study: str, arm: str, measure: str = "train_seconds") -> str:
        """What a run of an arm costs by itself.

        Args:
            study: As for command.
            arm: Name of the arm.
            measure: Name of a measure of cost.
        """
        known = {one.name: one for one in measures(Place.COST)}
        results = self._studies.results(study)
        if measure not in known or not results.cost_measures:
            raise UserError(f"cost of {study} was not measured so, known: {listed(known)}, where --measure-cost ran")
        return results.cost_of(self._studies.arm(study, arm), known[measure])
