"""Write plateau.json: the learning rates of PyTorch's ReduceLROnPlateau for some metrics.

    python tests/references/plateau.py        needs torch; the tests read only the JSON

Its patience is the number of epochs that it lets pass without a reduction: one less than tinynn's.
"""

import json
from pathlib import Path

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

LOSSES = [1.0, 0.8, 0.8, 0.79, 0.9, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.3, 0.4, 0.5, 0.6, 0.7]
CASES = {
    "plain": {"factor": 0.5, "patience": 2, "min_delta": 0.0, "least": 0.0},
    "small changes do not count": {"factor": 0.1, "patience": 3, "min_delta": 0.05, "least": 0.0},
    "a least rate": {"factor": 0.3, "patience": 1, "min_delta": 0.0, "least": 0.01},
}


def rates(factor, patience, min_delta, least, sign):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    mode, kind = ("min" if sign > 0 else "max"), {"threshold_mode": "abs", "eps": 0.0}
    scheduler = ReduceLROnPlateau(
        optimizer, mode, factor, patience - 1, threshold=min_delta, min_lr=least, **kind
    )
    seen = []
    for loss in LOSSES:
        scheduler.step(sign * loss)
        seen.append(float(optimizer.param_groups[0]["lr"]))
    return seen


FOUND = {
    name: {"arguments": case, "min": rates(**case, sign=1), "max": rates(**case, sign=-1)}
    for name, case in CASES.items()
}
HEAD = {"torch": torch.__version__.split("+")[0], "learning_rate": 0.1, "losses": LOSSES}
Path(__file__).with_suffix(".json").write_text(
    json.dumps({**HEAD, "cases": FOUND}, indent=1) + "\n", encoding="utf-8"
)
