import numpy as np

GRADCHECK = {"maxpool_forward": [np.random.default_rng(0).normal(size=(2, 4, 4, 3))]}


def maxpool_forward(x, size=2):
    N, H, W, C = x.shape
    windows = x.reshape(N, H // size, size, W // size, size, C)
    out = windows.max(axis=(2, 4))
    return out, (x, out, size)


def maxpool_backward(dout, cache):
    x, out, size = cache
    N, H, W, C = x.shape
    windows = x.reshape(N, H // size, size, W // size, size, C)
    mask = windows == out[:, :, None, :, None]
    mask = mask / mask.sum(axis=(2, 4), keepdims=True)
    dx = mask * dout[:, :, None, :, None]
    return dx.reshape(x.shape)
