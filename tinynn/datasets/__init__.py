"""Data: the IDX format, and Fashion-MNIST, from a folder or a download."""

from tinynn.datasets.fashion_mnist import (
    CLASS_NAMES,
    Dataset,
    DatasetUnavailable,
    load_fashion_mnist,
    load_sample,
)
from tinynn.datasets.idx import IDXFormatError, read_idx, write_idx

__all__ = [
    "CLASS_NAMES",
    "Dataset",
    "DatasetUnavailable",
    "IDXFormatError",
    "load_fashion_mnist",
    "load_sample",
    "read_idx",
    "write_idx",
]
