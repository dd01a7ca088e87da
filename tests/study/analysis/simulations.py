"""How often tests err on arms of equal means that scatter as real trials may.

python -m tests.study.analysis.simulations --draws 2000 prints what docs/statistics.md says of it.
"""

import argparse

import numpy as np

from study.analysis.crossed import chosen_p, crossed
from study.analysis.statistics import ALPHA, holm

KINDS = (
    "normal", "skewed", "heavy-tailed", "unequal spread", "collapsing", "tied", "skewed against tight",
)  # fmt: skip


def eight_arms(kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    """Equal means [8, n], as real trials may scatter."""
    level, exponential = rng.normal(0, 1, n), 1 - rng.exponential(1, (8, n))
    match kind:
        case "normal":
            return rng.normal(0, 1, (8, n)) + level
        case "skewed":
            return exponential + level
        case "skewed against tight":
            return np.concatenate([rng.normal(0, 0.1, (1, n)), exponential[1:]]) + 0.1 * level
        case "heavy-tailed":
            return rng.standard_t(3, (8, n)) + level
        case "unequal spread":
            return rng.normal(0, 1, (8, n)) * np.arange(1, 9)[:, None] + level
        case "collapsing":
            return rng.normal(0, 1, (8, n)) - 20 * (rng.random((8, n)) < 0.1) + level
        case "tied":
            return np.round(rng.normal(0, 1, (8, n))) + level
    raise ValueError(kind)


def family_error(kind: str, n: int, draws: int) -> float:
    """Share of families of seven contrasts with the first arm in which any is called different."""
    rng = np.random.default_rng(100 + n)
    wrong = 0
    for _ in range(draws):
        arms = eight_arms(kind, rng, n)
        wrong += (holm(np.array([crossed(arm - arms[0]).p for arm in arms[1:]])) < ALPHA).any()
    return wrong / draws


def told_apart(arms: int, seeds: int, draws: int) -> tuple[float, float]:
    """Share of studies of equal arms, over seeds and 300 queries, in which any is told apart from the chosen best.

    Of two arms also the share in which the t test of the pair finds a difference; NaN for more.
    """
    by_mark = by_pair = 0
    for number in range(draws):
        rng = np.random.default_rng(number)
        values = 0.01 * rng.normal(size=(1, seeds, 1)) + 0.03 * rng.normal(size=(arms, seeds, 1))
        values = values + 0.1 * rng.normal(size=(arms, 1, 300)) + 0.2 * rng.normal(size=(arms, seeds, 300))
        best = int(values.mean(axis=(1, 2)).argmax())
        by_mark += (chosen_p(values, best, draws=800) < ALPHA).any()
        by_pair += crossed(values[0] - values[1]).p < ALPHA
    return by_mark / draws, by_pair / draws if arms == 2 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    seeds = (3, 5, 10, 20)
    for arms in (2, 5):
        for count in (2, 3, 5, 10):
            mark, pair = told_apart(arms, count, draws // 4)
            print(f"{arms} arms, {count} seeds: some equal arm told apart {mark:.3f}, t test of a pair {pair:.3f}")
    print("| how seeds scatter |", " | ".join(f"n = {n}" for n in seeds), "|")
    for kind in KINDS:
        print(f"| {kind} |", " | ".join(f"{family_error(kind, n, draws):.3f}" for n in seeds), "|", flush=True)


if __name__ == "__main__":
    main()
