"""Writes convolution.json: PyTorch's convolutions and pools in float64, forward and backward.

Run it with a Python that has torch: python tests/references/convolution.py
x, W, b and dout follow from a formula, `numbers`, which the test repeats. Of each result the file
keeps the shape, three numbers, and two weighted sums, in which each number counts.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

# images (H, W, C), filters, size, stride, padding: strides 1 to 3, kernels 1 to 5, channels 1 to
# 8, heights that leave a remainder
CONVOLUTIONS = [
    *(
        (shape, filters, (k, k), (s, s), padding)
        for shape, filters, k in (
            ((9, 8, 1), 3, 3), ((10, 11, 3), 2, 5), ((7, 9, 8), 4, 2), ((8, 8, 4), 1, 4),
        )
        for s in (1, 2, 3)
        for padding in (0, 1, "same")
    ),
    ((6, 7, 5), 8, (1, 1), (1, 1), 0), ((6, 7, 5), 8, (1, 1), (2, 2), "same"),
    ((9, 12, 2), 3, (3, 5), (1, 1), "same"), ((9, 12, 2), 3, (3, 5), (2, 3), 2),
    ((5, 5, 6), 7, (5, 5), (1, 1), 0), ((5, 5, 1), 2, (5, 5), (3, 3), 4),
    ((11, 10, 7), 2, (2, 1), (3, 1), 0),
]  # fmt: skip
POOLS = [
    ((8, 8, 3), (2, 2), (2, 2)), ((9, 11, 2), (2, 2), (2, 2)), ((9, 11, 2), (3, 3), (2, 2)),
    ((7, 6, 8), (3, 2), (1, 1)), ((10, 7, 1), (2, 3), (3, 1)), ((5, 5, 4), (5, 5), (5, 5)),
    ((6, 7, 2), (1, 1), (2, 2)),
]  # fmt: skip


def numbers(*shape, seed):
    """Return numbers between -1 and 1, all different, by a formula that any program can repeat."""
    k = np.arange(1, np.prod(shape) + 1)
    return np.sin(k * (seed + 1) * 0.7548776662466927 + k * k * 0.0101).reshape(shape)


def digest(array):
    """Return the shape and two weighted sums, in which each number counts, and the first three."""
    flat = np.asarray(array, float).ravel()
    k = np.arange(1, flat.size + 1)
    return {
        "shape": list(np.shape(array)),
        "sums": [float(flat @ np.cos(k)), float(flat @ np.sin(k * 1.7))],
        "first": flat[:3].tolist(),
    }


def channels_first(array):
    return torch.tensor(np.moveaxis(array, -1, 1).copy(), requires_grad=True)


def channels_last(tensor):
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def same(length, k, stride):
    """Return the zeros before and after, as TensorFlow's "SAME" documents them."""
    windows = -(-length // stride)
    zeros = max((windows - 1) * stride + k - length, 0)
    return zeros // 2, zeros - zeros // 2


def convolution(shape, filters, size, stride, padding, batch=3):
    x = channels_first(numbers(batch, *shape, seed=1))
    W = torch.tensor(
        numbers(*size, shape[-1], filters, seed=2).transpose(3, 2, 0, 1).copy(), requires_grad=True
    )
    b = torch.tensor(numbers(filters, seed=3), requires_grad=True)
    if padding == "same":
        rows, columns = (same(n, k, s) for n, k, s in zip(shape, size, stride, strict=False))
        framed = functional.pad(x, (*columns, *rows))
        out = functional.conv2d(framed, W, b, stride)
    else:
        out = functional.conv2d(x, W, b, stride, padding)
    dout = numbers(*channels_last(out).shape, seed=4)
    out.backward(torch.tensor(np.moveaxis(dout, -1, 1).copy()))
    dW = W.grad.numpy().transpose(2, 3, 1, 0)
    return {
        "arguments": [shape, filters, size, stride, padding],
        "out": digest(channels_last(out)),
        "dx": digest(channels_last(x.grad)),
        "dW": digest(dW),
        "db": digest(b.grad.numpy()),
    }


def pool(function, shape, size, stride, batch=3):
    x = channels_first(numbers(batch, *shape, seed=1))
    out = function(x, size, stride)
    dout = numbers(*channels_last(out).shape, seed=4)
    out.backward(torch.tensor(np.moveaxis(dout, -1, 1).copy()))
    return {
        "arguments": [shape, size, stride],
        "out": digest(channels_last(out)),
        "dx": digest(channels_last(x.grad)),
    }


if __name__ == "__main__":
    found = {
        "torch": torch.__version__,
        "Conv2D": [convolution(*case) for case in CONVOLUTIONS],
        "MaxPool2D": [pool(functional.max_pool2d, *case) for case in POOLS],
        "AveragePool2D": [pool(functional.avg_pool2d, *case) for case in POOLS],
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
