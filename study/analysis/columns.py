"""The columns of the tables that a study writes: what each one is."""

from __future__ import annotations

from dataclasses import dataclass

from nsh_core.measures import Place, measures


@dataclass(frozen=True)
class Table:
    """A file that a study writes.

    Attributes:
        about: What a row is.
        columns: Column to what it is, in their order.
    """

    about: str
    columns: dict[str, str]


_KEY = {"arm": "name of the arm", "seed": "seed of the run"}
# Stands for a column for each factor of the study.
FACTOR = "factor_FACTOR"

TRIALS = {
    "study": "key of the study: its name, with the data set and a hash of --set where they differ",
    **_KEY,
    "phase": "final, or tuning for a try of tuning",
    "state": "complete, pruned, failed, running, waiting, or missing where it is not in the storage yet",
    "failure": "why it failed, after the kind of failure; empty where it did not",
    "dataset": "what it was run on",
    "bits": "K, code length",
    FACTOR: "level of the arm in each factor, a column a factor",
    **{one.name: f"{one.label}; a measure".format(map="mAP@k", cut="k") for one in measures()},
    "stacked": "how many runs trained with it as one stack",
    "sorter_form": "how its sorter ran: levels, network, hard, dense or masks; empty for a run without a sorter",
    "nearest": "JSON: nearest database items, best first, of each query of the gallery",
    "trial": "number in Optuna's study of its phase",
    "tuned": "JSON: settings that tuning chose for a final trial, or tried",
    "config_hash": "digest of the config, seed included",
    "codes_sha256": "digest of the packed codes of the database",
    "provenance": "JSON: commit, versions and machine that trained it",
    "config": "JSON: the whole configuration",
}
CURVES = {
    **_KEY,
    "curve": "a measure of evaluations or a term of the loss, by epoch; or precision or recall by Hamming radius",
    "x": "epoch, or Hamming radius",
    "value": "of the curve there",
}
PER_QUERY = {
    **_KEY,
    "val": "AP@k of each validation query, in half precision",
    "test": "AP@k of each test query, in half precision",
}
SUMMARY = {
    "arm": _KEY["arm"],
    "metric": "name of the measure",
    "n": "complete final trials that have it",
    "mean": "over them",
    "sd": "standard deviation over seeds",
    "ci_low": "lower end of the 95% interval of the mean over seeds",
    "ci_high": "upper end of it",
    "se_queries": "standard error of the mean over queries, of these seeds; empty where queries are not known",
    "both_low": "lower end of the 95% interval over seeds and queries; over seeds alone where queries are not known",
    "both_high": "upper end of it",
}
SEEDS = {
    "seeds_least": "seeds needed if the difference is at the upper end of its 80% interval; empty beyond 1000",
    "seeds_needed": "seeds that find the difference with a chance of 80%, if it is what it seems; empty beyond 1000",
    "seeds_most": "seeds needed if the difference is at the lower end of its 80% interval; empty beyond 1000",
}
COMPARISONS = {
    "question": "what the contrast answers; empty for an arm against its reference",
    "group": "levels of the factors within which arms are compared; empty without any",
    "arm": "name of the arm",
    "reference": "the arm that it is compared with",
    "metric": "name of the measure",
    "n": "seeds that both have",
    "difference": "arm minus reference, mean over these seeds",
    "ci_low": "lower end of its 95% interval over seeds",
    "ci_high": "upper end of it",
    "se_seeds": "standard error over seeds, of these queries",
    "se_queries": "standard error over queries, of these seeds; empty where queries are not known",
    "se": "standard error over seeds and queries; over seeds alone where queries are not known",
    "degrees": "of freedom of Student's t for se (Satterthwaite)",
    "both_low": "lower end of the 95% interval over seeds and queries",
    "both_high": "upper end of it",
    "p_flips": "p of exact sign flips over seeds",
    "p": "p of the t test of se, two-sided",
    "tests": "contrasts in the family that p_holm is adjusted for",
    "p_holm": "p, adjusted by Holm over the contrasts of the question within the group",
    "correlation": "of the two arms over seeds; what pairing by seed gains from",
    "skewness": "of the difference over seeds, from five seeds on",
    "effect_size": "difference in standard deviations of it over seeds (d_z)",
    **SEEDS,
}
COST = {
    "arm": _KEY["arm"],
    "repeat": "number of the repetition, from 0",
    **{one.name: f"{one.label}, {one.unit}" for one in measures(Place.COST)},
    "load": "the machine's load in the minute before",
    "host": "name of the machine",
}
CLASSES = {"test": "label of each test query, in the order of per_query"}
ACROSS = {
    "arm": _KEY["arm"],
    "datasets": "how many data sets",
    "iqm": "interquartile mean, over all runs, of test mAP over that of the continuous input by cosine",
    "iqm_low": "lower end of its 95% interval",
    "iqm_high": "upper end of it",
    "better": "probability that a run beats one of the reference arm; empty for a reference",
    "better_low": "lower end of its 95% interval",
    "better_high": "upper end of it",
    "rank": "mean rank over data sets of mean scores, 1 best",
}

FILES = {
    "trials.parquet, trials.csv": Table("A row a planned trial, tries of tuning among them.", TRIALS),
    "summary.csv": Table("A row an arm and measure, over the complete final trials.", SUMMARY),
    "comparisons.csv": Table("A row a contrast and measure, paired by seed and, where known, by query.", COMPARISONS),
    "per_query.parquet": Table("A row a complete final trial.", PER_QUERY),
    "curves.parquet": Table("A row a point of a curve of a final trial.", CURVES),
    "cost.csv": Table("A row a run that was trained by itself, where --measure-cost asked for it.", COST),
    "classes.csv": Table("A row a test query, where each has one of at most 20 labels.", CLASSES),
    "across.csv": Table("A row an arm, in the folder of a report over several data sets (--across).", ACROSS),
}
