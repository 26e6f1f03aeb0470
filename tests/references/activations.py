"""PyTorch's activations, frozen: values and gradients in float64, at numbers of every size.

It writes activations.json beside it; run it in an environment that has torch. The test reads the
file, and needs no torch.
"""

import json
from pathlib import Path

import torch

X = [-300.0, -40.0, -9.5, -5.0, -2.5, -1.0, -0.3, -1e-9, 0.0, 1e-9, 0.2, 0.7, 1.0, 3.0, 6.0, 50.0]
CASES = {
    "LeakyReLU()": torch.nn.LeakyReLU(0.01),
    "LeakyReLU(0.3)": torch.nn.LeakyReLU(0.3),
    "ELU()": torch.nn.ELU(),
    "ELU(0.7)": torch.nn.ELU(0.7),
    "GELU()": torch.nn.GELU(approximate="tanh"),
    "GELU(exact=True)": torch.nn.GELU(),
    "Sigmoid()": torch.nn.Sigmoid(),
    "Tanh()": torch.nn.Tanh(),
}


def main():
    found = {"x": X}
    for name, function in CASES.items():
        x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
        out = function(x)
        out.sum().backward()
        found[name] = {"out": out.tolist(), "dx": x.grad.tolist()}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
