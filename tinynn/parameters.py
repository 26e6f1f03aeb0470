"""Names and shapes -> one flat vector, with a named view into it for each array.

    vector  [ . . . . . . . . . . . . . . . . . . . . ]
              `-- 1.Dense.W (3, 4) --´ `- 1.Dense.b (4,)

A layer works with arrays of the right shape; an optimizer wants one long vector, so that it is the
paper's equation and nothing else. Both get what they want, because a NumPy view is a second shape
for the same memory. No view may ever be replaced by another array, or the two would part: hence
`copy_into`, through which every assignment goes.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


def flat_vector(
    shapes: Mapping[str, Shape], dtype: npt.DTypeLike
) -> tuple[Array, dict[str, Array]]:
    """Make one vector of zeros that holds all the named shapes, and a view into it for each name.

    >>> vector, views = flat_vector({"W": (2, 3), "b": (3,)}, np.float32)
    >>> views["b"][:] = 7
    >>> vector
    array([0., 0., 0., 0., 0., 0., 7., 7., 7.], dtype=float32)
    """
    vector = np.zeros(sum(prod(shape) for shape in shapes.values()), dtype)
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + prod(shape)
        views[name] = vector[start:stop].reshape(shape)
        start = stop
    return vector, views


def copy_into(view: Array, value: npt.ArrayLike, name: str) -> None:
    """Copy `value` into `view`. Its shape must match exactly: nothing is stretched silently.

    >>> _, views = flat_vector({"W": (2, 3)}, np.float32)
    >>> copy_into(views["W"], np.ones((3, 2)), "1.Dense.W")
    Traceback (most recent call last):
        ...
    ValueError: 1.Dense.W has shape (2, 3), the array assigned to it has (3, 2).
    """
    if value is view:  # W -= step has worked on the view already
        return
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds real numbers, the array assigned to it {array.dtype}.")
    if array.shape != view.shape:
        raise ValueError(
            f"{name} has shape {view.shape}, the array assigned to it has {array.shape}."
        )
    view[...] = array
