"""Sparse matrices as samples: the rows of a batch are made dense when its step comes."""

from typing import Any

from tinynn.parameters import Array
from tinynn.rows import Rows


class SparseRows(Rows):
    """A sparse matrix (N, F), of which only the rows of a batch are made dense.

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> SparseRows(csr_array([[0, 1], [2, 0], [0, 0]]))[np.array([1, 0])]
    array([[2, 0],
           [0, 1]])
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype

    def __getitem__(self, rows: Any) -> Array:
        return self.matrix[rows].toarray()

    def min(self) -> float:
        return self.matrix.min()

    def max(self) -> float:
        return self.matrix.max()


def as_rows(data: Any) -> Any:
    """Return an array as it is, and a sparse matrix as rows that are made dense when needed."""
    return SparseRows(data) if hasattr(data, "toarray") else data
