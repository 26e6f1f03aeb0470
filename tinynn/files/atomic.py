"""Files of every kind are written whole or not at all, and a path where none can stand is refused.

    .name.MACHINE.PROCESS.THREAD.tmp  ->  on the disk  ->  name, in one move

Whoever opens the name finds the old file or the new one. A process that is killed in between leaves
its temporary file, which the next one to write the same file removes.
"""

import errno
import glob
import os
import platform
import threading
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from tinynn.errors import InputError

PathLike: TypeAlias = str | os.PathLike[str]


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
    """Raise an OSError if no file can stand at a path: its folder is not there, or it is one."""
    refuse_folder(path)
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        message = "There is no such folder: make it first, with Path(...).mkdir(parents=True)"
        raise FileNotFoundError(errno.ENOENT, message, str(folder))


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
        message = "This is a device or a pipe, and no file is put in its place"
        raise OSError(errno.EINVAL, message, str(path))
    return _replacing(path)


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Do what `whole_file` says, of a path where a file can stand."""
    machine = f"{zlib.crc32(platform.node().encode()):08x}"
    start = f".{path.name[:40]}.{machine}."
    _remove_stale_files(path.parent, start)
    temporary = path.with_name(f"{start}{os.getpid()}.{threading.get_ident()}.tmp")
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
    _sync_folder(path.parent)


def _remove_stale_files(folder: Path, start: str) -> None:
    """Remove the temporary files of processes that are no more; start: how their names begin.

    Only those of this machine: the number of a process on another one, which may write to the same
    network drive, says nothing here.
    """
    if os.name != "posix":
        return  # os.kill would end the process that it is to ask for
    for stale in folder.glob(f"{glob.escape(start)}*.tmp"):
        process = stale.name.removeprefix(start).partition(".")[0]
        try:
            os.kill(int(process), 0)  # sends nothing, but finds out whether it lives
        except ProcessLookupError:
            with suppress(OSError):
                stale.unlink()
        except (OSError, ValueError, OverflowError):
            continue  # it lives and is of somebody else, or the file is no file of ours


def _sync_folder(folder: Path) -> None:
    """See to it that a new name is on the disk, where a system knows how to."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise  # these two say that a drive knows no such thing: one shared with a guest
    finally:
        os.close(handle)
