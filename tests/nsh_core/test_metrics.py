import itertools
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsh_core import sorters
from nsh_core.codes import pack, unpack
from nsh_core.metrics import (
    ceiling,
    code_health,
    cosine_map,
    counting,
    first_ranks,
    health,
    mean_average_precision,
    retrieval,
    retrieval_metrics,
    sorter_fidelity,
)


def signs(rng: np.random.Generator, count: int, bits: int) -> np.ndarray:
    return rng.integers(0, 2, (count, bits)) * 2 - 1


def ap_of(relevant: list[bool], k: int) -> float:
    """AP@k of relevance in ranked order, straight from the definition."""
    hits, total = 0, 0.0
    for rank, good in enumerate(relevant[:k], start=1):
        if good:
            hits += 1
            total += hits / rank
    return total / hits if hits else 0.0


@st.composite
def retrieval_problems(draw, most: int):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = draw(st.sampled_from([1, 2, 3, 8, 9, 70]))
    queries, database = signs(rng, draw(st.integers(1, 3)), bits), signs(rng, draw(st.integers(1, most)), bits)
    if draw(st.booleans()):
        labels = rng.integers(0, 3, len(queries)), rng.integers(0, 3, len(database))
        relevant = labels[0][:, None] == labels[1][None, :]
    else:
        labels = (
            rng.integers(0, 2, (len(queries), 70)) * (rng.random(70) < 0.05),
            rng.integers(0, 2, (len(database), 70)),
        )
        relevant = (labels[0] @ labels[1].T) > 0
    distance = ((queries[:, None] != database[None]).sum(axis=2)).tolist()
    k = draw(st.one_of(st.none(), st.integers(1, most + 2)))
    return queries, labels[0], database, labels[1], distance, relevant.tolist(), k


@given(retrieval_problems(most=30))
@settings(max_examples=150, deadline=None)
def test_conventional_map_is_brute_force(problem):
    queries, query_labels, database, database_labels, distance, relevant, k = problem
    expected = []
    for row, good in zip(distance, relevant, strict=True):
        order = sorted(range(len(row)), key=lambda item: (row[item], item))
        expected.append(ap_of([good[item] for item in order], k or len(row)))
    got = mean_average_precision(pack(queries), query_labels, pack(database), database_labels, k)
    assert got == pytest.approx(np.mean(expected), abs=1e-12)


@given(retrieval_problems(most=6))
@settings(max_examples=80, deadline=None)
def test_expected_map_is_the_mean_over_all_orders_of_ties(problem):
    queries, query_labels, database, database_labels, distance, relevant, k = problem
    expected = []
    for row, good in zip(distance, relevant, strict=True):
        values = [
            ap_of([good[item] for item in sorted(order, key=lambda item: row[item])], k or len(row))
            for order in itertools.permutations(range(len(row)))
        ]
        expected.append(np.mean(values))
    got = mean_average_precision(pack(queries), query_labels, pack(database), database_labels, k, ties="expected")
    assert got == pytest.approx(np.mean(expected), abs=1e-12)


def test_expected_map_of_long_lists_is_the_mean_of_shuffles():
    rng = np.random.default_rng(0)
    queries, database = signs(rng, 5, 6), signs(rng, 3000, 6)
    query_labels, labels = rng.integers(0, 4, 5), rng.integers(0, 4, 3000)
    shuffles = []
    for _ in range(300):
        order = rng.permutation(3000)
        shuffles.append(mean_average_precision(pack(queries), query_labels, pack(database[order]), labels[order], 500))
    got = mean_average_precision(pack(queries), query_labels, pack(database), labels, 500, ties="expected")
    assert got == pytest.approx(np.mean(shuffles), abs=4 * np.std(shuffles) / 300**0.5)


@given(retrieval_problems(most=25), st.integers(1, 30))
@settings(max_examples=80, deadline=None)
def test_the_one_pass_agrees_with_brute_force(problem, precision_at):
    queries, query_labels, database, database_labels, distance, relevant, k = problem
    arguments = pack(queries), query_labels, pack(database), database_labels
    got = retrieval_metrics(*arguments, k, precision_at)
    assert got.map == mean_average_precision(*arguments, k)
    assert got.map_expected == mean_average_precision(*arguments, k, ties="expected")
    distances, good = np.array(distance), np.array(relevant)
    cut = min(precision_at, len(database))
    order = np.argsort(distances, axis=1, kind="stable")[:, :cut]
    found = np.take_along_axis(good, order, axis=1).sum(axis=1)
    assert got.precision == pytest.approx((found / cut).mean())
    assert got.recall == pytest.approx((found / np.maximum(good.sum(axis=1), 1)).mean())
    near = distances <= 2
    in_radius = [(g & w).sum() / w.sum() if w.any() else 0.0 for g, w in zip(good, near, strict=True)]
    assert got.precision_radius_2 == pytest.approx(np.mean(in_radius))
    for radius in range(queries.shape[1] + 1):
        within = distances <= radius
        pairs = [(g & w).sum() / w.sum() for g, w in zip(good, within, strict=True) if w.any()]
        if pairs:
            assert got.curve_precision[radius] == pytest.approx(np.mean(pairs))
        else:
            assert np.isnan(got.curve_precision[radius])
        recall = (good & within).sum(axis=1) / np.maximum(good.sum(axis=1), 1)
        assert got.curve_recall[radius] == pytest.approx(recall.mean())


@given(retrieval_problems(most=200), st.sampled_from(["as drawn", "nearest first", "farthest first", "copies"]))
@settings(max_examples=80, deadline=None)
def test_one_pass_with_a_limit_gives_the_bits_of_counting(problem, order):
    queries, query_labels, database, database_labels, distance, _, k = problem
    if order == "copies":
        database = database[np.arange(len(database)) % 3 % len(database)]
    elif order != "as drawn":
        index = np.argsort(np.array(distance[0]) * (1 if order == "nearest first" else -1))
        database, database_labels = database[index], database_labels[index]
    pairs = retrieval._Pairs(pack(queries), query_labels, pack(database), database_labels)
    limit, every = min(k or len(database), len(database)), pairs._of(slice(None))
    expected = counting.histograms(*every, limit, 0, limit)[2]
    np.testing.assert_array_equal(first_ranks.average_precision_at(*every, limit), expected)


def test_long_lists_are_ranked_like_brute_force():
    rng = np.random.default_rng(5)
    queries, database = signs(rng, 4, 70), signs(rng, 2000, 70)
    query_labels, labels = rng.integers(0, 4, 4), rng.integers(0, 4, 2000)
    for k in (1, 100, 250, 251, 2000):
        expected = []
        for query, label in zip(queries, query_labels, strict=True):
            order = np.argsort((query != database).sum(axis=1), kind="stable")
            expected.append(ap_of((labels[order] == label).tolist(), k))
        got = mean_average_precision(pack(queries), query_labels, pack(database), labels, k)
        assert got == pytest.approx(np.mean(expected), abs=1e-12)


def test_chunks_and_threads_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    arguments = (
        pack(signs(rng, 40, 16)), rng.integers(0, 3, 40), pack(signs(rng, 200, 16)), rng.integers(0, 3, 200), 50,
    )  # fmt: skip
    whole = retrieval_metrics(*arguments)
    monkeypatch.setattr(retrieval, "_CHUNK_PAIRS", 7 * 200)
    chunked, threaded = (retrieval_metrics(*arguments, threads=threads) for threads in (1, 3))
    assert (chunked.map, chunked.map_expected) == (whole.map, whole.map_expected)
    np.testing.assert_allclose(chunked.curve_recall, whole.curve_recall, rtol=1e-14)
    for name, value in vars(chunked).items():
        np.testing.assert_array_equal(value, getattr(threaded, name))


def test_class_order_inflates_only_the_conventional_value():
    labels = np.repeat(np.arange(4), 50)
    codes = pack(np.ones((200, 8)))
    query = pack(np.ones((1, 8)))
    assert mean_average_precision(query, np.array([0]), codes, labels) == 1.0
    assert mean_average_precision(query, np.array([0]), codes, labels, ties="expected") == pytest.approx(0.25, abs=0.03)


def test_cosine_map_ranks_by_cosine():
    rng = np.random.default_rng(2)
    queries, database = rng.normal(size=(4, 5)).astype(np.float32), rng.normal(size=(30, 5)).astype(np.float32)
    query_labels, labels = rng.integers(0, 3, 4), rng.integers(0, 3, 30)
    for k in (None, 7):
        expected = []
        for query, label in zip(queries, query_labels, strict=True):
            cosine = database @ query / np.linalg.norm(database, axis=1) / np.linalg.norm(query)
            expected.append(ap_of(list(labels[np.argsort(-cosine)] == label), k or 30))
        assert cosine_map(queries, query_labels, database, labels, k) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("k", [None, 3, 50])
@pytest.mark.parametrize("multi", [False, True])
def test_cosine_map_of_blocks_is_that_of_the_whole(monkeypatch, k, multi):
    rng = np.random.default_rng(3)
    queries, database = (rng.normal(size=(count, 8)).astype(np.float32) for count in (33, 200))
    labels = [rng.integers(0, 2, (count, 70)) * (rng.random((count, 70)) < 0.1) for count in (33, 200)]
    labels = labels if multi else [own[:, 0] for own in labels]
    whole = cosine_map(queries, labels[0], database, labels[1], k)
    monkeypatch.setattr(ceiling, "_AT_ONCE", 500)
    monkeypatch.setattr(ceiling, "_KEPT", 1000)
    blocks = np.split(database, [1, 7, 60, 190])
    assert cosine_map(queries, labels[0], blocks, labels[1], k) == pytest.approx(whole, abs=1e-12)


def test_labels_in_a_single_column_are_one_label_each():
    rng = np.random.default_rng(7)
    queries, database = pack(signs(rng, 6, 8)), pack(signs(rng, 40, 8))
    labels, query_labels = rng.integers(0, 2, 40), rng.integers(0, 2, 6)
    expected = retrieval_metrics(queries, query_labels, database, labels)
    column = retrieval_metrics(queries, query_labels[:, None], database, labels[:, None])
    np.testing.assert_array_equal(column.ap, expected.ap)
    assert mean_average_precision(queries, query_labels[:, None] + 5, database, labels + 5) == expected.map
    cosine = [rng.normal(size=(count, 4)).astype(np.float32) for count in (6, 40)]
    flat, column = (
        cosine_map(cosine[0], query_labels.reshape(shape), cosine[1], labels.reshape(shape))
        for shape in ([-1], [-1, 1])
    )
    assert flat == column


def test_code_health_of_known_codes():
    every = np.array(list(itertools.product((-1, 1), repeat=4)))
    healthy = code_health(pack(every), 4)
    assert asdict(healthy) == pytest.approx(
        {"bit_balance": 0, "bit_correlation": 0, "bit_entropy": 1, "effective_codes": 16, "dead_bits": 0}
    )
    dead = code_health(pack(np.hstack([every, np.ones((16, 1)), every[:, :1]])), 6)
    assert dead.dead_bits == pytest.approx(1 / 6)
    assert dead.bit_correlation == pytest.approx(2 / 20)
    assert code_health(pack(np.ones((5, 8))), 8).effective_codes == pytest.approx(1)


def test_parts_of_codes_have_the_health_of_all(monkeypatch):
    codes = pack(np.hstack([signs(np.random.default_rng(4), 100, 9), np.ones((100, 1))]))
    whole = asdict(code_health(codes, 10))
    correlation = np.abs(np.corrcoef(unpack(codes, 10)[:, :9].T))
    assert whole["bit_correlation"] == pytest.approx((correlation.sum() - 9) / 72)
    monkeypatch.setattr(health, "_ROWS", 7)
    assert asdict(code_health(codes, 10)) == pytest.approx(whole, abs=1e-14)


def test_sorter_fidelity():
    keys = torch.randint(0, 5, (6, 20)).float()
    assert sorter_fidelity(sorters.build("argsort"), keys) == pytest.approx(1)
    sharp, soft = (sorter_fidelity(sorters.build("softsort", temperature=t), keys) for t in (0.05, 5.0))
    assert sharp == pytest.approx(1, abs=1e-6)
    assert 0 < soft < 0.7


@given(st.integers(1, 70), st.integers(1, 9))
def test_pack_and_unpack_are_inverse(bits, count):
    codes = signs(np.random.default_rng(bits), count, bits)
    packed = pack(codes)
    assert packed.shape == (count, -(-bits // 8))
    np.testing.assert_array_equal(unpack(packed, bits), codes)
    np.testing.assert_array_equal(pack(torch.from_numpy(codes).float()), packed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_codes": np.ones((3, 2))}, "'query_codes' must be packed codes"),
        ({"query_codes": np.ones((3, 1), np.uint8)}, "must have one length, got 1 and 2"),
        ({"query_labels": np.zeros(4, int)}, r"'query_labels' must have shape \[3\]"),
        ({"database_labels": np.zeros((5, 4), int)}, "must be of one kind"),
        ({"database_labels": np.zeros(5)}, "'database_labels' must be whole numbers, got float64"),
        ({"k": 0}, "'k' must be at least 1, got 0"),
        ({"ties": "random"}, "'ties' must be 'index' or 'expected', got 'random'"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {
        "query_codes": np.ones((3, 2), np.uint8),
        "query_labels": np.zeros(3, int),
        "database_codes": np.ones((5, 2), np.uint8),
        "database_labels": np.zeros(5, int),
    }
    with pytest.raises(ValueError, match=message):
        mean_average_precision(**arguments | change)


def test_codes_are_checked():
    with pytest.raises(ValueError, match="only -1 and \\+1"):
        pack(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \[N, K\]"):
        pack(np.ones(3))
    with pytest.raises(ValueError, match="'code_length' = 17 does not fit 2 bytes"):
        unpack(np.zeros((2, 2), np.uint8), 17)
