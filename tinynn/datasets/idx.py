"""The IDX format, in which MNIST and Fashion-MNIST are stored: one array a file, plain or gzipped.

    00 00  08     03           00 00 EA 60  00 00 00 1C  00 00 00 1C   ...
    zeros  dtype  dimensions   60,000       28           28            numbers, row by row

All numbers are big-endian. LeCun's MNIST page, yann.lecun.com/exdb/mnist, describes it at its end.
"""

import zlib
from io import BufferedIOBase
from math import inf, prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinynn.errors import InputError
from tinynn.files.atomic import PathLike, whole_file
from tinynn.files.kinds import LENGTH, kind_of
from tinynn.parameters import Array

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
CHUNK = 2**20  # bytes read at a time, so that memory is used only for bytes that exist


class IDXFormatError(InputError):
    """A file is not an IDX file. The message names the file, what was expected and what is there.

    >>> read_idx(__file__)
    Traceback (most recent call last):
        ...
    tinynn.datasets.idx.IDXFormatError: ...idx.py is no IDX file, but a text, ...: it should
        begin with two zero bytes, a dtype code (one of 08, 09, 0B, 0C, 0D, 0E) and 1 to 64
        dimensions, but begins with 22 22 22 54.
    """


def read_idx(path: PathLike, most: float = inf) -> Array:
    """Return the array in an IDX file, in this machine's byte order.

    path: a plain or a gzipped file; the content decides which. most: how many bytes of numbers the
    file may declare; default: any. Returns uint8, int8, int16, int32, float32 or float64, of 1 to
    64 dimensions. Raises IDXFormatError for anything else, OSError if the path cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(f"{folder}/a.idx.gz", np.array([[1, 2], [3, 4]], np.int16))
    ...     read_idx(f"{folder}/a.idx.gz")
    array([[1, 2],
           [3, 4]], dtype=int16)
    """
    import gzip

    if Path(path).is_fifo() or Path(path).is_char_device():
        raise IDXFormatError(f"{path} should be a file, but is a pipe or a device.")
    with Path(path).open("rb") as file:
        gzipped = file.peek(2)[:2] == b"\x1f\x8b"
        try:
            return _read(gzip.GzipFile(fileobj=file) if gzipped else file, path, most)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise IDXFormatError(
                f"{path} is a damaged gzip file: expected complete gzip data with right checksums "
                f"and nothing after it, got: {error}"
            ) from error


def _read(stream: BufferedIOBase, path: PathLike, most: float) -> Array:
    """Read the bytes that the header declares, and one more, to see whether the file is longer."""
    start = stream.read(4)
    if len(start) < 4:
        raise IDXFormatError(
            f"{path} should begin with 4 bytes of IDX header, it has {len(start)}."
        )
    code, dimensions = start[2:]
    if start[:2] != b"\0\0" or code not in DTYPES or not 1 <= dimensions <= 64:
        kind = kind_of(start + stream.read(LENGTH - len(start)))
        raise IDXFormatError(
            f"{path} is no IDX file{f', but {kind}' if kind else ''}: it should begin with two "
            f"zero bytes, a dtype code (one of {', '.join(f'{known:02X}' for known in DTYPES)}) "
            f"and 1 to 64 dimensions, but begins with {start.hex(' ').upper()}."
        )
    sizes = stream.read(4 * dimensions)
    header = 4 + 4 * dimensions
    if 4 + len(sizes) < header:
        raise IDXFormatError(
            f"{path} declares {dimensions} dimensions, so its header should have {header} bytes, "
            f"but the file ends after {4 + len(sizes)}."
        )
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    dtype = np.dtype(DTYPES[code])
    expected = prod(shape) * dtype.itemsize
    if expected > most:
        raise IDXFormatError(
            f"{path} declares {dtype.name} {shape}, {expected:,} bytes, but {most:,} at most are "
            "expected here."
        )
    data = bytearray()
    while piece := stream.read(min(CHUNK, expected + 1 - len(data))):
        data += piece
    if len(data) != expected:
        raise IDXFormatError(
            f"{path} declares {dtype.name} {shape}, {header + expected:,} bytes with the header, "
            f"but has {header + len(data):,}{' or more' if len(data) > expected else ''}."
        )
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError as error:  # no numbers, but dimensions that NumPy cannot index
        raise IDXFormatError(f"{path} declares {dtype.name} {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def write_idx(path: PathLike, array: npt.ArrayLike) -> None:
    """Write an array as an IDX file, gzipped if the path ends in .gz. Same array, same bytes.

    array: uint8, int8, int16, int32, float32 or float64, of 1 to 64 dimensions. Raises InputError
    otherwise. An existing file is replaced in one move, so a reader finds the complete old file or
    the complete new one. Raises OSError if the file cannot be written; then the old one stays. See
    `read_idx` for an example.

    >>> write_idx("a.idx", np.array([True]))
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: IDX has no bool; it has uint8, int8, int16, int32, float32, float64.
        Convert the
        array with astype.
    """
    import gzip

    data = idx_bytes(array)
    with whole_file(path) as file:
        # mtime=0: with a time in the header, two equal arrays would give different files
        file.write(gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data)


def idx_bytes(array: npt.ArrayLike) -> bytes:
    """Return the plain IDX file of an array; raises as `write_idx` does.

    >>> idx_bytes(np.array([1, 258], np.int16)).hex(" ", 4)
    '00000b01 00000002 00010102'
    """
    array = np.asarray(array)
    codes = {np.dtype(name).newbyteorder("="): code for code, name in DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise InputError(
            f"IDX has no {array.dtype}; it has {', '.join(dtype.name for dtype in codes)}. "
            "Convert the array with astype."
        )
    if not 1 <= array.ndim <= 64 or any(n >= 2**32 for n in array.shape):
        raise InputError(
            f"IDX holds 1 to 64 dimensions, each under 2**32, got an array of shape {array.shape}."
        )
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return b"".join([header, array.astype(DTYPES[code], order="C", copy=False).data])
