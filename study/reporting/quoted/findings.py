"""What studies answer: what factors are worth, which quantities rank as test mAP does, and the answer as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd

from nsh_core.errors import UserError
from nsh_core.measures import MEASURES
from nsh_core.registry import listed
from study.analysis.effects import EVERYWHERE, Effect, Effects, Held, main_effects
from study.analysis.headlines import predictors
from study.analysis.label_free import called, rank_correlations, within_levels
from study.analysis.seeds import ALPHA
from study.analysis.verdict import decide
from study.reporting.quoted.markdown import table
from study.reporting.quoted.studies import Studies


class Findings:
    """Quotes main effects, rank correlations and answers.

    Args:
        studies: Where they are from.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._effects_of, self._ranks = cache(self._found), cache(self._ranks_of)

    def effect(self, study: str, factor: str, level: str, held: Held = EVERYWHERE) -> str:
        """What a level of a factor is worth against the reference's, over all levels of the others, with its interval.

        Args:
            study: Name of the study.
            factor: Its name.
            level: Its label.
            held: Factor to those of its levels that alone count.
        """
        return self._effect(study, factor, level, held).size

    def worth(self, study: str, factor: str, level: str, held: Held = EVERYWHERE) -> float:
        """That effect as a number.

        Args:
            study: As for effect.
            factor: As for effect.
            level: As for effect.
            held: As for effect.
        """
        return self._effect(study, factor, level, held).difference.mean

    def spread(self, study: str, factor: str, held: Held = EVERYWHERE) -> float:
        """The largest difference of two levels of a factor, over all levels of the others.

        Args:
            study: As for effect.
            factor: As for effect.
            held: As for effect.
        """
        means = [0.0, *(one.difference.mean for one in self._effects(study, held).effects if one.factor == factor)]
        return max(means) - min(means)

    def shown(self, study: str, factor: str, level: str, held: Held = EVERYWHERE) -> bool:
        """Whether that effect is told apart from 0.

        Args:
            study: As for effect.
            factor: As for effect.
            level: As for effect.
            held: As for effect.
        """
        return bool(self._effect(study, factor, level, held).p_holm < ALPHA)

    def interaction(self, study: str, held: Held = EVERYWHERE) -> str:
        """The share of the variance of arms' means that is no main effect.

        Args:
            study: As for effect.
            held: As for effect.
        """
        return f"{100 * (1 - sum(self._effects(study, held).shares.values())):.0f}%"

    def effects(self, studies: Mapping[str, str], held: Held = EVERYWHERE) -> str:
        """A table of main effects, a row a level and a column a study; ° where an effect is not told apart from 0.

        Args:
            studies: Title of each column to the name of its study.
            held: As for effect.
        """
        rows: dict[str, list[str]] = {}
        for place, study in enumerate(studies.values()):
            for one in self._effects(study, held).effects:
                label = f"{one.factor}: {one.level} against {one.reference}"
                cells = rows.setdefault(label, [""] * len(studies))
                cells[place] = one.size + ("" if one.p_holm < ALPHA else " °")
        return table(["level", *studies], ([label, *cells] for label, cells in rows.items()))

    def rank(self, study: str, quantity: str) -> str:
        """The rank correlation of a quantity with test mAP over arms, with its interval.

        Args:
            study: As for effect.
            quantity: Name of its measure.
        """
        return _rho(self._rank(study, quantity))

    def rank_within(self, study: str, quantity: str, factor: str) -> str:
        """The same among arms that share the level of a factor, mean over its levels; constant if none has two values.

        Args:
            study: As for effect.
            quantity: As for rank.
            factor: Of the study.
        """
        self._rank(study, quantity)
        results = self._studies.results(study)
        if factor not in results.spec.factors:
            raise UserError(f"{study} has no factor {factor!r}, known: {listed(results.spec.factors)}")
        rho = within_levels(results.done, [factor])[factor].get(quantity, math.nan)
        return "constant" if math.isnan(rho) else f"{rho:+.2f}"

    def loses(self, study: str, quantity: str) -> str:
        """How far the arm that a quantity chooses is below the best one, with its interval over arms.

        Args:
            study: As for effect.
            quantity: As for rank.
        """
        return _loss(self._rank(study, quantity))

    def may_lose(self, study: str) -> float:
        """The least that the choice of any quantity without labels may lose, by the upper end of its interval.

        Args:
            study: As for effect.
        """
        rows = self._ranks(study)
        needs = rows.quantity.map(lambda name: MEASURES[name].needs_labels)
        return float(rows[~needs].loses_high.min())

    def ranks(self, studies: Mapping[str, str]) -> str:
        """A table of rank correlations and what each quantity's choice loses, a column a study.

        Args:
            studies: Title of each column to the name of its study.
        """
        rows: dict[str, list[str]] = {}
        for place, study in enumerate(studies.values()):
            name = self._studies.results(study).map_name
            for row in self._ranks(study).to_dict("records"):
                measure = MEASURES[row["quantity"]]
                label = called(measure, name) if len(studies) == 1 else called(measure, "mAP")
                cells = rows.setdefault(label, [""] * len(studies))
                cells[place] = f"{_rho(row)}, {_loss(row)}"
        return table(["quantity", *studies], ([label, *cells] for label, cells in rows.items()))

    def predictors(self, study: str) -> str:
        """Which label-free quantity ranks most as test mAP does, and what its choice is worth, in sentences.

        Args:
            study: As for effect.
        """
        found = predictors(self._studies.results(study))
        if found is None:
            raise UserError("nothing ranks the arms of this study")
        return found

    def answer(self, study: str) -> str:
        """What a study's report says first.

        Args:
            study: As for effect.
        """
        return decide(self._studies.results(study)).headline

    def _effects(self, study: str, held: Held) -> Effects:
        return self._effects_of(study, tuple((factor, tuple(levels)) for factor, levels in held.items()))

    def _found(self, study: str, held: tuple[tuple[str, tuple[str, ...]], ...]) -> Effects:
        results = self._studies.results(study)
        known = [(factor, level) for factor in results.spec.factors for level in results.spec.labels(factor)]
        if unknown := [(factor, level) for factor, levels in held for level in levels if (factor, level) not in known]:
            raise UserError(f"{study} has no factor and level {unknown[0]}, known: {listed(map(str, known))}")
        found = main_effects(results, dict(held))
        if found is None:
            raise UserError(f"{study} has no main effects: its arms are not all combinations of two factors or more")
        return found

    def _effect(self, study: str, factor: str, level: str, held: Held) -> Effect:
        known = self._effects(study, held).effects
        found = [one for one in known if (one.factor, one.level) == (factor, level)]
        if not found:
            raise UserError(f"there is no such level, known: {listed(f'{one.factor}: {one.level}' for one in known)}")
        return found[0]

    def _ranks_of(self, study: str) -> pd.DataFrame:
        return rank_correlations(self._studies.results(study).done)

    def _rank(self, study: str, quantity: str) -> dict[Any, Any]:
        rows = self._ranks(study).set_index("quantity", drop=False).to_dict("index")
        if quantity not in rows:
            raise UserError(f"there is no quantity {quantity!r}, known: {listed(map(str, rows))}")
        return rows[quantity]


def _rho(row: Mapping[Any, Any]) -> str:
    return f"{row['rho']:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}]"


def _loss(row: Mapping[Any, Any]) -> str:
    return f"{row['loses']:.3f} [{row['loses_low']:.3f}, {row['loses_high']:.3f}]"
