"""What other processes do with a file: who holds it, who has died, who will let it go in a moment.

All that differs between systems stands here. A lock belongs to the process that took it. However
that process dies, the lock is gone: this holds on other machines and in containers too, where the
number of a process says nothing.
"""

import errno
import os
import sys
from collections.abc import Callable
from time import monotonic, sleep, time
from typing import TypeVar

Result = TypeVar("Result")

PATIENCE_SECONDS = 5.0  # virus scanners and sync folders hold a new file for less
NAMING_SECONDS = 60.0  # far more than the moment in which a file is closed and gets its name
UNLOCKED_SECONDS = 86_400.0  # no file takes a day to be written
LOCKED_BYTE = 2**31 - 1  # nobody else can read what is locked on Windows: far behind the end


def lock(handle: int) -> bool:
    """Lock an open file until it is closed; return False if another one has locked it.

    handle: its number, of a file that is open for writing. Raises OSError where there are no locks:
    on some network drives, and on systems that have neither fcntl nor msvcrt.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     lock(file.fileno())
    True
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            position = os.lseek(handle, 0, os.SEEK_CUR)
            os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            except PermissionError:
                return False
            finally:
                os.lseek(handle, position, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except ImportError:
        raise OSError(errno.ENOLCK, "This system has no locks") from None
    return True


def abandoned(handle: int) -> bool:
    """Whether the process that wrote an open file is dead; if so, the file is locked from now on.

    Where there are no locks, a file counts as abandoned a day after it was last written.
    """
    seconds = time() - os.fstat(handle).st_mtime
    if sys.platform == "win32" and seconds < NAMING_SECONDS:
        return False  # its writer had to close it before the move, and may be about to move it
    try:
        return lock(handle)
    except OSError:
        return seconds > UNLOCKED_SECONDS


def patiently(
    act: Callable[[], Result],
    path: str | os.PathLike[str],
    seconds: float | None = None,
) -> Result:
    """Return what a call returns; while it raises PermissionError, try again for some seconds.

    seconds: None stands for PATIENCE_SECONDS. On Windows nobody can write, replace or rename what
    another program has open. A virus scanner or a sync folder lets go of it within that time, a
    spreadsheet does not. Then the error names `path`, and who may hold it.

    >>> patiently(lambda: "done", "log.csv")
    'done'
    """
    end = monotonic() + (PATIENCE_SECONDS if seconds is None else seconds)
    while True:
        try:
            return act()
        except PermissionError as error:
            if monotonic() >= end:
                message = (
                    "It cannot be written: another program may hold it, or it may be protected. "
                    "Close it in the spreadsheet, editor or viewer where it is open; pause the "
                    "virus scanner or the sync folder"
                )
                raise PermissionError(error.errno or errno.EACCES, message, str(path)) from error
        sleep(0.05)
