"""The .npz container: arrays by name in a zip file. Written atomically, read with suspicion.

    file.npz  =  zip [ name.npy = header + numbers,  name.npy = header + numbers,  ... ]

A file found on the web may be broken, or made to break. NumPy's own reader can be led to load
wrong numbers without a word, or to allocate what the file never held. So this one looks before it
reads: every member must be stored uncompressed, its header must be of the very form that np.savez
writes (nothing is ever evaluated or unpickled), and its size that of its header and its numbers.
Then arrays are read to their last byte, which is where the zip format compares its checksum.
"""

import os
import re
import struct
import zipfile
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinynn.errors import InputError, of_file
from tinynn.files import kinds
from tinynn.files.atomic import PathLike, refuse_no_file, whole_file
from tinynn.parameters import Array, Shape

MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '(\|b1|\|[iu]1|<[iu][248]|<f[248]|<U[1-9][0-9]{0,7})', "
    rb"'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,20}(?:, [0-9]{1,20}){0,31},?)?\), \} *\n"
)
LONGEST_HEADER = 1_000  # bytes; NumPy pads them to 118 as a rule
LONGEST_DIRECTORY = 2**19  # bytes: some five thousand members
LARGEST_DIMENSION = 2**40  # also of an array without numbers, whose other dimension is 0
CHUNK = 2**20  # bytes read at a time, so that reading needs no second copy of an array

# What zipfile may raise for a damaged file (NotImplementedError is a RuntimeError)
DAMAGE = (zipfile.BadZipFile, struct.error, ValueError, EOFError, OSError, RuntimeError, IndexError)


class ModelFormatError(InputError):
    """A file that is not what tinynn saved: it says which file, and what is wrong with it.

    >>> NpzFile(__file__)
    Traceback (most recent call last):
        ...
    tinynn.files.npz.ModelFormatError: ...npz.py is no .npz file, but a text, ...
    """

    def __init__(self, message: str) -> None:
        super().__init__(of_file(message))


@dataclass(frozen=True)
class Member:
    """What a member's header declares; its numbers begin after `start` bytes."""

    entry: zipfile.ZipInfo
    start: int
    dtype: np.dtype[Any]
    shape: Shape
    fortran_order: bool

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class NpzFile:
    """An .npz file, open for reading: `members` tells what is in it, before any array is read.

    path: raises OSError if it cannot be opened, ModelFormatError if it is not as described above.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_npz(f"{folder}/a.npz", {"W": np.eye(2)})
    ...     with NpzFile(f"{folder}/a.npz") as file:
    ...         print(file.members["W"])
    ...         file.read("W")
    float64 (2, 2)
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path
        refuse_no_file(path)
        if Path(path).exists() and not Path(path).is_file():
            raise self.error("is no file, but a pipe or a device.")
        self._file = Path(path).open("rb")  # noqa: SIM115  # closed by __exit__, or below
        try:
            self.members = self._members()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "NpzFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def error(self, problem: str) -> ModelFormatError:
        """Return an error about this file, to be raised."""
        return ModelFormatError(f"{self.path} {problem}")

    def read(self, name: str) -> Array:
        """Return the array of that name."""
        member = self.members[name]
        array = np.empty(member.shape, member.dtype, "F" if member.fortran_order else "C")
        self.read_into(name, array)
        return array

    def read_into(self, name: str, array: Array) -> None:
        """Read the numbers of that name into an array of its shape and dtype."""
        member = self.members[name]
        if member.fortran_order and not array.flags.f_contiguous:
            array[...] = self.read(name)
            return
        in_order = array.T if member.fortran_order else array
        data = in_order.reshape(-1).view(np.uint8)  # the array's own memory, as bytes
        try:
            with self._zip.open(member.entry) as stream:
                stream.read(member.start)
                for position in range(0, data.size, CHUNK):
                    expected = data[position : position + CHUNK]
                    expected[:] = np.frombuffer(stream.read(expected.size), np.uint8)
        except ModelFormatError:
            raise
        except DAMAGE as error:
            raise self.error(f"is damaged: {error}") from error

    def _members(self) -> dict[str, Member]:
        beginning = self._file.read(kinds.LENGTH)
        if not beginning.startswith(b"PK\x03\x04"):
            kind = kinds.kind_of(beginning)
            but = f", but {kind}." if kind else f": it begins with {beginning[:4]!r}."
            raise self.error(f"is no .npz file{but}")
        size = os.fstat(self._file.fileno()).st_size
        members: dict[str, Member] = {}
        try:
            if self._directory_size(size) > LONGEST_DIRECTORY:
                raise self.error("is cut off, longer than it was, or has too large a directory.")
            self._zip = zipfile.ZipFile(self._file)
            for entry in self._zip.infolist():
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename:
                    raise self.error(f"has a part that is no array: {entry.filename!r}.")
                if name in members:
                    raise self.error(f"holds {name!r} twice.")
                if entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:
                    raise self.error(f"holds {name!r} encrypted or compressed; tinynn never does.")
                if entry.file_size != entry.compress_size or entry.file_size > size:
                    raise self.error(
                        f"declares {entry.file_size:,} bytes for {name!r}, {entry.compress_size:,} "
                        f"as stored, in a file of {size:,}."
                    )
                with self._zip.open(entry) as stream:
                    members[name] = self._member(name, entry, stream)
            declared = sum(member.entry.file_size for member in members.values())
            if declared > size:  # shared bytes: a small file would become a large model
                raise self.error(f"declares {declared:,} bytes in all, but has {size:,}.")
        except ModelFormatError:
            raise
        except DAMAGE as error:
            raise self.error(f"is damaged: {error}") from error
        return members

    def _directory_size(self, size: int) -> float:
        """Return how long the zip's directory is, as the last bytes of the file describe it.

        Files over 2 GiB have a description in 64 bits, too, right before the usual one. Infinite if
        neither is where it should be.
        """
        # from the end: 22 bytes of the usual description; in large files before it 20 that say
        # where those in 64 bits are, and right before these they are, 56 bytes
        end = self._tail(size, 22, 22)
        large, pointer = self._tail(size, 98, 56), self._tail(size, 42, 20)
        if end[:4] != b"PK\x05\x06":
            return inf
        if pointer[:4] != b"PK\x06\x07":
            return int.from_bytes(end[12:16], "little")
        where = int.from_bytes(pointer[8:16], "little")
        if large[:4] != b"PK\x06\x06" or where != size - 98 or size < 2**31:
            return inf
        return int.from_bytes(large[40:48], "little")

    def _tail(self, size: int, start: int, length: int) -> bytes:
        """Return some bytes, from so many before the end on."""
        self._file.seek(max(size - start, 0))
        return self._file.read(min(length, max(size - start + length, 0)))

    def _member(self, name: str, entry: zipfile.ZipInfo, stream: IO[bytes]) -> Member:
        """Read one member's header and hold its declared size against the member's own."""
        start = stream.read(len(MAGIC) + 2)
        length = int.from_bytes(start[len(MAGIC) :], "little")
        text = stream.read(length) if length <= LONGEST_HEADER else b""
        match = HEADER.fullmatch(text)
        if not start.startswith(MAGIC) or not match:
            raise self.error(
                f"holds {name!r}, which is no array as tinynn writes them: its header is "
                f"{(start + text)[:80]!r}."
            )
        descr, fortran_order, shape = (part.decode() if part else "" for part in match.groups())
        member = Member(
            entry=entry,
            start=len(start) + length,
            dtype=np.dtype(descr),
            shape=tuple(int(n) for n in re.findall("[0-9]+", shape)),
            fortran_order=fortran_order == "True",
        )
        expected = member.start + prod(member.shape) * member.dtype.itemsize
        if entry.file_size != expected or max(member.shape, default=0) > LARGEST_DIMENSION:
            raise self.error(
                f"declares {name!r} as {member}, {expected:,} bytes with its header, but holds "
                f"{entry.file_size:,}."
            )
        return member


def write_npz(path: PathLike, arrays: dict[str, Array]) -> None:
    """Write the arrays to a file that stands at `path` only when it is whole.

    Raises OSError if it cannot be written, InputError if NpzFile would not read it; then the old
    file stands, and no other stays.
    """
    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # dtypes of the stubs
        file.flush()
        try:
            NpzFile(file.name).close()
        except ModelFormatError as error:
            problem = str(error).replace(file.name, "it")
            raise InputError(
                f"{path} was not written: {problem} tinynn does not read files like this one."
            ) from error
