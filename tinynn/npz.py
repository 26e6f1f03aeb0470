"""The .npz container: arrays by name in a zip file. Written atomically, read with suspicion.

    file.npz  =  zip [ name.npy = header + numbers,  name.npy = header + numbers,  ... ]

A file found on the web may be broken, or made to break. NumPy's own reader can be led to load
wrong numbers without a word, or to allocate what the file never held. So this one looks before it
reads: every member must be stored uncompressed, its header must be of the very form that np.savez
writes (nothing is ever evaluated or unpickled), and its size that of its header and its numbers.
Then arrays are read to their last byte, which is where the zip format compares its checksum.
"""

import errno
import os
import re
import struct
import threading
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from tinynn.configuration import printable
from tinynn.parameters import Array, Shape

PathLike: TypeAlias = str | os.PathLike[str]

MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '(\|b1|\|[iu]1|<[iu][248]|<f[248]|<U[1-9][0-9]{0,8})', "
    rb"'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,20}(?:, [0-9]{1,20}){0,31},?)?\), \} *\n"
)
LONGEST_HEADER = 1_000  # bytes; NumPy pads them to 118 as a rule
LONGEST_DIRECTORY = 2**19  # bytes: some five thousand members
LARGEST_DIMENSION = 2**40  # also of an array without numbers, whose other dimension is 0
CHUNK = 2**20  # bytes read at a time, so that reading needs no second copy of an array

# What zipfile may raise for a damaged file (NotImplementedError is a RuntimeError)
DAMAGE = (zipfile.BadZipFile, struct.error, ValueError, EOFError, OSError, RuntimeError, IndexError)


class ModelFormatError(ValueError):
    """A file that is not what tinynn saved: it says which file, and what is wrong with it.

    >>> NpzFile(__file__)
    Traceback (most recent call last):
        ...
    tinynn.npz.ModelFormatError: ...npz.py is no .npz file: it begins with ...
    """


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
        return ModelFormatError(f"{self.path} {printable(problem)}")

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
        beginning = self._file.read(4)
        if beginning != b"PK\x03\x04":
            raise self.error(f"is no .npz file: it begins with {beginning!r}.")
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


def refuse_folder(path: PathLike) -> None:
    """Raise ValueError for what is no path, IsADirectoryError for that of a folder."""
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"A path is a text, such as 'model.npz', or a Path; got {path!r}.")
    if Path(path).is_dir():
        told = "This is a folder; give the path of a file in it"
        raise IsADirectoryError(errno.EISDIR, told, str(path))


def refuse_no_file(path: PathLike) -> None:
    """Raise an OSError if no file stands at a path; it names those of this kind that are near."""
    refuse_folder(path)
    if not Path(path).exists():
        folder, kind = Path(path).resolve().parent, Path(path).suffix
        others = ", ".join(sorted(file.name for file in folder.glob(f"*{kind}"))[:5]) or "none"
        told = f"There is no such file; the {kind} files in {folder} are: {others}"
        raise FileNotFoundError(errno.ENOENT, told, str(path))


def refuse_no_place(path: PathLike) -> None:
    """Raise an OSError if no file can stand at a path: its folder is not there, or it is one."""
    refuse_folder(path)
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        told = "There is no such folder: make it first, with Path(...).mkdir(parents=True)"
        raise FileNotFoundError(errno.ENOENT, told, str(folder))


def whole_file(path: PathLike) -> AbstractContextManager[IO[bytes]]:
    """Open a temporary file beside `path`, which takes that place at the end, seen on the disk.

    Whoever opens the path finds the old file or the new one, whole. Raises OSError if it cannot be
    written. After that, or any exception within the block, the old file stands and no other stays.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/a.txt") as file:
    ...         _ = file.write(b"all")
    ...     Path(folder, "a.txt").read_bytes()
    b'all'
    """
    refuse_no_place(path)
    path = Path(path).resolve()  # a link stays a link, and its target is what is replaced
    if path.exists() and not path.is_file():  # an administrator could
        told = "This is a device or a pipe, and no file is put in its place"
        raise OSError(errno.EINVAL, told, str(path))
    return _replacing(path)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Do what `whole_file` says, of a path where a file can stand."""
    unique = f"{os.getpid()}.{threading.get_ident()}"
    temporary = path.with_name(f".{path.name[:40]}.{unique}.tmp")
    try:
        with temporary.open("wb") as file:
            if path.exists():  # what its owner keeps to himself stays so
                temporary.chmod(path.stat().st_mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # the new name is on the disk only when its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise  # these two say that a drive knows no such thing: one shared with a guest
        finally:
            os.close(folder)


def write_npz(path: PathLike, arrays: dict[str, Array]) -> None:
    """Write the arrays to a file that stands at `path` only when it is whole.

    Raises OSError if it cannot be written, ValueError if NpzFile would not read it; then the old
    file stands, and no other stays.
    """
    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # dtypes of the stubs
        file.flush()
        try:
            NpzFile(file.name).close()
        except ModelFormatError as error:
            problem = str(error).replace(file.name, "it")
            raise ValueError(
                f"{path} was not written: {problem} No file of tinynn's may be so."
            ) from error
