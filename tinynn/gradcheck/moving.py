"""The usual mistakes of a layer that flips or shifts images, such as RandomFlip and RandomShift."""

from itertools import product
from typing import NamedTuple

import numpy as np

from tinynn.gradcheck.evidence import Evidence
from tinynn.parameters import Array

LARGEST = 32  # height and width of images: all shifts of one are tried


class _Move(NamedTuple):
    """What forward did with one image: first flipped it left to right, then shifted it."""

    flip: bool
    down: int
    right: int


def moved(evidence: Evidence) -> str:
    """Of a layer whose out is, image by image, x flipped left to right, shifted, or as it was."""
    x, out, dout = evidence.x, evidence.out, evidence.dout
    if evidence.key != "x" or x.shape != out.shape or x.ndim not in (3, 4):
        return ""
    if max(x.shape[1:3]) > LARGEST:
        return ""
    moves = [_move_of(*images) for images in zip(x, out, strict=True)]
    known = [move for move in moves if move is not None]
    if len(known) < len(moves) or not any(map(any, known)):
        return ""
    if not evidence.is_right(np.stack([*map(_undone, dout, known)])):
        return ""
    does, undo = "flips some images", "flip the same images of dout"
    if any(move.down or move.right for move in known):
        does, undo = "shifts images", "shift each image of dout back, by as many pixels"
    if evidence.is_computed(dout):
        return f"It is dout as it was: forward {does}, so backward must {undo}."
    if evidence.is_computed(np.stack([*map(_done, dout, known)])):
        return f"It is dout, moved as forward moves x: forward {does}, so backward must {undo}."
    if all(_move_of(*images) for images in zip(dout, evidence.gradient, strict=True)):
        return (
            f"It is dout with other images flipped or shifted: forward {does}, so backward must "
            f"{undo}. Keep in forward what was drawn, and do not draw again."
        )
    return ""


def _move_of(image: Array, after: Array) -> _Move | None:
    """Return what makes `after` of an image (H, W) or (H, W, C); None if it is nothing of these."""
    down, right = (sorted(range(1 - size, size), key=abs) for size in image.shape[:2])
    moves = (_Move(*one) for one in product((False, True), down, right))
    return next((move for move in moves if np.array_equal(_done(image, move), after)), None)


def _done(image: Array, move: _Move) -> Array:
    return _shifted(image[:, ::-1] if move.flip else image, move.down, move.right)


def _undone(image: Array, move: _Move) -> Array:
    back = _shifted(image, -move.down, -move.right)
    return back[:, ::-1] if move.flip else back


def _shifted(image: Array, down: int, right: int) -> Array:
    """Return an image shifted; what comes in at an edge is 0.

    >>> _shifted(np.array([[1, 2], [3, 4]]), 1, 0)
    array([[0, 0],
           [1, 2]])
    """
    out = np.zeros_like(image)
    (to_row, from_row), (to_column, from_column) = (
        (slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size - max(by, 0)))
        for by, size in zip((down, right), image.shape[:2], strict=True)
    )
    out[to_row, to_column] = image[from_row, from_column]
    return out
