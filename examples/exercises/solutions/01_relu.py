"""Exercise 1: ReLU. A solution."""

import numpy as np


def relu_forward(x):
    """Return out."""
    return np.maximum(x, 0)


def relu_backward(dout, x):
    """Return dx: a number that was cut off changes nothing, the others go through."""
    dx = dout * (x > 0)
    return dx
