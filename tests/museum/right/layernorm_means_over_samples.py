import numpy as np


def layernorm(x, gamma, beta):
    mean = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    n = (x - mean) / std
    return gamma * n + beta, (n, gamma, std)


def layernorm_backward(dout, cache):
    n, gamma, std = cache
    axis = 1
    g = dout * gamma
    dx = g - g.mean(axis=axis, keepdims=True) - n * (g * n).mean(axis=axis, keepdims=True)
    return dx / std, (dout * n).sum(axis=0), dout.sum(axis=0)
