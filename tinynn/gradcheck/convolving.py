"""The usual mistakes of layers that look through windows: a convolution, or a maximum of windows.

Such a layer may be the user's own, so its stride and padding are not read from it: they are those
with which forward's out agrees.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from tinynn.gradcheck.evidence import Evidence, close
from tinynn.layers.windows import Frame, framed, places, taps
from tinynn.parameters import Array

Strides = tuple[int, int]
LARGEST = 5  # size of a window, and stride, that is tried for a pool


def convolving(evidence: Evidence) -> str:
    """Say which usual mistake of a convolution or a MaxPool this is; "" if it is none of them."""
    x, out = evidence.x, evidence.out
    if x.ndim != 4 or out.ndim != 4 or not x.size or evidence.dout.shape != out.shape:
        return ""
    if evidence.key == "b":
        return _bias(evidence)
    if evidence.key != "x":
        return ""
    W, b = evidence.old.get("W"), evidence.old.get("b", np.zeros(()))
    if W is None:
        return _ties(evidence)
    found = (
        _geometry(x, out, W, b)
        if W.ndim == 4 and W.shape[2:] == (x.shape[3], out.shape[3])
        else None
    )
    return "" if found is None else _of_kernel(evidence, W, *found)


def _of_kernel(evidence: Evidence, W: Array, strides: Strides, frame: Frame) -> str:
    """Mistakes in dx of a convolution."""
    x, dout = evidence.x, evidence.dout
    if not evidence.is_right(_cut(_spread(x, dout, W, strides, frame), x, frame)):
        return ""
    turned = _cut(_spread(x, dout, W[::-1, ::-1], strides, frame), x, frame)
    if evidence.is_computed(turned):
        return (
            "It would be right with the kernel turned by 180 degrees. Tap (i, j) of a window gets "
            "dout @ W[i, j].T; as a convolution of dout, dx needs W[::-1, ::-1]."
        )
    if evidence.is_computed(_cut(_spread(x, dout, W, strides, frame), x, ((0, 0), (0, 0)))):
        (top, _), (left, _) = frame
        return (
            "It has the gradient of the padding in it, and is shifted: cut the frame off at the "
            f"top and the left too, dx[:, {top}:{top} + H, {left}:{left} + W]."
        )
    if evidence.is_computed(_cut(_spread(x, dout, W, (1, 1), frame), x, frame)):
        return (
            f"The stride is forgotten: windows stand {strides[0]} x {strides[1]} pixels apart, but "
            "it adds dout as if they stood 1 apart. Tap (i, j) belongs to the pixels "
            f"dx[:, i::{strides[0]}, j::{strides[1]}]."
        )
    return ""


def _spread(x: Array, dout: Array, W: Array, strides: Strides, frame: Frame) -> Array:
    """Return dx with its frame: at each tap of each window, dout @ W[i, j].T is added."""
    dx = np.zeros_like(framed(x, frame))
    (_, P, Q, _), (kh, kw) = dout.shape, W.shape[:2]
    for i, j in product(range(kh), range(kw)):
        rows, columns = i + strides[0] * P, j + strides[1] * Q
        dx[:, i : rows : strides[0], j : columns : strides[1]] += dout @ W[i, j].T
    return dx


def _cut(dx: Array, x: Array, frame: Frame) -> Array:
    """Return the part of dx that begins where a frame ends, in x's shape."""
    (top, _), (left, _) = frame
    return dx[:, top : top + x.shape[1], left : left + x.shape[2]]


def _geometry(x: Array, out: Array, W: Array, b: Array) -> tuple[Strides, Frame] | None:
    """Return the strides and the frame with which the convolution of x is out; None if none is."""
    sides = [[*_placings(x.shape[i], out.shape[i], W.shape[i - 1])] for i in (1, 2)]
    for (down, rows), (right, columns) in product(*sides):
        frame = rows, columns
        each = taps(framed(x, frame), W.shape[:2], (down, right))
        kernels = W.reshape(-1, *W.shape[2:])
        guess = sum(tap @ kernel for tap, kernel in zip(each, kernels, strict=True)) + b
        if guess.shape == out.shape and close(guess, out):
            return (down, right), frame
    return None


def _placings(length: int, windows: int, size: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield strides, with frames (before, after), for which so many windows have place."""
    for stride, before in product(range(1, size + 2), range(size)):
        after = max(0, (windows - 1) * stride + size - length - before)
        if after < size and places(length + before + after, size, stride) == windows:
            yield stride, (before, after)


def _bias(evidence: Evidence) -> str:
    """The bias acts on each place of each sample: its gradient is the sum over all of them."""
    dout = evidence.dout
    if not evidence.is_right(dout.sum(axis=(0, 1, 2))):
        return ""
    over_batch = dout.sum(axis=0)  # (P, Q, F)
    P, Q, _ = over_batch.shape
    one_place = any(evidence.is_computed(over_batch[p, q]) for p in (0, P - 1) for q in (0, Q - 1))
    if P * Q > 1 and (one_place or evidence.is_computed(over_batch.mean(axis=(0, 1)))):
        return (
            f"It is summed over the batch, but not over the {P} x {Q} places: "
            "dout.sum(axis=(0, 1, 2)) agrees with the differences."
        )
    return ""


def _ties(evidence: Evidence) -> str:
    """A maximum that gives dout to all of several equal numbers, and so counts it several times."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    sides = [
        [(k, s) for k, s in product(range(1, LARGEST + 1), repeat=2)
         if k <= x.shape[i] and places(x.shape[i], k, s) == out.shape[i]]
        for i in (1, 2)
    ]  # fmt: skip
    for (kh, down), (kw, right) in product(*sides):
        each = [*taps(x, (kh, kw), (down, right))]
        if not np.array_equal(np.max(each, axis=0), out):
            continue
        to_all, to_first, given = np.zeros_like(x), np.zeros_like(x), np.zeros(out.shape, bool)
        of_all, of_first = (taps(dx, (kh, kw), (down, right)) for dx in (to_all, to_first))
        for tap, all_, first in zip(each, of_all, of_first, strict=True):
            largest = tap == out
            all_ += dout * largest
            first += dout * (largest & ~given)
            given |= largest
        if evidence.is_right(to_first) and evidence.is_computed(to_all):
            return (
                "Where several numbers of a window are the largest, each of them gets dout, so it "
                "counts several times. Give it to one of them, such as the first: argmax, not "
                "x == max."
            )
    return ""
