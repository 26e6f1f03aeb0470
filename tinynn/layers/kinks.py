"""Which units of a layer with a kink, such as ReLU, are active: they let something pass."""

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.parameters import Array


def active_units(layer: Layer, x: Array, out: Array) -> Array | None:
    """Return which numbers of out (B, ...) a layer with a kink lets pass; None without such a kink.

    What is on the other side is stopped if nothing comes out: a leaky ReLU stops nothing.

    >>> import numpy as np
    >>> from tinynn import ReLU
    >>> x = np.array([[-1.0, 2.0]])
    >>> active_units(ReLU(), x, ReLU().forward(x))
    array([[False,  True]])
    """
    mask = checks.kink_mask(layer.kink_mask(x), len(x), layer)
    return None if mask is None or mask.shape != out.shape else mask | (out != 0)
