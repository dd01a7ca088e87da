"""Times the cases of the checkout that comes first on the path, as asked: python -m benchmarks.worker DEVICE QUICK.

A line of JSON is an order, one the answer: {"group": NAME} gives [[case, n], ...], {"time": PLACE} the seconds of that
case's project; what fails gives {"error": LINE}.
"""

from __future__ import annotations

import json
import os
import sys

import torch

from benchmarks.cases import Case, groups
from benchmarks.measure import turn
from nsh_core.errors import in_a_line


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
                answer = turn(cases[order["time"]].project, device)
        except Exception as error:
            answer = {"error": in_a_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
