"""What several tests compare with or train: written here, not taken from the code under test.

A test imports it by name: pyproject.toml puts this folder on the path of pytest.
"""

import numpy as np

from tinynn import Dense, Flatten, Layer, Loss, ReLU, Sequential

H = 1e-5  # for numbers about 1 in float64: the errors of rounding and of the step are both small


def numeric_gradient(f, array, h=H):
    """Return the central differences of f() at every entry of `array`, moved by h in place."""
    gradient = np.empty(array.shape)
    for i in np.ndindex(array.shape):
        kept = array[i]
        array[i] = kept + h
        above = f()
        array[i] = kept - h
        below = f()
        array[i] = kept
        gradient[i] = (above - below) / (2 * h)
    return gradient


def worst_error(a, n, least=0.0):
    """Return the largest relative error of `a` against `n`.

    Numbers far below the largest one, or below `least`, count as large as that.
    """
    size = np.maximum(abs(a), abs(n))
    return (abs(a - n) / np.maximum(size, max(1e-3 * size.max(), least))).max()


def random_data(n, seed=0):
    """Return n samples of four numbers, and for each one of three classes, drawn at random."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)).astype(np.float32), rng.integers(0, 3, n)


def real_network(*last, dtype=np.float32):
    """Return the network of the main job, with these layers after its last Dense."""
    hidden = [layer for units in (512, 256, 128) for layer in (Dense(units), ReLU())]
    return Sequential([Flatten(), *hidden, Dense(10), *last], input_shape=(28, 28), dtype=dtype)


# Right, as users write them


class InPlaceReLU(Layer):
    """Works in the arrays that it is given."""

    def forward(self, x, training=True):
        self.mask = x > 0
        x *= self.mask
        return x

    def input_gradient(self, dout):
        dout *= self.mask
        return dout


class Scale(Layer):
    """Has one factor for each number of a sample, and an argument."""

    def __init__(self, start=1.0):
        self.start = start

    def parameter_shapes(self, input_shape):
        return {"factor": input_shape}

    def initialize(self, rng):
        self.factor = np.full(self.factor.shape, self.start)

    def forward(self, x, training=True):
        if training:
            self.x = x
        return x * self.factor

    def parameter_gradients(self, dout):
        self.dfactor = (dout * self.x).sum(axis=0)

    def input_gradient(self, dout):
        return dout * self.factor


class OwnAbsoluteError(Loss):
    """Takes no weights."""

    def forward(self, p, y):
        return float(np.abs(p - y).mean())

    def backward(self, p, y):
        return np.sign(p - y) / p.size
