"""The random numbers that code of others draws: the same ones at each call.

Code that draws a mask, as Dropout does, is another function at each call; finite differences need
one function. So the generators that it can reach are set back before each call: NumPy's global
one, and those in its module or its closure. All are left as they were found, NumPy's at the end of
a check: to read and write its state takes longer than a call of most code.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinynn.parameters import Generator


@contextmanager
def numpys_numbers_kept() -> Iterator[None]:
    """Leave NumPy's global generator as it was before this block."""
    before = np.random.get_state()  # noqa: NPY002 - of other code
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@contextmanager
def same_numbers(functions: Iterable[Callable[..., Any]]) -> Iterator[None]:
    """Let functions draw the same random numbers in each such block; NumPy's global one is seeded.

    >>> rng = np.random.default_rng(0)
    >>> def draw():
    ...     return rng.random()
    >>> draw.__globals__.update(rng=rng)
    >>> with same_numbers([draw]):
    ...     first = draw()
    >>> with same_numbers([draw]):
    ...     print(draw() == first)
    True
    """
    found = {id(g): g for function in functions for g in _generators(function)}
    before = [(g, g.bit_generator.state) for g in found.values()]
    np.random.seed(0)  # noqa: NPY002 - of other code
    try:
        yield
    finally:
        for generator, state in before:
            generator.bit_generator.state = state


def _generators(function: Callable[..., Any]) -> list[Generator]:
    """Return the generators in a function's module, and in its closure."""
    function = getattr(function, "__func__", function)
    values = [*getattr(function, "__globals__", {}).values()]
    for cell in getattr(function, "__closure__", None) or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # a name that is not assigned yet
            continue
    return [value for value in values if isinstance(value, np.random.Generator)]
