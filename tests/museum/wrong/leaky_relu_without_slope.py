import numpy as np


def leaky_relu(x, slope=0.1):
    return np.where(x > 0, x, slope * x), x


def leaky_relu_backward(dout, cache, slope=0.1):
    return dout * np.where(cache > 0, 1, 0)
