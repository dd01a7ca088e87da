"""Sorting networks: rows of keys and payload, groups of anchors in turn."""

from __future__ import annotations

import numpy as np

from nsh_core.compiled import compiled
from nsh_core.fused.comparators import KEY, PAYLOAD, Floats, Places, sort, unsort
from nsh_core.fused.levels import Words, distances
from nsh_core.fused.nce import nce_of_runs

GROUP = 64
Wires = tuple[Places, Places, Places, Places]


@compiled
def sort_rows(keys: Floats, payload: Floats, out: Floats, wires: Wires, exact: bool) -> None:
    """Sorts payload [rows, n] by keys [rows, n] over the temperature into `out`; see sorters.networks.Wiring."""
    runs, layers, _, places = wires
    kept = np.empty((3, GROUP * largest(runs, layers, 1)), np.float32)
    for start in range(0, len(keys), GROUP):
        group = min(GROUP, len(keys) - start)
        state = np.empty((2, keys.shape[1] * group), np.float32)
        load(keys, start, group, places[0], state[KEY])
        load(payload, start, group, places[0], state[PAYLOAD])
        sort(state, group, runs, layers, exact, False, kept)
        store(state[PAYLOAD], start, group, places[1], out)


@compiled
def unsort_rows(
    keys: Floats, payload: Floats, gradient: Floats, by_key: Floats, by_payload: Floats, wires: Wires, exact: bool
) -> None:
    """Gradients of keys and payload [rows, n] by that of sort_rows' result."""
    runs, layers, spans, places = wires
    kept = np.empty((3, GROUP * largest(runs, layers, spans[1])), np.float32)
    for start in range(0, len(keys), GROUP):
        group = min(GROUP, len(keys) - start)
        states = np.empty((len(spans), 2, keys.shape[1] * group), np.float32)
        load(keys, start, group, places[0], states[0, KEY])
        load(payload, start, group, places[0], states[0, PAYLOAD])
        there(states, group, wires, exact, kept)
        gradients = np.zeros((2, states.shape[2]), np.float32)
        load(gradient, start, group, places[1], gradients[PAYLOAD])
        back(gradients, states, group, wires, exact, kept)
        store(gradients[KEY], start, group, places[0], by_key)
        store(gradients[PAYLOAD], start, group, places[0], by_payload)


@compiled
def network(
    payload: Floats,
    by_key: Floats,
    loss: Floats,
    anchors: Words,
    items: Words,
    bits: int,
    selection: tuple[int, int, int],
    scales: tuple[float, float],
    parameters: tuple[float, Wires, bool],
) -> None:
    """SortedNCE of some anchors by a network of soft comparators; see sorters.Kernel."""
    m, first_negative, stop = selection
    temperature, wires, exact = parameters
    runs, layers, spans, places = wires
    rows, n = payload.shape
    kept = np.empty((3, GROUP * largest(runs, layers, spans[1])), np.float32)
    distance = np.empty(n, np.int16)
    ones, out, by_rank = np.ones(n), np.empty(n), np.empty(n)
    for start in range(0, rows, GROUP):
        group = min(GROUP, rows - start)
        states = np.empty((len(spans), 2, n * group), np.float32)
        for one in range(start, start + group):
            distances(anchors[one], items, distance)
            for k in range(n):
                by_key[one, k] = (bits - distance[k]) / temperature
        load(by_key, start, group, places[0], states[0, KEY])
        load(payload, start, group, places[0], states[0, PAYLOAD])
        there(states, group, wires, exact, kept)
        gradients = np.zeros((2, states.shape[2]), np.float32)
        for one in range(group):
            for rank in range(n):
                out[rank] = states[-1, PAYLOAD, places[1, rank] * group + one]
            loss[start + one] = nce_of_runs(out, ones, n, m, first_negative, stop, by_rank)
            for rank in range(n):
                gradients[PAYLOAD, places[1, rank] * group + one] = by_rank[rank]
        back(gradients, states, group, wires, exact, kept)
        store(gradients[KEY], start, group, places[0], by_key)
        store(gradients[PAYLOAD], start, group, places[0], payload)
        for one in range(start, start + group):
            for k in range(n):
                by_key[one, k] *= scales[0] / temperature
                payload[one, k] *= scales[1]


@compiled
def there(states: Floats, group: int, wires: Wires, exact: bool, kept: Floats) -> None:
    """Fills the states [spans + 1, 2, n * group] that the spans of layers begin with, and the last end with."""
    runs, layers, spans, _ = wires
    for span in range(len(spans) - 1):
        # Loops: to compile an assignment of arrays takes seconds.
        for channel in range(2):
            for i in range(states.shape[2]):
                states[span + 1, channel, i] = states[span, channel, i]
        sort(states[span + 1], group, runs, layers[spans[span] : spans[span + 1] + 1], exact, False, kept)


@compiled
def back(gradients: Floats, states: Floats, group: int, wires: Wires, exact: bool, kept: Floats) -> None:
    """Takes the gradients [2, n * group] of the last state to the first; the states are lost."""
    runs, layers, spans, _ = wires
    for span in range(len(spans) - 2, -1, -1):
        own = layers[spans[span] : spans[span + 1] + 1]
        sort(states[span], group, runs, own, exact, True, kept)
        unsort(gradients, group, runs, own, kept)


@compiled
def load(rows: Floats, start: int, group: int, place: Places, flat: Floats) -> None:
    """Rows [.., n] of a group onto wires [n * group]."""
    for one in range(group):
        for k in range(len(place)):
            flat[place[k] * group + one] = rows[start + one, k]


@compiled
def store(flat: Floats, start: int, group: int, place: Places, rows: Floats) -> None:
    """Wires [n * group] into the rows [.., n] of a group."""
    for one in range(group):
        for k in range(len(place)):
            rows[start + one, k] = flat[place[k] * group + one]


@compiled
def largest(runs: Places, layers: Places, span: int) -> int:
    """Comparators of the largest span of so many layers."""
    most = 1
    for start in range(0, len(layers) - 1, span):
        own = 0
        for r in range(layers[start], layers[min(start + span, len(layers) - 1)]):
            own += runs[r, 2]
        most = max(most, own)
    return most
