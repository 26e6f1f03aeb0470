"""Which units of a layer with a kink, such as ReLU, are active, and which inactive."""

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.parameters import Array


def active_units(layer: Layer, x: Array, out: Array) -> Array | None:
    """Return which units are active, for each number of out (B, ...); None if that is not known.

    A unit is inactive where `kink_mask` is False and out is 0. A leaky ReLU has no inactive units:
    its out is not 0 there. None is for a layer without a kink, and for a mask of another shape.

    >>> import numpy as np
    >>> from tinynn import ReLU
    >>> x = np.array([[-1.0, 2.0]])
    >>> active_units(ReLU(), x, ReLU().forward(x))
    array([[False,  True]])
    """
    mask = checks.kink_mask(layer.kink_mask(x), len(x), layer)
    return None if mask is None or mask.shape != out.shape else mask | (out != 0)
