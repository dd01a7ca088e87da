"""Times the cases of the checkout that comes first on the path, as asked: python -m benchmarks.worker DEVICE QUICK.

A line of JSON is an order, one the answer: {"group": NAME} gives [[case, n], ...], {"time": PLACE} the seconds of that
case's project; what fails gives {"error": LINE}.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import torch

from benchmarks.cases import Case, groups
from benchmarks.measure import Work, seconds_of
from nsh_core.errors import in_a_line

_ENOUGH_SECONDS = 0.2


def main() -> None:
    """Answers until its orders end."""
    device, quick = torch.device(sys.argv[1]), sys.argv[2] == "quick"
    torch.set_flush_denormal(True)
    # What cases print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    known, cases = groups(device, quick), list[Case]()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if "group" in order:
                cases = known[order["group"]]()
                answer: object = [[case.name, case.n] for case in cases]
            else:
                answer = _median(cases[order["time"]].project, device)
        except Exception as error:
            answer = {"error": in_a_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _median(work: Work, device: torch.device) -> float:
    """Of as many runs as fit into a fifth of a second, at least one: single ones of a millisecond are mostly noise."""
    start, found = time.perf_counter(), list[float]()
    while not found or time.perf_counter() - start < _ENOUGH_SECONDS:
        found.append(seconds_of(work, device))
    return statistics.median(found)


if __name__ == "__main__":
    main()
