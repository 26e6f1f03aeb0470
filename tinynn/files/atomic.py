"""Files of every kind are written whole or not at all, and a path where none can stand is refused.

    .name.RANDOM.tmp, locked  ->  on the disk  ->  name, in one move

Whoever opens the name finds the old file or the new one. A process that is killed in between leaves
its temporary file without a lock (locks.py), and the next one to write the same file removes it.
"""

import errno
import glob
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from tinynn.errors import InputError
from tinynn.files import locks

PathLike: TypeAlias = str | os.PathLike[str]

# What a system says that cannot sync a folder: one shared with a guest, or one of Windows
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EBADF)
RANDOM_BYTES = 6  # in the name of a temporary file, which nobody else has then


def without_tilde(path: PathLike) -> Path:
    """Return a path that a user typed, "~" expanded: a shell leaves it in --data-dir=~/data.

    >>> without_tilde("data/fashion").parts
    ('data', 'fashion')
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path's own raises without a home


def refuse_folder(path: PathLike) -> None:
    """Raise InputError for what is no path, IsADirectoryError for that of a folder."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"A path is a text, such as 'model.npz', or a Path; got {path!r}.")
    if "\0" in str(path):
        raise InputError(
            f"The path {path!r} holds a NUL, a character that no file's name has. A backslash "
            "before 0 makes one: write r'...', or forward slashes."
        )
    if Path(path).is_dir():
        message = "This is a folder; give the path of a file in it"
        raise IsADirectoryError(errno.EISDIR, message, str(path))


def refuse_no_file(path: PathLike) -> None:
    """Raise an OSError if no file stands at a path; it names those of this kind that are near."""
    refuse_folder(path)
    if not Path(path).exists():
        folder, kind = Path(path).resolve().parent, Path(path).suffix
        others = ", ".join(sorted(file.name for file in folder.glob(f"*{kind}"))[:5]) or "none"
        message = f"There is no such file; the {kind} files in {folder} are: {others}"
        raise FileNotFoundError(errno.ENOENT, message, str(path))


def refuse_no_place(path: PathLike) -> None:
    """Raise an OSError if no file can stand at a path.

    Its folder is not there; or it is a folder itself, a device or a pipe, which would be lost if a
    file took its place.
    """
    refuse_folder(path)
    if Path(path).exists() and not Path(path).is_file():
        message = "This is a device or a pipe, and no file is put in its place"
        raise OSError(errno.EINVAL, message, str(path))
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        message = "There is no such folder: make it first, with Path(...).mkdir(parents=True)"
        raise FileNotFoundError(errno.ENOENT, message, str(folder))


def whole_file(path: PathLike) -> AbstractContextManager[IO[bytes]]:
    """Open a temporary file beside `path`, which takes that place at the end, seen on the disk.

    Whoever opens the path finds the old file or the new one, whole. If another program holds the
    old file, this tries again for locks.PATIENCE_SECONDS. Raises OSError if it cannot be written.
    After that, or any exception within the block, the old file stands and no other stays.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/a.txt") as file:
    ...         _ = file.write(b"all")
    ...     Path(folder, "a.txt").read_bytes()
    b'all'
    """
    refuse_no_place(path)
    return _replacing(Path(path).resolve())  # a link stays a link; its target is replaced


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Do what `whole_file` says, of a path where a file can stand."""
    remove_abandoned(path.parent, path.name)
    file = _temporary(path)
    temporary = Path(file.name)
    try:
        with file:
            if path.exists():  # what its owner keeps to himself stays so
                temporary.chmod(path.stat().st_mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":
                file.close()  # an open file cannot be moved there
            locks.patiently(lambda: temporary.replace(path), path)
    finally:
        with suppress(OSError):  # it has its name by now; or is held, and a later writer removes it
            temporary.unlink()
    _sync_folder(path.parent)


def _temporary(path: Path) -> IO[bytes]:
    """Return a new file beside the path, which this process holds as long as it is open."""
    for _ in range(9):
        random = os.urandom(RANDOM_BYTES).hex()
        temporary = path.with_name(f".{path.name[:40]}.{random}.tmp")
        file = temporary.open("xb")
        try:
            if locks.lock(file.fileno()) and temporary.exists():
                return file
        except OSError:
            return file  # there are no locks
        file.close()  # before it was locked, another writer took it for the file of a dead one
    raise BlockingIOError(errno.EAGAIN, "Another program locks every new file here", str(path))


def remove_abandoned(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files that dead processes left in a folder.

    name: of the file that they were to become; None: of any.
    """
    start = "*" if name is None else glob.escape(name[:40])
    for path in folder.glob(f".{start}.{'[0-9a-f]' * 2 * RANDOM_BYTES}.tmp"):
        with suppress(OSError), path.open("r+b") as file:  # it may be gone, or somebody else's
            if locks.abandoned(file.fileno()):
                if sys.platform == "win32":
                    file.close()  # an open file cannot be removed there
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """See to it that a new name is on the disk, where a system knows how to.

    The file stands already: whatever fails here is no more than a warning.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            warnings.warn(
                f"{error.strerror}: {folder} could not be synced. The new file stands, but if the "
                "power fails now, the old one may come back.",
                stacklevel=2,
            )
