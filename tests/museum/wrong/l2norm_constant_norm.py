import numpy as np


def l2norm_forward(x):
    n = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    out = x / n
    cache = (x, n, out)
    return out, cache


def l2norm_backward(dout, cache):
    x, n, out = cache
    dx = dout / n
    return dx
