"""The arguments of someone's function: which arrays in them have a gradient, and by which name."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynn.parameters import Array


@dataclass(frozen=True)
class Arguments:
    """The values that a function is called with, and their names in its signature.

    Arrays of floating-point numbers have a gradient, also those in a dict (by their keys) or in a
    list. All else is passed on as it is: labels, indices, single numbers.

    >>> arguments = Arguments(("x", "y"), (np.ones((1, 2), np.float32), np.array([0])))
    >>> {name: array.dtype for name, array in arguments.arrays().items()}
    {'x': dtype('float64')}
    """

    names: tuple[str, ...]
    values: tuple[Any, ...]

    def arrays(self) -> dict[str, Array]:
        """Return the arrays that have a gradient, in float64, by their names."""
        return {name: np.array(value, np.float64) for name, value, _ in self._leaves()}

    def groups(self) -> dict[str, bool]:
        """Return for each such array whether it stands in a dict or a list, as parameters do."""
        return {name: inside for name, _, inside in self._leaves()}

    def filled(self, arrays: dict[str, Array]) -> tuple[Any, ...]:
        """Return a copy of all values in which these arrays stand."""
        memo = {id(value): arrays[name].copy() for name, value, _ in self._leaves()}
        return copy.deepcopy(self.values, memo)

    def in_place(self, values: tuple[Any, ...]) -> dict[str, Array]:
        """Return the arrays, with the same names, in such a copy: the same objects."""
        return {name: value for name, value, _ in Arguments(self.names, values)._leaves()}

    def _leaves(self) -> Iterator[tuple[str, Array, bool]]:
        taken: set[str] = set()
        for argument, value in zip(self.names, self.values, strict=True):
            parts: list[tuple[str, Any]] = [(argument, value)]
            if isinstance(value, dict):
                parts = [(str(key), part) for key, part in value.items()]
            elif isinstance(value, (list, tuple)):
                parts = [(f"{argument}[{i}]", part) for i, part in enumerate(value)]
            for key, part in parts:
                if isinstance(part, np.ndarray) and part.dtype.kind == "f":
                    name = f"{argument}.{key}" if key in taken else key
                    taken.add(name)
                    yield name, part, part is not value
