"""Initial weights whose size you choose: objects that keep their argument, and files keep it too.

Dense(3, initializer=normal(std=0.01))
"""

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.parameters import Array, Generator, Shape


class normal(Configured):  # noqa: N801 - stands where he_normal, a function, may stand
    """Normal with standard deviation std, whatever the shape.

    std: a positive number. he_normal chooses it by the number of inputs, which is nearly always
    better; a small std suits a last layer whose first predictions should be nearly equal. Raises
    InputError for another std.

    >>> W = normal(std=0.01)((100, 500), np.random.default_rng(0))
    >>> round(float(W.std()), 4)
    0.01
    """

    def __init__(self, std: float) -> None:
        checks.check_positive("std", std)
        self.std = std

    def __call__(self, shape: Shape, rng: Generator) -> Array:
        """Return an array of the shape, drawn from `rng` in float64."""
        return rng.normal(0.0, float(self.std), shape)


class constant(Configured):  # noqa: N801
    """One number everywhere: for a parameter that begins at a known value, and to work examples.

    value: a finite number. As the weights W of a hidden Dense it would leave all units equal for
    ever, as zeros would. Raises InputError for another value.

    >>> constant(0.5)((2, 3), np.random.default_rng(0))
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]])
    """

    def __init__(self, value: float) -> None:
        checks.check_finite("value", value)
        self.value = value

    def __call__(self, shape: Shape, rng: Generator) -> Array:
        """Return an array of the shape, in float64."""
        return np.full(shape, float(self.value))
