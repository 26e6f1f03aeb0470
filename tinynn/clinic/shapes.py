"""A gradient whose shape is not that of its array: which usual mistake makes it so."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from tinynn.clinic.case import FunctionCase
from tinynn.parameters import Array


class Named(NamedTuple):
    """A mistake: its short name, and the sentence."""

    mistake: str
    sentence: str


def fits(gradient: Array, array: Array) -> bool:
    """Whether a gradient has its array's shape but for axes of length 1: (3,) for (1, 3).

    >>> fits(np.ones(3), np.ones((1, 3))), fits(np.ones(3), np.ones((3, 1)))
    (True, True)
    """
    squeezed = [tuple(n for n in a.shape if n > 1) for a in (gradient, array)]
    return squeezed[0] == squeezed[1]


def wrong_shape(case: FunctionCase, name: str, gradient: Array) -> Named:
    """Say which mistake gives the gradient of an array another shape."""
    array = case.subject.arrays[name]
    head = f"It has shape {gradient.shape}, and {name} has {array.shape}. "

    def right(guess: Array) -> bool:
        return guess.shape == array.shape and case.compare(name, guess).row.ok

    if gradient.ndim == 2 and right(gradient.T):
        return Named("transposed", f"{head}Exactly right if transposed.")
    if gradient.size == array.size and right(gradient.reshape(array.shape)):
        return Named("shape", f"{head}The numbers are right: reshape it to {name}.shape.")
    for count in range(1, gradient.ndim + 1):
        for axes in combinations(range(gradient.ndim), count):
            total = gradient.sum(axis=axes)
            if total.size == array.size and right(total.reshape(array.shape)):
                over = axes[0] if count == 1 else axes
                return Named(
                    "not summed",
                    f"{head}It is not summed over the samples: its sum over axis={over} agrees "
                    f"with the differences, because {name} acts on all of them.",
                )
    dout = np.asarray(case.dout)
    for axis in range(dout.ndim if dout.ndim == 2 else 0):
        total = dout.sum(axis=axis)
        if total.size != array.size or not right(total.reshape(array.shape)):
            continue
        agrees = f"dout.sum(axis={axis}) agrees with the differences."
        if np.allclose(gradient.ravel().sum(), dout.sum()) and gradient.size == 1:
            return Named("axis", f"{head}It is the sum over all axes: {agrees}")
        if gradient.size == dout.shape[axis]:
            return Named("axis", f"{head}Summed over the wrong axis: {agrees}")
    return Named("shape", f"{head}A gradient has the shape of its array.")
