"""Write schedules.json: the learning rates of PyTorch's schedulers, step by step, in float64.

    python tests/references/schedules.py        needs torch; the tests read only the JSON

PyTorch counts from 0 the calls of scheduler.step(); rates[i] is the rate of step i + 1.
"""

import json
from pathlib import Path

import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    SequentialLR,
)

STEPS, WARMUP, RATE = 60, 12, 0.3


def rates(make, warmup=0):
    """Return the rate of each step of a run with the scheduler that `make` returns."""
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=RATE)
    scheduler = make(optimizer)
    if warmup:
        rising = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
        scheduler = SequentialLR(optimizer, [rising, scheduler], milestones=[warmup])
    seen = []
    for _ in range(STEPS):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return seen


after = STEPS - WARMUP
FOUND = {
    "cosine": rates(lambda o: CosineAnnealingLR(o, T_max=STEPS)),
    "cosine to 0.01": rates(lambda o: CosineAnnealingLR(o, T_max=STEPS, eta_min=0.01)),
    "cosine after a warm-up": rates(lambda o: CosineAnnealingLR(o, T_max=after), WARMUP),
    "linear": rates(lambda o: LinearLR(o, 1.0, 0.0, total_iters=STEPS)),
    "linear to 0.03 after a warm-up": rates(
        lambda o: LinearLR(o, 1.0, 0.1, total_iters=after), WARMUP
    ),
    "exponential": rates(lambda o: ExponentialLR(o, gamma=0.9)),
    "exponential after a warm-up": rates(lambda o: ExponentialLR(o, gamma=0.9), WARMUP),
    "piecewise": rates(lambda o: MultiStepLR(o, milestones=[20, 45], gamma=0.1)),
    "piecewise after a warm-up": rates(
        lambda o: MultiStepLR(o, milestones=[20 - WARMUP, 45 - WARMUP], gamma=0.1), WARMUP
    ),
}
HEAD = {"torch": torch.__version__.split("+")[0], "learning_rate": RATE, "steps": STEPS}
Path(__file__).with_suffix(".json").write_text(
    json.dumps({**HEAD, "warmup": WARMUP, "rates": FOUND}, indent=1) + "\n", encoding="utf-8"
)
