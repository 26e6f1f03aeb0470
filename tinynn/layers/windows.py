"""Windows: the part of an image that one output of a convolution, or of a pool, looks at.

Windows of size 2 x 2 on an image of 5 x 5 pixels, stride 2. Window (p, q) begins at pixel
(2 p, 2 q). Its four places are called taps: tap (i, j) of window (p, q) is pixel
(2 p + i, 2 q + j).

    a a b b .       a = window (0, 0)   b = window (0, 1)      taps of a:  (0, 0) (0, 1)
    a a b b .       c = window (1, 0)   d = window (1, 1)                  (1, 0) (1, 1)
    c c d d .
    c c d d .       . = no window is left for the last row and column: they are not seen
    . . . . .

With a stride below the size, windows overlap. With padding, a frame of zeros is put around the
image first.
Dimensions: B samples, H x W pixels, C channels; P x Q windows of kh x kw pixels.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from tinynn.parameters import Array, Shape

Size: TypeAlias = int | tuple[int, int]  # (rows, columns); a number is both
Frame: TypeAlias = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))


def pair(size: Size) -> tuple[int, int]:
    """Return (rows, columns) of a size or a stride.

    >>> pair(3), pair((3, 5))
    ((3, 3), (3, 5))
    """
    rows, columns = size if isinstance(size, (tuple, list)) else (size, size)
    return int(rows), int(columns)


def unchanging(size: Any) -> Any:
    """Return a size or a stride: a list as a tuple, so that it stays if the list is changed."""
    return tuple(size) if isinstance(size, list) else size


def places(length: int, size: int, stride: int) -> int:
    """Return how many windows of this size lie in a length.

    >>> places(5, size=2, stride=2), places(5, size=2, stride=1)
    (2, 4)
    """
    return (length - size) // stride + 1


def frame_of(padding: int | str, shape: Shape, size: Size, stride: Size) -> Frame:
    """Return how many rows and columns of zeros come around an image: ((top, bottom), ...).

    padding: their number, equal at all four sides; or "same": as many as are needed to have a
    window for each pixel if the stride is 1, and for each stride-th pixel otherwise. If their
    number is odd, the last one is at the bottom, or at the right.

    >>> frame_of("same", (28, 28), size=3, stride=1), frame_of("same", (28, 28), size=2, stride=1)
    (((1, 1), (1, 1)), ((0, 1), (0, 1)))
    """
    if padding != "same":
        return (int(padding), int(padding)), (int(padding), int(padding))
    sides = []
    for length, k, s in zip(shape[:2], pair(size), pair(stride), strict=True):
        windows = -(-length // s)  # rounded up
        zeros = max((windows - 1) * s + k - length, 0)
        sides.append((zeros // 2, zeros - zeros // 2))
    return sides[0], sides[1]


def framed(x: Array, frame: Frame) -> Array:
    """Return images with a frame of zeros; x itself if the frame is empty."""
    if frame == ((0, 0), (0, 0)):
        return x
    (B, H, W, C), ((top, bottom), (left, right)) = x.shape, frame
    larger = np.zeros((B, top + H + bottom, left + W + right, C), x.dtype)
    larger[:, top : top + H, left : left + W] = x
    return larger


def opposite(frame: Frame, size: Size) -> Frame:
    """Return the frame around outputs in which each pixel of the image has a window of them.

    >>> opposite(((0, 0), (1, 1)), size=3)  # without zeros, outputs are fewer than pixels
    ((2, 2), (1, 1))
    """
    (top, bottom), (left, right) = frame
    kh, kw = pair(size)
    return (kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right)


def unframed(x: Array, frame: Frame) -> Array:
    """Return images without their frame, in C order."""
    (_, H, W, _), ((top, bottom), (left, right)) = x.shape, frame
    return np.ascontiguousarray(x[:, top : H - bottom, left : W - right])


def windows(x: Array, size: Size, stride: Size) -> Array:
    """Return what each output looks at, (B, P, Q, kh, kw, C): a view of x (B, H, W, C).

    >>> windows(np.arange(25).reshape(1, 5, 5, 1), 2, 2)[0, 0, 1, :, :, 0]  # window b
    array([[2, 3],
           [7, 8]])
    """
    seen = np.lib.stride_tricks.sliding_window_view(x, pair(size), axis=(1, 2))  # C before kh
    down, right = pair(stride)
    return seen[:, ::down, ::right].transpose(0, 1, 2, 4, 5, 3)


def taps(x: Array, size: Size, stride: Size) -> Iterator[Array]:
    """Yield, for each place in a window, row by row, the pixels that all windows have there.

    Each is a view (B, P, Q, C) of x (B, H, W, C): no pixel comes twice in one of them. So they can
    be added to, one after the other, also where windows overlap.

    >>> [tap.ravel().tolist() for tap in taps(np.arange(25).reshape(1, 5, 5, 1), 2, 2)]
    [[0, 2, 10, 12], [1, 3, 11, 13], [5, 7, 15, 17], [6, 8, 16, 18]]
    """
    (kh, kw), (down, right) = pair(size), pair(stride)
    P, Q = places(x.shape[1], kh, down), places(x.shape[2], kw, right)
    for i in range(kh):
        for j in range(kw):
            yield x[:, i : i + down * P : down, j : j + right * Q : right]
