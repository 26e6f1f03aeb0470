import numpy as np

rng = np.random.default_rng(0)
GRADCHECK = {"residual_forward": (rng.normal(size=(5, 3)), rng.normal(size=(3, 3)))}


def residual_forward(x, W):
    h = np.tanh(x @ W)
    return x + h, (x, W, h)


def residual_backward(dout, cache):
    x, W, h = cache
    dz = dout * (1 - h**2)
    return dz @ W.T, x.T @ dz
