"""The catalogue: every measure, with what computes it. A new one is one entry here, or in a plug-in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from nsh_core.measures.entry import MEASURES, Measure, Place

# What computes is imported when it computes: with torch, which tables and reports do without.


def _map_in_class_order(evidence: Any) -> float:
    """The database sorted by class, or by its first label where it has several."""
    from nsh_core.metrics import mean_average_precision

    labels = evidence.dataset.database.labels
    order = (labels if labels.ndim == 1 else labels.argmax(axis=1)).argsort(kind="stable")
    test = evidence.dataset.test
    return mean_average_precision(
        evidence.test_codes, test.labels, evidence.database[order], labels[order], evidence.map_at
    )


def _fidelity(evidence: Any) -> float | None:
    """Sorter fidelity on one batch of database codes, evenly spaced; none for a method that sorts no list."""
    import numpy as np
    import torch

    from nsh_core.codes import unpack
    from nsh_core.losses import agreeing_bits
    from nsh_core.metrics import sorter_fidelity
    from nsh_core.sorters import build

    config, database = evidence.hasher.config, evidence.database
    if not (config.sorts and config.sorter.lists):
        return None
    count = min(config.train.batch_size, len(database))
    picked = database[np.linspace(0, len(database) - 1, count).astype(int)]
    codes = torch.from_numpy(unpack(picked, config.code_length)).float()
    return sorter_fidelity(build(config.sorter.name, **config.sorter.build_options()), agreeing_bits(codes, codes))


def _register_retrieval(name: str, label: str, column: str = "", **shown: Collection[str]) -> None:
    """A field of RetrievalMetrics, of validation and of test queries; shown: its places, by kind of queries."""
    for kind, word in (("val", "validation"), ("test", "test")):

        def compute(evidence: Any, validation: bool = kind == "val") -> float:
            return getattr(evidence.validation if validation else evidence.test, name)

        own = column.format(kind=kind, map="{map}", cut="{cut}") if column else ""
        MEASURES.register(
            f"{kind}_{name}",
            Measure(
                f"{kind}_{name}", f"{word} {label}", own, better="higher", needs_labels=True,
                shown=shown.get(kind, ()), compute=compute, series=f"{kind}_{name}" if kind == "val" else "",
            ),
        )  # fmt: skip


def _register_loss(term: str, label: str) -> None:
    MEASURES.register(
        f"final_{term}",
        Measure(
            f"final_{term}", label, better="lower", series=term,
            shown=(Place.LABEL_FREE,) if term == "loss" else (Place.LABEL_FREE, Place.CURVES),
            compute=lambda evidence: evidence.losses.get(term),
        ),
    )  # fmt: skip


def _register_health(name: str, label: str, better: Literal["higher", "lower"], ideal: str = "") -> None:
    MEASURES.register(
        name,
        Measure(
            name, label, better=better, ideal=ideal, shown=(Place.HEALTH, Place.LABEL_FREE),
            compute=lambda evidence: getattr(evidence.health, name),
        ),
    )  # fmt: skip


def _register_cost(name: str, label: str, column: str, unit: str, digits: int, shown: Collection[str] = ()) -> None:
    MEASURES.register(name, Measure(name, label, column, unit, "lower", digits=digits, shown=shown))


_PRINTED = (Place.TABLE, Place.LATEX)
_register_retrieval(
    "map", "{map}", "{kind} {map}",
    val=(*_PRINTED, Place.COMPARED, Place.CURVES, Place.LABEL_FREE, Place.LISTS),
    test=(*_PRINTED, Place.COMPARED, Place.LISTS),
)  # fmt: skip
_register_retrieval("map_expected", "tie-aware {map}", "tie-aware", val=(Place.COMPARED,),
                    test=(*_PRINTED, Place.COMPARED))  # fmt: skip
_register_retrieval("map_all", "mAP@all")
_register_retrieval("map_all_expected", "tie-aware mAP@all")
_register_retrieval("precision", "precision@{cut}", "P@{cut}", test=_PRINTED)
_register_retrieval("recall", "recall@{cut}", "R@{cut}")
_register_retrieval("precision_radius_2", "precision within radius 2", "P, radius 2", test=_PRINTED)
MEASURES.register(
    "test_map_class_order",
    Measure(
        "test_map_class_order", "test {map} with the database in class order", better="higher", needs_labels=True,
        compute=_map_in_class_order,
    ),
)  # fmt: skip
_register_loss("loss", "loss")
_register_loss("sorted_nce", "SortedNCE")
_register_loss("masked_nce", "masked NCE")
_register_loss("listwise", "listwise surrogate")
_register_loss("pairwise", "pairwise surrogate")
_register_loss("anchor", "NT-Xent anchor")
_register_health("bit_balance", "bit balance", "lower", "0 best")
_register_health("bit_correlation", "bit correlation", "lower", "0 best")
_register_health("bit_entropy", "bit entropy", "higher", "1 best")
_register_health("effective_codes", "effective number of codes", "higher")
_register_health("dead_bits", "share of dead bits", "lower", "0 best")
MEASURES.register(
    "sorter_fidelity",
    Measure(
        "sorter_fidelity", "sorter fidelity", better="higher", ideal="1: hard sort",
        shown=(Place.HEALTH, Place.LABEL_FREE), compute=_fidelity,
    ),
)  # fmt: skip
_register_cost("encode_ms", "time to encode one query", "encode ms", "ms", 2)
_register_cost("train_seconds", "training time of one run", "train s", "s", 1, (Place.COST,))
_register_cost("total_seconds", "time of one run, evaluation included", "total s", "s", 1, (Place.COST,))
_register_cost("peak_memory_mb", "peak memory", "MB", "MB", 0, (Place.COST,))
_register_cost("peak_cuda_mb", "peak memory of the GPU", "GPU MB", "MB", 0, (Place.COST,))
