"""The logistic sigmoid, which the layer Sigmoid and the loss SigmoidCrossEntropy both compute."""

import numpy as np

from tinynn.parameters import Array


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) of each number, without an overflow: exp is taken of -|z| only.

    z: any shape; whole numbers become floats. Where z is below 0 this is exp(z) / (1 + exp(z)),
    which is equal. (Goodfellow, Bengio and Courville, Deep Learning, 2016, equation 3.30.)

    >>> sigmoid(np.array([0.0, -1000.0, 1000.0]))
    array([0.5, 0. , 1. ])
    """
    z = np.asarray(z, np.result_type(z, np.float32))  # in bytes, -z would be above 0
    e = np.exp(-np.abs(z))  # 1 or less
    out: Array = np.where(z < 0, e, 1) / (1 + e)
    return out
