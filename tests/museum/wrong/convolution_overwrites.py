import numpy as np


def conv1d_forward(x, w):
    L = len(x) - len(w) + 1
    out = np.array([np.sum(x[i : i + len(w)] * w) for i in range(L)])
    return out, (x, w)


def conv1d_backward(dout, cache):
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(len(dout)):
        dx[i : i + len(w)] = dout[i] * w
        dw += dout[i] * x[i : i + len(w)]
    return dx, dw


GRADCHECK = {
    "conv1d": (np.random.default_rng(0).normal(size=8), np.random.default_rng(1).normal(size=3))
}
