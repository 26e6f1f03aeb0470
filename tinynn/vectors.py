"""Long vectors, kept fast: in what pieces they are worked on, and what is swept out.

A step of training passes over all parameters a dozen times, and the arithmetic is not what takes
the time: it is bringing the numbers from memory and back, and numbers too small to be handled at
full speed. Each function here deals with one such cost; benchmarks/tricks.py measures what it
gains, and benchmarks/README.md says how much that was.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 2**15  # numbers; five vectors of that many float32 fit the second-level cache of a core
SWEEP_EVERY = 100  # steps


def in_blocks(*vectors: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Yield the same piece of each vector, piece after piece, each short enough for a core's cache.

    The last that is yielded is scratch: room, of that length, for what lies between two operations.
    All operations on a piece are done before the next is touched, so that it comes from memory once
    and not once an operation. Elementwise equations give the same bits either way; the plain form
    is one piece, `yield (*vectors, np.empty_like(vectors[0]))`.

    >>> a, b = np.arange(BLOCK + 2), np.arange(BLOCK + 2)
    >>> [(len(x), y[0].item(), len(scratch)) for x, y, scratch in in_blocks(a, b)]
    [(32768, 0, 32768), (2, 32768, 2)]
    """
    size = len(vectors[0])
    scratch = np.empty(min(size, BLOCK), vectors[0].dtype)
    for start in range(0, size, BLOCK):
        piece = slice(start, start + BLOCK)
        yield (*(vector[piece] for vector in vectors), scratch[: size - start])


def sweep_subnormals(vectors: Iterable[npt.NDArray[Any]], t: int) -> None:
    """Every 100 steps, set to zero what is below the smallest number of full precision, 1.2e-38.

    Weights of pixels that are nearly always black stop getting gradients. What an optimizer
    remembers of them shrinks at every step, until it is subnormal, and stays so for ever, because
    0.9 times the smallest number there is rounds to itself. Processors are many times slower on
    these. With Adam's usual epsilon, 1e-8, they could move a weight by 1e-33 at most, which is lost
    in the rounding of any weight above 1e-25.

    The step count t decides, so that a run that is resumed sweeps where the other did.

    >>> m = np.array([1e-39, -1e-45, 1e-37, np.nan], np.float32)
    >>> sweep_subnormals([m], t=200)
    >>> m
    array([0.e+00, 0.e+00, 1.e-37,    nan], dtype=float32)
    """
    if t % SWEEP_EVERY:
        return
    for vector in vectors:
        smallest = np.finfo(vector.dtype).smallest_normal
        for piece, scratch in in_blocks(vector):
            piece[np.abs(piece, out=scratch) < smallest] = 0
