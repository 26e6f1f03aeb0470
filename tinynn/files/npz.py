"""The .npz format: arrays by name in a zip file. Written atomically; checked before it is read.

    file.npz  =  zip [ name.npy = header + numbers,  name.npy = header + numbers,  ... ]

A file from the web may be damaged, or made to do damage. NumPy's own reader can be made to load
wrong numbers without an error, or to allocate far more memory than the file has bytes. So this
reader checks first: each member must be uncompressed; its header must have exactly the form that
np.savez writes (nothing is evaluated or unpickled); its size must be that of its header and its
numbers. Then arrays are read to their last byte, because zipfile compares the checksum only there.
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
LONGEST_HEADER = 1_000  # bytes; NumPy mostly writes 118
LONGEST_DIRECTORY = 2**19  # bytes: about five thousand members
LARGEST_DIMENSION = 2**40  # also of an array without numbers, whose other dimension is 0
CHUNK = 2**20  # bytes read at a time, so that reading needs no second copy of an array

# What zipfile may raise for a damaged file (NotImplementedError is a RuntimeError)
DAMAGE = (zipfile.BadZipFile, struct.error, ValueError, EOFError, OSError, RuntimeError, IndexError)


class ModelFormatError(InputError):
    """The file is not one that tinynn saved. The message names the file and what is wrong with it.

    >>> NpzFile(__file__)
    Traceback (most recent call last):
        ...
    tinynn.files.npz.ModelFormatError: ...npz.py is not an .npz file, but a text, ...
    """

    def __init__(self, message: str) -> None:
        super().__init__(of_file(message))


@dataclass(frozen=True)
class Member:
    """One array in the file, as its header declares it. Its numbers begin after `start` bytes."""

    entry: zipfile.ZipInfo
    start: int
    dtype: np.dtype[Any]
    shape: Shape
    fortran_order: bool

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class NpzFile:
    """An .npz file, open for reading. `members` describes its arrays before any is read.

    Raises OSError if the path cannot be opened, ModelFormatError if a check fails.

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
            raise self.error("is not a file, but a pipe or a device.")
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
        """Return an error about this file, for the caller to raise."""
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
                    chunk = data[position : position + CHUNK]
                    chunk[:] = np.frombuffer(stream.read(chunk.size), np.uint8)
        except ModelFormatError:
            raise
        except DAMAGE as error:
            raise self.error(f"is damaged: {error}") from error

    def _members(self) -> dict[str, Member]:
        beginning = self._file.read(kinds.LENGTH)
        if not beginning.startswith(b"PK\x03\x04"):
            kind = kinds.kind_of(beginning)
            but = f", but {kind}." if kind else f": it begins with {beginning[:4]!r}."
            raise self.error(f"is not an .npz file{but}")
        size = os.fstat(self._file.fileno()).st_size
        members: dict[str, Member] = {}
        try:
            if self._directory_size(size) > LONGEST_DIRECTORY:
                raise self.error("is cut off, has bytes added, or has too large a directory.")
            self._zip = zipfile.ZipFile(self._file)
            for entry in self._zip.infolist():
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename:
                    raise self.error(f"has a part that is not an array: {entry.filename!r}.")
                if name in members:
                    raise self.error(f"holds {name!r} twice.")
                if entry.flag_bits & 1 or entry.compress_type != zipfile.ZIP_STORED:
                    raise self.error(
                        f"holds {name!r} encrypted or compressed, as tinynn never does."
                    )
                if entry.file_size != entry.compress_size or entry.file_size > size:
                    raise self.error(
                        f"declares {entry.file_size:,} bytes for {name!r}, {entry.compress_size:,} "
                        f"as stored, in a file of {size:,}."
                    )
                with self._zip.open(entry) as stream:
                    members[name] = self._member(name, entry, stream)
            declared = sum(member.entry.file_size for member in members.values())
            if declared > size:  # members share bytes: a small file would make a large model
                raise self.error(f"declares arrays of {declared:,} bytes, but has {size:,} bytes.")
        except ModelFormatError:
            raise
        except DAMAGE as error:
            raise self.error(f"is damaged: {error}") from error
        return members

    def _directory_size(self, size: int) -> float:
        """Return the length of the zip's directory, which a record at the end of the file declares.

        Files over 2 GiB have a 64-bit record before the usual one. Returns infinity if no record is
        where it should be.
        """
        # The last 22 bytes are the usual record. In large files, the 20 bytes before it give the
        # position of the 64-bit record, which is the 56 bytes before these.
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
        """Return `length` bytes, beginning `start` bytes before the end of the file."""
        self._file.seek(max(size - start, 0))
        return self._file.read(min(length, max(size - start + length, 0)))

    def _member(self, name: str, entry: zipfile.ZipInfo, stream: IO[bytes]) -> Member:
        """Read one member's header, and compare the size that it declares with the member's."""
        beginning = stream.read(len(MAGIC) + 2)
        length = int.from_bytes(beginning[len(MAGIC) :], "little")
        text = stream.read(length) if length <= LONGEST_HEADER else b""
        match = HEADER.fullmatch(text)
        if not beginning.startswith(MAGIC) or not match:
            raise self.error(
                f"holds {name!r}, which is not an array as tinynn writes it: its header is "
                f"{(beginning + text)[:80]!r}."
            )
        descr, fortran_order, shape = (part.decode() if part else "" for part in match.groups())
        member = Member(
            entry=entry,
            start=len(beginning) + length,
            dtype=np.dtype(descr),
            shape=tuple(int(n) for n in re.findall("[0-9]+", shape)),
            fortran_order=fortran_order == "True",
        )
        expected = member.start + prod(member.shape) * member.dtype.itemsize
        if entry.file_size != expected or max(member.shape, default=0) > LARGEST_DIMENSION:
            raise self.error(
                f"declares {name!r} as {member}, {expected:,} bytes with its header, but holds "
                f"{entry.file_size:,} bytes of it."
            )
        return member


def write_npz(path: PathLike, arrays: dict[str, Array]) -> None:
    """Write the arrays to `path`. The file appears there only when it is whole.

    Raises OSError if it cannot be written, InputError if NpzFile would not read it. In both cases
    an older file stays as it was, and no temporary file is left.
    """
    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # dtypes of the stubs
        file.flush()
        try:
            NpzFile(file.name).close()
        except ModelFormatError as error:
            problem = str(error).replace(file.name, "it")
            raise InputError(
                f"{path} was not written: {problem} tinynn could not read it again."
            ) from error
