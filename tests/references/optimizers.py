"""Write optimizers.json: 200 steps of PyTorch's optimizers in float64, for tests/optimizers.

    python tests/references/optimizers.py     in an environment with torch; the tests need none

12 parameters; the gradient of step t is a fixed formula, which the test writes again. PyTorch's
clipping by norm divides by the norm + 1e-6; the test allows for that.
"""

import json
import math
from pathlib import Path

SIZE, KEPT = 12, (1, 2, 10, 50, 200)
PATH = Path(__file__).with_suffix(".json")


def start(i):
    return (i - 5) / 4


def gradient(t, i):
    """Of different size for each parameter, from 1e-6 to 1e5, with signs that change; some 0."""
    return 0.0 if (t + i) % 7 == 0 else 10.0 ** (i - 6) * (math.sin(0.3 * t * (i + 1)) + 0.2)


MAKERS = {
    "SGD": lambda optim, w: optim.SGD(w, lr=0.01),
    "momentum": lambda optim, w: optim.SGD(w, lr=0.01, momentum=0.9),
    "nesterov": lambda optim, w: optim.SGD(w, lr=0.01, momentum=0.9, nesterov=True),
    "RMSProp": lambda optim, w: optim.RMSprop(w, lr=0.01, alpha=0.9, eps=1e-8),
    "RMSProp, large epsilon": lambda optim, w: optim.RMSprop(w, lr=0.01, alpha=0.99, eps=0.1),
    "Adam": lambda optim, w: optim.Adam(w, lr=0.01),
    "AdamW": lambda optim, w: optim.AdamW(w, lr=0.01, weight_decay=0.01),
    "AdamW, large decay": lambda optim, w: optim.AdamW(
        w, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.5
    ),
}


def walk(torch, make):
    """Return the parameters after each step of KEPT."""
    w = torch.tensor([start(i) for i in range(SIZE)], dtype=torch.float64, requires_grad=True)
    optimizer, found = make(torch.optim, [w]), {}
    for t in range(1, max(KEPT) + 1):
        w.grad = torch.tensor([gradient(t, i) for i in range(SIZE)], dtype=torch.float64)
        optimizer.step()
        if t in KEPT:
            found[t] = w.tolist()
    return found


def clipped(torch, clip, limit):
    """Return the gradient of step 1 after PyTorch's clipping of two arrays together."""
    numbers = [gradient(1, i) for i in range(SIZE)]
    arrays = [torch.zeros(5, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)]
    for array, part in zip(arrays, (numbers[:5], numbers[5:]), strict=True):
        array.grad = torch.tensor(part, dtype=torch.float64)
    clip(arrays, limit)
    return torch.cat([array.grad for array in arrays]).tolist()


def main():
    """Write the file."""
    import torch  # here, as the tests import this file and run without it

    paths = {name: walk(torch, make) for name, make in MAKERS.items()}
    clip = torch.nn.utils
    found = {
        "torch": torch.__version__,
        "optimizers": paths,
        "clipping": {
            "norm 2.0": clipped(torch, clip.clip_grad_norm_, 2.0),
            "norm 1e9": clipped(torch, clip.clip_grad_norm_, 1e9),
            "value 0.5": clipped(torch, clip.clip_grad_value_, 0.5),
        },
    }
    PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
