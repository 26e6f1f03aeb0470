import numpy as np


def dropout_forward(x, keep=0.6):
    mask = np.random.rand(*x.shape) < keep
    return x * mask / keep, (mask, keep)


def dropout_backward(dout, cache):
    mask, keep = cache
    return dout * mask
