"""How well a set of codes uses its bits; needs no labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nsh_core.codes import PackedCodes, unpack

_ROWS = 2**16


@dataclass(frozen=True)
class CodeHealth:
    """Health of a set of codes.

    Attributes:
        bit_balance: Mean over bits of |mean of the bit|, 0 is balanced, 1 constant.
        bit_correlation: Mean |correlation| between two different live bits, in [0, 1].
        bit_entropy: Mean entropy of a bit, in [0, 1] bits.
        effective_codes: exp(entropy of the distribution of codes), the effective number of distinct codes, in [1, N].
        dead_bits: Share of bits that are the same in every code.
    """

    bit_balance: float
    bit_correlation: float
    bit_entropy: float
    effective_codes: float
    dead_bits: float


def code_health(packed: PackedCodes, code_length: int) -> CodeHealth:
    """Health of packed codes.

    Args:
        packed: uint8 [N, ceil(K / 8)].
        code_length: K.

    Raises:
        ValueError: `packed` are no packed codes, or K does not fit.
    """
    count = len(packed)
    starts = range(0, count, _ROWS)
    mean = (
        sum(unpack(packed[start : start + _ROWS], code_length).sum(axis=0, dtype=np.int64) for start in starts) / count
    )
    ones = (mean + 1) / 2
    entropy = -sum(p * np.log2(np.where(p > 0, p, 1)) for p in (ones, 1 - ones))
    live = np.abs(mean) < 1
    products = np.zeros((live.sum(), live.sum()))
    for start in starts:
        codes = unpack(packed[start : start + _ROWS], code_length)[:, live].astype(np.float32)
        centred = (codes - mean[live]) / np.sqrt(1 - mean[live] ** 2)
        products += centred.T @ centred
    correlation = np.abs(products / count)
    pairs = correlation.size - len(correlation)
    _, counts = np.unique(packed, axis=0, return_counts=True)
    share = counts / count
    return CodeHealth(
        bit_balance=float(np.abs(mean).mean()),
        bit_correlation=float((correlation.sum() - np.trace(correlation)) / pairs) if pairs else 0.0,
        bit_entropy=float(entropy.mean()),
        effective_codes=float(np.exp(-(share * np.log(share)).sum())),
        dead_bits=float(1 - live.mean()),
    )
