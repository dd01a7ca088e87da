"""The sections of a report that not every study has."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path

from nsh_core.files import write_atomically
from nsh_core.measures import MEASURES
from study.analysis.across import across
from study.analysis.budget import Curve, expected_by_budget, leaders, shown_budgets
from study.analysis.claims import p_text
from study.analysis.csv_files import csv_text
from study.analysis.effects import main_effects
from study.analysis.front import front
from study.analysis.label_free import called, rank_correlations, within_levels
from study.analysis.results import Results
from study.analysis.statistics import mean_interval
from study.plan.arm import short
from study.reporting.by_class import by_class
from study.reporting.by_version import by_version
from study.reporting.figures.across import CAPTION, across_chart
from study.reporting.figures.drawing import Drawn, save
from study.reporting.section import Section
from study.reporting.tuned_importance import tuned_importance
from study.reporting.tuned_settings import tuned_settings


def sections_of(results: Results) -> list[Section]:
    """Those that apply.

    Args:
        results: Of the study.
    """
    makers = by_version, _effects, _front, by_class, tuned_settings, tuned_importance, _budget, _label_free
    sections = [make(results) for make in makers]
    return [section for section in sections if section is not None]


def _effects(results: Results) -> Section | None:
    """What each factor is worth, where a study has several."""
    found = main_effects(results)
    if found is None:
        return None
    rows = []
    for effect in found.effects:
        p = "" if isnan(effect.p_holm) else p_text(effect.p_holm)
        share = f"{100 * found.shares[effect.factor]:.0f}%"
        rows.append([effect.factor, f"{effect.level} against {effect.reference}", effect.size, p, share])
    rest = 100 * (1 - sum(found.shares.values()))
    over = "seeds and queries" if results.by_query else "seeds"
    note = (
        f"Differences in test {results.map_name}, mean over all levels of the other factors, with 95% intervals over "
        f"{over}; p adjusted by Holm over the levels of a factor. The last column is the factor's share of the "
        f"variance of the arms' means; {rest:.0f}% are interactions: there an effect depends on the other factors."
    )
    return Section("What each factor is worth", [note], ["factor", "level", "difference", "p (Holm)", "share"], rows)


def _front(results: Results) -> Section | None:
    """The Pareto front, where the study looked for one."""
    if results.mode.compares or results.done.empty:
        return None
    found = front(results)
    rows = [
        [arm, f"{one.bits:.0f}", f"{one.train_seconds:.1f}", results.estimate(arm), "yes" if one.holds else ""]
        for arm, one in zip(found.index, found.itertuples(), strict=True)
    ]
    note = (
        "Configurations that no try beats in validation mAP, training time and code length together, in the order of "
        "their tries' validation mAP; the number after # is that of the tuning trial. A try has one seed and is one of "
        "many: the last column has those that none of the others beats in their means over fresh seeds."
    )
    columns = ["configuration", "bits", "train s", f"test {results.map_name} [95% CI]", "holds over fresh seeds"]
    return Section("The front", [note], columns, rows)


def _budget(results: Results) -> Section | None:
    """Validation mAP expected of smaller tuning budgets."""
    curves = expected_by_budget(results)
    most = max((curve.shape[1] for curve in curves.values()), default=0)
    if most < 2 or not results.mode.compares:
        return None
    budgets = shown_budgets(most)
    rows = [[arm, *(_at_budget(curve, b) for b in budgets)] for arm, curve in curves.items()]
    columns = ["arm", *(f"{b} {'trial' if b == 1 else 'trials'}" for b in budgets)]
    note = (
        f"Best validation {results.map_name} expected of so many tries of one tuning, drawn at random (Dodge et al. "
        "2019), mean over tunings with 95% intervals over them; pruned tries count with the value at which they were "
        "stopped, failed ones with 0."
    )
    return Section("With a smaller tuning budget", [*leaders(results, curves), note], columns, rows)


def _at_budget(curve: Curve, tries: int) -> str:
    """The mean over tunings after so many tries and, of several tunings, its interval."""
    if tries > curve.shape[1]:
        return ""
    values = curve[:, tries - 1]
    low, high = mean_interval(values)
    return f"{values.mean():.3f}" + ("" if isnan(low) else f" [{low:.3f}, {high:.3f}]")


def _label_free(results: Results) -> Section | None:
    """The table of label-free quantities, where the spec asks for it."""
    if "label_free" not in results.spec.figures or results.done.empty:
        return None
    name = results.map_name
    factors = list(results.spec.factors) if len(results.spec.factors) > 1 else []
    within = within_levels(results.done, factors)
    columns = [
        "quantity",
        f"rank correlation with test {name} [95% CI]",
        *(f"within {short(factor)}" for factor in factors),
        f"test {name} of its choice",
        "below the best [95% CI]",
        "above a random pick [95% CI]",
    ]
    rows = []
    for row in rank_correlations(results.done).to_dict("records"):
        quantity = row["quantity"]
        own = [within[factor].get(quantity, nan) for factor in factors]
        tied = f" (mean of {len(row['chosen'])} tied arms)" if len(row["chosen"]) > 1 else ""
        rows.append(
            [
                called(MEASURES[quantity], name),
                f"{row['rho']:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}]",
                *("constant" if isnan(rho) else f"{rho:+.2f}" for rho in own),
                f"{row['test_map']:.3f}{tied}",
                f"{row['loses']:.3f} [{row['loses_low']:.3f}, {row['loses_high']:.3f}]",
                f"{row['gains']:+.3f} [{row['gains_low']:+.3f}, {row['gains_high']:+.3f}]",
            ]
        )
    note = (
        "Over all arms; within a factor: mean over its levels of the correlation among arms that share the level, "
        "constant where the quantity cannot vary there, whatever the other factors do. A quantity picks the arm where "
        "it is best; a random pick gives the mean of all arms. Intervals: bootstrap of arms, those that the quantity "
        "does not tell apart drawn together."
    )
    return Section("Selecting without labels", [note], columns, rows)


def across_section(studies: Sequence[Results], folder: Path) -> tuple[Section, Drawn]:
    """The study on several data sets, as a table, a CSV file and a figure.

    Args:
        studies: The same study on each.
        folder: Of the report.

    Returns:
        The table, and the figure.

    Raises:
        UserError: They share fewer than two arms, or the folder cannot be written into.
    """
    table = across(studies)
    write_atomically(folder / "across.csv", csv_text(table))
    drawn = save(across_chart(table, studies[0]), folder, "across", CAPTION)
    rows = []
    for row in table.to_dict("records"):
        better = f"{row['better']:.2f} [{row['better_low']:.2f}, {row['better_high']:.2f}]"
        score = f"{row['iqm']:.3f} [{row['iqm_low']:.3f}, {row['iqm_high']:.3f}]"
        rows.append([str(row["arm"]), score, "" if isnan(row["better"]) else better, f"{row['rank']:.1f}"])
    note = (
        f"Data sets: {', '.join(results.facts.dataset for results in studies)}. A score is test mAP over that of the "
        "continuous input by cosine on the same data. Intervals: bootstrap of runs within data sets, widened for few "
        "runs (Hesterberg 2015)."
    )
    columns = ["arm", "interquartile mean score [95% CI]", "P(beats the reference) [95% CI]", "mean rank"]
    return Section("Across data sets", [note], columns, rows), drawn
