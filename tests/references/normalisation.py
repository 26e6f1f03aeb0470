"""Write normalisation.json: what PyTorch computes for BatchNorm and LayerNorm, in float64.

Run by hand, with a Python that has torch; the tests read only the JSON.
"""

import json
from pathlib import Path

import numpy as np
import torch

STEPS = 4


def channels_first(x):
    return torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)


def numbers(tensor, moved=False):
    array = tensor.detach().numpy()
    return (np.moveaxis(array, 1, -1) if moved else array).tolist()


def batch_norm(shape, momentum, epsilon, frozen=False):
    """Several batches in training, with gradients; then one in prediction."""
    rng = np.random.default_rng(len(shape))
    kind = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d
    layer = kind(shape[-1], eps=epsilon, momentum=1 - momentum).double()
    gamma, beta = rng.normal(size=(2, shape[-1]))
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = torch.tensor(gamma), torch.tensor(beta)
    steps = []
    for step in range(STEPS):
        if frozen and step == STEPS - 1:
            layer.eval()
        x, dout = rng.normal(3, 2, size=shape), rng.normal(size=shape)
        given = channels_first(x)
        layer.zero_grad()
        out = layer(given)
        out.backward(channels_first(dout).detach())
        steps.append(
            {
                "x": x.tolist(),
                "dout": dout.tolist(),
                "out": numbers(out, True),
                "dx": numbers(given.grad, True),
                "dgamma": numbers(layer.weight.grad),
                "dbeta": numbers(layer.bias.grad),
                "running_mean": numbers(layer.running_mean),
                "running_var": numbers(layer.running_var),
            }
        )
    layer.eval()
    predicted = numbers(layer(channels_first(np.asarray(steps[0]["x"]))), True)
    arguments = {"momentum": momentum, "epsilon": epsilon}
    return {
        "layer": "BatchNorm", "arguments": arguments, "gamma": gamma.tolist(),
        "beta": beta.tolist(), "steps": steps, "predicted": predicted, "frozen": frozen,
    }  # fmt: skip


def layer_norm(shape, epsilon):
    rng = np.random.default_rng(10 + len(shape))
    layer = torch.nn.LayerNorm(shape[-1], eps=epsilon).double()
    gamma, beta = rng.normal(size=(2, shape[-1]))
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = torch.tensor(gamma), torch.tensor(beta)
    x, dout = rng.normal(3, 2, size=shape), rng.normal(size=shape)
    given = torch.tensor(x, requires_grad=True)
    out = layer(given)
    out.backward(torch.tensor(dout))
    step = {
        "x": x.tolist(), "dout": dout.tolist(), "out": numbers(out), "dx": numbers(given.grad),
        "dgamma": numbers(layer.weight.grad), "dbeta": numbers(layer.bias.grad),
    }  # fmt: skip
    return {
        "layer": "LayerNorm", "arguments": {"epsilon": epsilon}, "gamma": gamma.tolist(),
        "beta": beta.tolist(), "steps": [step], "predicted": numbers(out), "frozen": False,
    }  # fmt: skip


cases = {
    "BatchNorm (B, F)": batch_norm((5, 3), 0.9, 1e-5),
    "BatchNorm (B, H, W, C)": batch_norm((3, 2, 3, 2), 0.8, 1e-3),
    "BatchNorm of one image": batch_norm((1, 2, 3, 2), 0.9, 1e-5),
    "BatchNorm, frozen in the last step": batch_norm((5, 3), 0.7, 1e-5, frozen=True),
    "LayerNorm (B, F)": layer_norm((4, 5), 1e-5),
    "LayerNorm (B, H, W, C)": layer_norm((2, 2, 2, 3), 1e-3),
}
Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n", encoding="utf-8")
