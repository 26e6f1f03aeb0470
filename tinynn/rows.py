"""Samples that are made only when a batch needs them, such as the rows of a sparse matrix."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from tinynn.parameters import Array, Shape


class Rows(ABC):
    """The contract for an x of `fit`, `evaluate` and `predict` that is never whole in memory.

    shape: (N, ...), of all samples. dtype: of the arrays that it returns. A slice, or an array of
    row numbers (B,), gives a new array (B, ...).

    >>> class Squares(Rows):
    ...     shape, dtype = (5, 1), np.dtype(float)
    ...
    ...     def __getitem__(self, rows):
    ...         return np.arange(5.0)[rows, None] ** 2
    ...
    ...     def min(self):
    ...         return 0.0
    ...
    ...     def max(self):
    ...         return 16.0
    >>> from tinynn import Dense, Sequential, constant
    >>> Sequential([Dense(1, constant(2.0))], input_shape=(1,)).predict(Squares()).ravel().round(1)
    array([ 0.,  2.,  8., 18., 32.], dtype=float32)
    """

    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: Any) -> Array:
        """Return the samples of a slice, or of an array of row numbers, as a new array."""

    @abstractmethod
    def min(self) -> float:
        """Return the least number of all samples."""

    @abstractmethod
    def max(self) -> float:
        """Return the largest number of all samples."""
