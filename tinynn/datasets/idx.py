"""The IDX format, in which MNIST and its relatives come: one array a file, plain or gzipped.

    00 00  08     03           00 00 EA 60  00 00 00 1C  00 00 00 1C   ...
    zeros  dtype  dimensions   60,000       28           28            numbers, row by row

All numbers are big-endian. Described at the foot of LeCun's MNIST page, yann.lecun.com/exdb/mnist.
"""

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tinynn.parameters import Array

PathLike: TypeAlias = str | os.PathLike[str]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class IDXFormatError(ValueError):
    """A file that is no IDX file: it says which file, what was expected and what is there.

    >>> parse_idx(b"IDX!", "a.idx")
    Traceback (most recent call last):
        ...
    tinynn.datasets.idx.IDXFormatError: a.idx is no IDX file: it should begin with two zero bytes, a
        dtype code (one of 08, 09, 0B, 0C, 0D, 0E) and 1 to 64 dimensions, but begins with 49 44 58
        21.
    """


def read_idx(path: PathLike) -> Array:
    """Return the array in an IDX file, in this machine's byte order.

    path: a plain or a gzipped file, told apart by content. Returns uint8, int8, int16, int32,
    float32 or float64, of 1 to 64 dimensions. Raises IDXFormatError for anything else, OSError if
    the path cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/a.idx.gz", np.array([[1, 2], [3, 4]], np.int16))
    ...     read_idx(f"{folder}/a.idx.gz")
    array([[1, 2],
           [3, 4]], dtype=int16)
    """
    return parse_idx(read_payload(path), path)


def read_payload(path: PathLike) -> bytes:
    """Return what the file holds, decompressed if it is gzipped; raises as `read_idx` does."""
    data = Path(path).read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise IDXFormatError(f"{path} is a damaged gzip file: {error}") from error


def parse_idx(data: bytes, path: PathLike) -> Array:
    """Return the array that the bytes of an IDX file describe; `path` is for the error."""
    if len(data) < 4:
        raise IDXFormatError(f"{path} should begin with 4 bytes of IDX header, it has {len(data)}.")
    code, dimensions = data[2], data[3]
    if data[:2] != b"\0\0" or code not in DTYPES or not 1 <= dimensions <= 64:
        raise IDXFormatError(
            f"{path} is no IDX file: it should begin with two zero bytes, a dtype code (one of "
            f"{', '.join(f'{known:02X}' for known in DTYPES)}) and 1 to 64 dimensions, "
            f"but begins with {data[:4].hex(' ').upper()}."
        )
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise IDXFormatError(
            f"{path} declares {dimensions} dimensions, so its header should have {header} bytes, "
            f"but the file ends after {len(data)}."
        )
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, offset=4))
    dtype = np.dtype(DTYPES[code])
    expected = header + prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise IDXFormatError(
            f"{path} declares {dtype.name} {shape}, {expected:,} bytes with the header, "
            f"but has {len(data):,}."
        )
    try:
        array = np.frombuffer(data, dtype, offset=header).reshape(shape)
    except ValueError as error:  # no numbers at all, but dimensions beyond what NumPy can index
        raise IDXFormatError(f"{path} declares {dtype.name} {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="))


def write_idx(path: PathLike, array: npt.ArrayLike) -> None:
    """Write an array as an IDX file, gzipped if the path ends in .gz. Same array, same bytes.

    array: uint8, int8, int16, int32, float32 or float64, of 1 to 64 dimensions. Raises ValueError
    otherwise. Replaces what stood at `path`. See `read_idx` for an example.

    >>> write_idx("a.idx", np.array([True]))
    Traceback (most recent call last):
        ...
    ValueError: IDX has no bool; it has uint8, int8, int16, int32, float32, float64. Convert the
        array with astype.
    """
    array = np.asarray(array)
    codes = {np.dtype(name).newbyteorder("="): code for code, name in DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(
            f"IDX has no {array.dtype}; it has {', '.join(dtype.name for dtype in codes)}. "
            "Convert the array with astype."
        )
    if not 1 <= array.ndim <= 64 or any(n >= 2**32 for n in array.shape):
        raise ValueError(
            f"IDX holds 1 to 64 dimensions, each under 2**32, got an array of shape {array.shape}."
        )
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    data = header + array.astype(DTYPES[code]).tobytes()
    # mtime=0: a time in the header would make two equal arrays two different files
    Path(path).write_bytes(gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data)
