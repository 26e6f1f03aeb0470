import numpy as np

GRADCHECK = {"penalty": (np.random.default_rng(0).normal(size=(5, 3)), 3.0)}


def penalty(x, strength):
    return strength * x**2, (x, strength)


def penalty_backward(dout, cache):
    x, strength = cache
    dx = dout * 2 * x
    return dx
