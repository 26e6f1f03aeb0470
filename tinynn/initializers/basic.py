"""Initial weights: each function takes a shape and a random Generator, and returns an array.

What matters is the standard deviation. A unit adds up fan_in products of an input and a weight, so
Var(out) = fan_in Var(W) mean(x^2), and ReLU halves the mean square that the next layer gets. So
fan_in Var(W) should be 2 with ReLU, and about 1 without it. With much more, the numbers explode
within twenty layers; with much less, they vanish (examples/lessons/07_twenty_layers_deep.py
measures it). All functions draw in float64, so that a network has the same initial weights in
float32 and in float64, but for rounding.
"""

from math import prod, sqrt

import numpy as np

from tinynn.parameters import Array, Generator, Shape


def zeros(shape: Shape, rng: Generator) -> Array:
    """All zeros: right for biases. With zero weights all units of a layer would stay equal.

    >>> zeros((3,), np.random.default_rng(0))
    array([0., 0., 0.])
    """
    return np.zeros(shape)


def glorot_uniform(shape: Shape, rng: Generator) -> Array:
    """Uniform with Var(W) = 2 / (fan_in + fan_out), a compromise between forward and backward.

    Var(W) = 1 / fan_in would keep the standard deviation of outputs from layer to layer, and
    1 / fan_out that of gradients. shape: (fan_in, fan_out), or (height, width, channels, filters)
    of a convolution. For layers followed by tanh, softmax or nothing. Glorot and Bengio,
    Understanding the difficulty of training deep feedforward neural networks, 2010, equation 16.

    >>> W = glorot_uniform((300, 300), np.random.default_rng(0))
    >>> bool(abs(W).max() <= 0.1)  # sqrt(6 / (300 + 300))
    True
    """
    fan_in, fan_out = prod(shape[:-1]), prod(shape[:-2]) * shape[-1]
    limit = sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape)


def he_normal(shape: Shape, rng: Generator) -> Array:
    """Normal with Var(W) = 2 / fan_in: the 2 makes up for the half that ReLU sets to zero.

    shape: as in `glorot_uniform`. He, Zhang, Ren and Sun, Delving Deep into Rectifiers, 2015,
    equation 10.

    >>> W = he_normal((200, 5000), np.random.default_rng(0))
    >>> round(float(W.std()), 3)  # sqrt(2 / 200)
    0.1
    """
    return rng.normal(0.0, sqrt(2 / prod(shape[:-1])), shape)
