"""run.jsonl: what a run notes of itself, in lines that a killed process leaves whole.

    {"began": "2026-11-26 19:05:12 UTC+01:00", "epochs": 15, "about": {...}}
    {"steps": [[step, loss, accuracy, learning rate], ...]}     after each epoch: steps.py
    {"ended": "2026-11-26 19:05:58 UTC+01:00", "state": "ended", "why": ""}

The process that trains holds the file locked (files/locks.py): a run whose last line has not ended,
and whose file nobody holds, was killed. Each line is one write; a torn last line is left out.
"""

import errno
import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from tinynn.files import locks
from tinynn.files.atomic import PathLike

NAME = "run.jsonl"
TRAINING, ENDED, STOPPED, FAILED, KILLED, UNKNOWN = (
    "training", "ended", "stopped", "failed", "killed", "unknown",
)  # fmt: skip


def now() -> str:
    """Return the time, with the machine's distance from UTC: "2026-11-26 19:05:12 UTC+01:00"."""
    time = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return f"{time[:19]} UTC{time[19:].removesuffix('+00:00')}"


def moment(time: str) -> float | None:
    """Return the seconds since 1970 of what `now` wrote, or None for anything else.

    >>> moment("1970-01-01 01:00:01 UTC+01:00")
    1.0
    """
    day_and_hour, _, offset = time.partition(" UTC")
    try:
        return datetime.fromisoformat(f"{day_and_hour}{offset or '+00:00'}").timestamp()
    except ValueError:
        return None


def open_notes(folder: PathLike, goes_on: bool) -> IO[bytes]:
    """Open the notes of a run that begins, locked until they are closed.

    goes_on: whether it goes on with the run whose notes are there; otherwise these are replaced.
    A program that holds the file for a moment is waited for. Raises OSError if another process is
    in such a run, or if nothing can be written.
    """
    path = Path(folder) / NAME
    file = locks.patiently(lambda: path.open("ab", buffering=0), path)
    try:
        free = locks.lock(file.fileno())
    except OSError:
        free = True  # there are no locks: nobody can tell then whether this process lives
    if not free:
        file.close()
        raise BlockingIOError(errno.EAGAIN, "Another run is in this folder", str(folder))
    if not goes_on:
        file.truncate(0)
    return file


def note(file: IO[bytes], line: dict[str, Any]) -> None:
    """Write a line, or nothing of it; what JSON does not know is written as its text."""
    content = json.dumps(line, default=str).encode() + b"\n"
    before = file.tell()
    try:
        if file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        file.truncate(before)
        raise


def read_notes(folder: PathLike) -> list[dict[str, Any]]:
    """Return the whole lines, or none if there are no notes; others in the file are left out."""
    path = Path(folder) / NAME
    if not path.is_file():
        return []
    lines = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        with suppress(ValueError, RecursionError):
            found = json.loads(line)
            lines += [found] if isinstance(found, dict) else []
    return lines


def is_held(path: Path) -> bool | None:
    """Whether a process has locked a file, so that its run is alive; None where nobody can tell."""
    if not path.is_file():
        return False
    try:
        with path.open("r+b") as file:
            return not locks.lock(file.fileno())
    except OSError:  # there are no locks, or the file is another user's
        return None
