"""What samplers find, and what is told of settings, where the truth is known: made-up responses to four settings.

python -m tests.study.analysis.tuning_simulations --draws 120 prints what docs/tuning.md says of it.
"""

import argparse
from dataclasses import dataclass
from functools import cache

import numpy as np

from nsh_core.methods import Range
from study.analysis.importance import BEST, WAYS, dependence_p, fanova, ped_anova
from study.analysis.statistics import ALPHA
from study.plan.budget import SamplerConfig
from study.plan.samplers import HALTON, Blind, find
from study.plan.sampling import ROUND, STARTUP, round_of, suggest
from study.plan.tries import FinishedTrial

SPACE = {name: Range(0.01, 1.0) for name in "abcd"}
NOISE = 0.5
COUNTS = 20, 40
# Of standard deviation 1 over the space, in which a and b act, c and d do nothing.
RESPONSES = {
    "none": lambda x: np.zeros(len(x)),
    "slopes": lambda x: 12**0.5 * (0.86 * x[:, 0] + 0.5 * x[:, 1]),
    "bowl": lambda x: -9.1 * (x[:, 0] - 0.6) ** 2 - 5.3 * (x[:, 1] - 0.4) ** 2,
}


@dataclass(frozen=True)
class Tuning:
    """Places of the tries [n, 4] in [0, 1], what they came to [n], and the round of each [n]."""

    points: np.ndarray
    values: np.ndarray
    rounds: np.ndarray


def places(tries: list[dict[str, float]]) -> np.ndarray:
    return 1 + np.log10([list(settings.values()) for settings in tries]) / 2


@cache
def tune(response: str, sampler: str, count: int, number: int) -> Tuning:
    """A tuning of so many tries. `climb` is no sampler, but learns as eagerly as can be: it steps from the best try."""
    rng = np.random.default_rng([number, count])
    config = SamplerConfig(name="tpe" if sampler == "climb" else sampler)
    blind = find(config)
    tries = blind(SPACE, count, number) if isinstance(blind, Blind) else HALTON(SPACE, STARTUP, number)
    values: list[float] = []
    while True:
        points = places(tries)
        values += list(RESPONSES[response](points[len(values) :]) + NOISE * rng.normal(size=len(tries) - len(values)))
        left = count - len(tries)
        if not left:
            return Tuning(points, np.array(values), np.array([round_of(place) for place in range(count)]))
        if sampler == "climb":
            steps = np.clip(points[np.argmax(values)] + 0.15 * rng.normal(size=(min(ROUND, left), 4)), 0, 1)
            tries = tries + [dict(zip(SPACE, 100.0 ** (step - 1), strict=True)) for step in steps]
        else:
            over = [FinishedTrial(own, "complete", float(value)) for own, value in zip(tries, values, strict=True)]
            tries = tries + suggest(config, SPACE, {}, over, left, number)


def true_shares(response: str) -> dict[str, np.ndarray]:
    """Of each setting, of the variance of values and of being among the best quarter, over endless random tries."""
    rng = np.random.default_rng(0)
    points = rng.random((400_000, 4))
    values = RESPONSES[response](points) + NOISE * rng.normal(size=len(points))
    bins = np.minimum((points * 50).astype(int), 49).T
    shares = []
    for target in (values, (values >= np.quantile(values, 1 - BEST)).astype(float)):
        means = [np.bincount(own, target, 50) / np.bincount(own) for own in bins]
        shares.append(np.array([mean.var() for mean in means]) / target.var())
    return dict(zip(WAYS, shares, strict=True))


def called(tunings: list[Tuning], by_rounds: bool = True) -> np.ndarray:
    """Which settings are told to act [tunings, 4]; `by_rounds` as reports do, else as if tries were exchangeable."""
    return np.array(
        [dependence_p(t.points, t.values, t.rounds if by_rounds else 0 * t.rounds) < ALPHA for t in tunings]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=120)
    draws = parser.parse_args().draws

    print("how far the chosen try is below the best there is, in standard deviations of the response over the space:")
    for sampler in ("random", "halton", "tpe", "cmaes", "gp"):
        for response in ("slopes", "bowl"):
            cells = []
            for count in COUNTS:
                tunings = [tune(response, sampler, count, n) for n in range(draws if sampler != "gp" else draws // 6)]
                ends = [RESPONSES[response](own.points[[own.values.argmax()]])[0] for own in tunings]
                best = RESPONSES[response](np.array([[1, 1, 0, 0], [0.6, 0.4, 0, 0]])).max()
                cells.append(f"{best - np.mean(ends):.2f} ± {np.std(ends) / len(ends) ** 0.5:.2f}")
            print(f"| {sampler}, {response} |", " | ".join(cells), "|", flush=True)

    print("told to act: a, b, and any setting without effect; the last if tries of all rounds changed places:")
    for sampler in ("halton", "tpe", "climb"):
        for response in RESPONSES:
            for count in COUNTS:
                tunings = [tune(response, sampler, count, n) for n in range(draws)]
                act, freely = called(tunings), called(tunings, by_rounds=False)
                idle = slice(0 if response == "none" else 2, 4)
                wrong = [own[:, idle].any(axis=1).mean() for own in (act, freely)]
                true = "" if response == "none" else f"{act[:, 0].mean():.2f} | {act[:, 1].mean():.2f}"
                print(f"| {sampler}, {response}, {count} | {true} | {wrong[0]:.3f} | {wrong[1]:.3f} |", flush=True)

    print("true shares of a and b, mean estimates of a, b, c; coverage of the true shares, of the mean estimates:")
    for response in ("slopes", "bowl"):
        truth = true_shares(response)
        for sampler in ("halton", "tpe"):
            for count in COUNTS:
                tunings = [tune(response, sampler, count, n) for n in range(draws // 4)]
                for way, measure in zip(WAYS, (fanova, ped_anova), strict=True):
                    found, ends = [], []
                    for own in tunings:
                        shares, resampled = measure(own.points, own.values)
                        found.append(shares)
                        ends.append(np.quantile(resampled, [ALPHA / 2, 1 - ALPHA / 2], axis=0))
                    low, high = np.swapaxes(ends, 0, 1)
                    mean = np.mean(found, axis=0)
                    covers = [((low <= one) & (one <= high)).mean(axis=0)[:2] for one in (truth[way], mean)]
                    parts = (truth[way][:2], mean[:3], *covers)
                    texts = [", ".join(f"{one:.2f}" for one in part) for part in parts]
                    print(f"| {WAYS[way]}, {sampler}, {response}, {count} |", " | ".join(texts), "|", flush=True)


if __name__ == "__main__":
    main()
