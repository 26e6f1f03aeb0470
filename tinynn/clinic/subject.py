"""Someone's code in the one form that the clinic checks: arrays in, an output, gradients out.

    arrays (x, W, b) --- forward ---> out          sum(out * dout) is the number L whose
    dx, dW, db       <-- backward -- dout          gradients are compared with finite differences

The files beside this one make a Subject from the forms that people write.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinynn.clinic.randomness import same_numbers
from tinynn.parameters import Array


@dataclass(frozen=True)
class Step:
    """What one forward and backward gave.

    out: as forward returned it. gradients: as they were returned or kept, by the array's name. new:
    the arrays after the step. changed: (function, array) for each array, or dout, that a function
    was given and has changed.
    """

    out: Any
    gradients: dict[str, Any]
    new: dict[str, Array]
    changed: tuple[tuple[str, str], ...] = ()


@dataclass
class Subject:
    """Code to be checked. A subclass knows one form.

    name: what the report calls it. arrays: in float64; their gradients are checked. parameters:
    which of them are no input. forward and backward: the functions to name; the same one if it does
    both. without: arrays on which the output depends, and for which no gradient was found.
    """

    name: str
    arrays: dict[str, Array]
    parameters: frozenset[str]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    form: str = field(init=False, default="")
    without: tuple[str, ...] = field(init=False, default=())

    def out(self, arrays: dict[str, Array]) -> Any:
        """Return the output for these arrays, of code that has run nothing before."""
        with self.alike():
            return self.begun(arrays).run(arrays)[0]

    def begun(self, arrays: dict[str, Array]) -> "Subject":
        """Return one that can take steps, and keeps between them what the code keeps."""
        return self

    def alike(self) -> Any:
        """Return a block in which the code draws the same random numbers as in every other."""
        return same_numbers([self.forward, self.backward])

    def run(self, arrays: dict[str, Array]) -> tuple[Any, Any]:
        """Run forward: return the output, and all that backward needs."""
        raise NotImplementedError

    def step(self, arrays: dict[str, Array], dout: Any) -> Step:
        """Run forward and backward. The caller gives copies of its arrays."""
        raise NotImplementedError


def changes(function: Callable[..., Any], before: dict[str, Array], now: dict[str, Any]
            ) -> tuple[tuple[str, str], ...]:  # fmt: skip
    """Return which arrays a function has changed, each with the function's name."""
    return tuple(
        (function.__name__, name)
        for name, array in before.items()
        if not np.array_equal(array, now[name], equal_nan=True)
    )


def is_number(value: Any) -> bool:
    """Whether a result is one number, as a loss is.

    >>> is_number(1.5), is_number(np.float32(2)), is_number(np.ones(1)), is_number("a")
    (True, True, False, False)
    """
    return isinstance(value, (float, int, np.number)) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "fiu"
    )
