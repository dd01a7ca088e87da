"""Retrieval metrics, against the loop of the field and a search alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from benchmarks.cases.case import Case
from benchmarks.references import map_loop
from nsh_core.codes import pack
from nsh_core.metrics import retrieval_metrics

_CHECKED_QUERIES = 200


def map_cases(queries: int, database: int) -> list[Case]:
    """All metrics of 64-bit codes, both tie conventions, mAP@1000, mAP@all and the curves, against two references.

    Args:
        queries: How many.
        database: Its items.
    """
    import faiss

    rng = np.random.default_rng(0)
    centres = rng.integers(0, 2, (10, 64))
    labels = rng.integers(0, 10, queries), rng.integers(0, 10, database)
    signs = [(centres[y] ^ (rng.random((len(y), 64)) < 0.3)).astype(np.int8) * 2 - 1 for y in labels]
    packed = [pack(codes) for codes in signs]
    threads = torch.get_num_threads()
    index = faiss.IndexBinaryFlat(64)
    index.add(packed[1])
    faiss.omp_set_num_threads(threads)

    def project() -> float:
        return retrieval_metrics(packed[0], labels[0], packed[1], labels[1], 1000, threads=threads).map

    def reference() -> float:
        as_float = [codes.astype(np.float32) for codes in signs]
        return map_loop(as_float[0], labels[0], as_float[1], labels[1], 1000)

    def error() -> float:
        few = slice(0, _CHECKED_QUERIES)
        ours = retrieval_metrics(packed[0][few], labels[0][few], packed[1], labels[1], 1000).map
        as_float = [codes.astype(np.float32) for codes in (signs[0][few], signs[1])]
        return abs(ours - map_loop(as_float[0], labels[0][few], as_float[1], labels[1], 1000))

    name = f"map_{queries // 1000}k_{database // 1000}k"
    search = partial(index.search, packed[0], 1000)
    loop, alone = "numpy argsort loop, mAP@1000 alone", "faiss search, top 1000 alone"
    return [
        Case(name, database, project, loop, reference, error, bits=64, anchors=queries),
        Case(f"{name}_search", database, project, alone, search, bits=64, anchors=queries),
    ]
