"""LapSum (Struski, Bednarczyk, Podolak & Tabor, ICML 2025): sorting by sums of Laplace distribution functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad
from typing_extensions import override

from nsh_core.sending import sent
from nsh_core.sorters.base import Sorter, check_rows
from nsh_core.sorters.kernel import Kernel
from nsh_core.sorters.levels import ByChunks, Ranked, count, exponentials_fit, tally, to_levels
from nsh_core.sorters.scan import decay, from_higher, from_lower


class LapSum(Sorter):
    """Row j holds what an item's Laplace distribution has between the thresholds of ranks j - 1 and j.

    With F the distribution function of Laplace noise of scale `temperature`, threshold b_j is where the expected number
    of items above it, G(b) = sum_i F(s_i - b), is j; P_ji = F(s_i - b_j) - F(s_i - b_(j-1)). Rows and columns of P sum
    to 1. Between two neighbouring keys G(b) = j is a quadratic equation in exp(b / temperature): nothing is iterated.
    The temperature is the key distance, in bits, at which an item's share beyond a threshold falls by a factor e.
    """

    paper = "Struski et al., LapSum: One Method to Differentiate Them All, ICML 2025"
    default_temperature = 0.5
    search_range = (0.05, 10.0)
    level_form = "levels"

    @override
    def permutation(self, keys: Tensor) -> Tensor:
        return self.first(keys, range(keys.shape[-1] + 1)).diff(dim=1)

    @override
    def first(self, keys: Tensor, counts: Sequence[int]) -> Tensor:
        check_rows(keys)
        n = keys.shape[1]
        ranks = sent(torch.tensor(counts, dtype=torch.double)[:, None], keys.device)
        levels = _Levels(keys.detach().double(), self.temperature, None)
        # No threshold has all items above it, or none: those two are put in below.
        thresholds = _thresholds(levels, self.temperature, ranks[:, 0].clamp(0.5, n - 0.5))
        places = thresholds.places(levels.positions, self.temperature).to(keys.dtype)
        distance = (keys[:, None, :] - places[:, :, None]) / self.temperature
        density = 0.5 * (-distance.detach().abs()).exp()
        # The thresholds move with the keys as G(b) = j wants it; their gradient is that of one step of Newton's.
        above = _distribution(distance).sum(dim=2)
        smallest = torch.finfo(keys.dtype).tiny
        moved = self.temperature * (above - above.detach()) / density.sum(dim=2).clamp(min=smallest)
        shares = _distribution(distance - moved[:, :, None] / self.temperature)
        return shares.where(ranks > 0, 0.0).where(ranks < n, 1.0)

    @override
    def sort_payload(self, keys: Tensor, payload: Tensor) -> Tensor:
        check_rows(keys, payload)
        return self._sorted(keys, payload, None)

    @override
    def sort_levels(self, keys: Tensor, payload: Tensor, levels: int) -> Ranked:
        check_rows(keys, payload)
        return Ranked(self._sorted(keys, payload, levels))

    @override
    def kernel(self, codes: Tensor) -> Kernel | None:
        from nsh_core.fused.lapsum import lapsum  # numba's import takes as long as torch's

        return Kernel(lapsum, (self.temperature,))

    def _sorted(self, keys: Tensor, payload: Tensor, levels: int | None) -> Tensor:
        make = partial(_Chunk, temperature=self.temperature, levels=levels)
        result: Tensor = ByChunks.apply(make, keys.shape[1] + (levels or 0), keys, payload)
        return result


def _distribution(v: Tensor) -> Tensor:
    """Laplace's distribution function."""
    # clamp hands its gradient on at the bound, abs has none there: ties with a threshold need it.
    return torch.where(v >= 0, 1 - 0.5 * (-v.clamp(min=0)).exp(), 0.5 * v.clamp(max=0).exp())


class _Levels:
    """Items by the place of their key among descending positions, and sums over them that decay with the distance.

    Args:
        keys: In double precision [b, n].
        temperature: Distance at which a weight falls by a factor e.
        levels: Keys are whole numbers below it; none: each item has a place of its own.

    Attributes:
        index: Place of each item, int64 [b, n].
        positions: Descending [b, L]; an occupied one is first.
        counts: Items of each [b, L].
        from_higher: Of values [b, L], the sums over positions up to and with each one, weighted by exp(-distance / T).
        from_lower: The same over positions from each one on.
    """

    from_higher: Callable[[Tensor], Tensor]
    from_lower: Callable[[Tensor], Tensor]

    def __init__(self, keys: Tensor, temperature: float, levels: int | None) -> None:
        if levels is None:
            self.positions, order = keys.sort(dim=1, descending=True, stable=True)
            self.index, self.counts = order.argsort(dim=1), torch.ones_like(keys)
        else:
            self.index = to_levels(keys, levels)
            self.counts = count(self.index, levels, keys.dtype)
            falling = torch.arange(levels - 1, -1, -1, device=keys.device, dtype=keys.dtype)
            self.positions = falling.expand_as(self.counts)
            if exponentials_fit(temperature, levels):
                near = (-(falling - falling[:, None]).abs() / temperature).exp()
                upper, lower = near.triu(), near.tril()
                self.from_higher, self.from_lower = lambda values: values @ upper, lambda values: values @ lower
                return
            self._occupied_first()
        steps = decay(self.positions, temperature)
        self.from_higher, self.from_lower = partial(from_higher, steps), partial(from_lower, steps)

    def _occupied_first(self) -> None:
        """The rest stand with the lowest occupied one: no sum of weights over items is zero then."""
        occupied = self.counts > 0
        order = (~occupied).to(torch.uint8).argsort(dim=1, stable=True)
        self.positions, self.counts = self.positions.gather(1, order), self.counts.gather(1, order)
        lowest = self.positions.where(self.counts > 0, torch.inf).amin(dim=1, keepdim=True)
        self.positions = torch.where(self.counts > 0, self.positions, lowest)
        self.index = (occupied.cumsum(dim=1) - 1).gather(1, self.index)


@dataclass(frozen=True)
class _Thresholds:
    """Where the thresholds of r ranks lie.

    Attributes:
        gap: Of each threshold, how many positions are above it, int64 [b, r], 0..L.
        upper: exp(-distance / temperature) to the nearest position above, 0 where there is none.
        lower: To the nearest below.
        log_upper: Logarithm of `upper`.
        log_lower: Of `lower`.
    """

    gap: Tensor
    upper: Tensor
    lower: Tensor
    log_upper: Tensor
    log_lower: Tensor

    def places(self, positions: Tensor, temperature: float) -> Tensor:
        """The thresholds [b, r], from the nearest position that has the larger share in them."""
        last = positions.shape[1] - 1
        above = positions.gather(1, (self.gap - 1).clamp(min=0)) + temperature * self.log_upper
        below = positions.gather(1, self.gap.clamp(max=last)) - temperature * self.log_lower
        return torch.where(self.log_upper >= self.log_lower, above, below)


def _thresholds(levels: _Levels, temperature: float, ranks: Tensor) -> _Thresholds:
    """Solves G(b) = j for each of the ranks j [r], 0 < j < n.

    In the gap between positions s_u > b > s_(u+1), with x = exp(-(s_u - b) / T), y = exp(-(b - s_(u+1)) / T), x y = q:
    G(b) = A - U x / 2 + V y / 2, where A items lie above, and U and V sum exp(-distance / T) over the items above, to
    s_u, and below, to s_(u+1). With a = A - j, U x^2 - 2 a x - q V = 0; the root is taken where nothing cancels.
    """
    positions, counts = levels.positions, levels.counts
    log_q = pad((positions[:, 1:] - positions[:, :-1]) / temperature, (1, 1), value=-torch.inf)
    above = pad(counts.cumsum(dim=1), (1, 0))
    upper, lower = pad(levels.from_higher(counts), (1, 0)), pad(levels.from_lower(counts), (0, 1))
    at_positions = (above - 0.5 * upper)[:, 1:] + 0.5 * (log_q.exp() * lower)[:, 1:]
    gap = torch.searchsorted(at_positions.contiguous(), ranks.expand(len(counts), -1).contiguous(), right=True)
    a, u, v, log_q = (values.gather(1, gap) for values in (above, upper, lower, log_q))
    a = a - ranks
    larger = (a.abs() + (a.square() + log_q.exp() * u * v).sqrt()).log()
    middle = 0.5 * (log_q + v.log() - u.log())
    log_upper = torch.where(a > 0, larger - u.log(), torch.where(a < 0, log_q - larger + v.log(), middle))
    log_lower = torch.where(a > 0, log_q - log_upper, torch.where(a < 0, larger - v.log(), log_q - middle))
    return _Thresholds(gap, log_upper.exp(), log_lower.exp(), log_upper, log_lower)


class _Chunk:
    """T_j = sum_i F(s_i - b_j) payload_i by sums over levels above and below a threshold, O(n + K) for an anchor.

    The sorted payload is T_j - T_(j-1). Moving item i by ds moves T_j by f_ji (payload_i - mean_j) ds / T, with f the
    density and mean_j the payload's mean under it: the second part is what the threshold gives way.
    """

    def __init__(self, keys: Tensor, payload: Tensor, temperature: float, levels: int | None) -> None:
        self.payload, self.temperature = payload, temperature
        self.levels = _Levels(keys.double(), temperature, levels)
        counts, sums = self.levels.counts, tally(self.levels.index, payload.double(), self.levels.counts.shape[1])
        ranks = torch.arange(1, keys.shape[1], device=keys.device, dtype=torch.double)
        self.at = _thresholds(self.levels, temperature, ranks)
        whole = pad(sums.cumsum(dim=1), (1, 0))
        above = self._shares_above(sums)
        below = self._shares_below(sums)
        beyond = whole.gather(1, self.at.gap) - 0.5 * above + 0.5 * below
        self.result = torch.cat([beyond, whole[:, -1:]], dim=1).diff(dim=1, prepend=torch.zeros_like(whole[:, :1]))
        mass = self._shares_above(counts) + self._shares_below(counts)
        self.mean = (above + below) / mass.clamp(min=torch.finfo(mass.dtype).tiny)

    def _shares_above(self, values: Tensor) -> Tensor:
        """Sums [b, n - 1] of values [b, L] above each threshold, weighted by twice the density."""
        return pad(self.levels.from_higher(values), (1, 0)).gather(1, self.at.gap) * self.at.upper

    def _shares_below(self, values: Tensor) -> Tensor:
        return pad(self.levels.from_lower(values), (0, 1)).gather(1, self.at.gap) * self.at.lower

    @property
    def out(self) -> Tensor:
        """Sorted payload [b, n]."""
        return self.result.to(self.payload.dtype)

    def gradients(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Of keys and payload, both [b, n]: sums over thresholds below and above a level."""
        gradient = gradient.double()
        to_beyond = -gradient.diff(dim=1)
        upper, lower = self._of_levels(to_beyond)
        later = self._by_gap(to_beyond).flip(1).cumsum(dim=1).flip(1)[:, 1:]
        by_payload = gradient[:, -1:] + later - 0.5 * upper + 0.5 * lower
        upper_mean, lower_mean = self._of_levels(to_beyond * self.mean)
        factor, rest = (0.5 * (up + low) / self.temperature for up, low in ((upper, lower), (upper_mean, lower_mean)))
        index = self.levels.index
        key_gradient = self.payload * factor.gather(1, index) - rest.gather(1, index)
        return key_gradient.to(self.payload.dtype), by_payload.gather(1, index).to(self.payload.dtype)

    def _of_levels(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Sums [b, L] over the thresholds [b, n - 1] below and above each level, weighted by twice the density."""
        below = self._by_gap(values * self.at.upper)[:, 1:]
        above = self._by_gap(values * self.at.lower)[:, :-1]
        return self.levels.from_lower(below), self.levels.from_higher(above)

    def _by_gap(self, values: Tensor) -> Tensor:
        """Sums [b, L + 1] of values [b, n - 1] over the thresholds of each gap."""
        return tally(self.at.gap, values, self.levels.counts.shape[1] + 1)
