"""The folder of a run: a fresh one, or one to go on with; for one process at a time.

A lock by flock(2) belongs to the process, not to the file: however the process dies, even by
SIGKILL, the lock is gone. The number in the file only tells people who holds it.
"""

import itertools
import os
import sys
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no flock: there, nothing guards against two runs in one folder
    fcntl = None

CHECKPOINT = "checkpoint.npz"


def open_run_folder(out: Path, resume: bool) -> tuple[IO[str], Path | None]:
    """Return the lock, to be held while the run lasts, and the checkpoint to go on from, if any.

    With resume, the run in `out` continues from its checkpoint; otherwise its folder is renamed,
    never overwritten.
    """
    if out.resolve() in (Path.cwd(), *Path.cwd().parents):  # whose renaming nobody expects
        sys.exit(
            f"error: --out should be a folder of the run's own, and you are in {out.resolve()}"
        )
    lock = _locked(out) if out.exists() else None
    if resume and (out / CHECKPOINT).exists() and lock is not None:
        for leftover in out.glob(".*.tmp"):  # of a write that was killed
            leftover.unlink()
        return lock, out / CHECKPOINT
    if resume:
        print(f"There is no checkpoint in {out} to go on with: the run starts afresh.")
    if out.exists():
        numbers = (n for n in itertools.count(1) if not out.with_name(f"{out.name}.{n}").exists())
        earlier = out.with_name(f"{out.name}.{next(numbers)}")
        out.rename(earlier)
        print(f"The earlier run in {out} is now {earlier}.")
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        sys.exit(f"error: another run has begun in {out} this very moment")
    fresh = _locked(out)
    if lock is not None:
        lock.close()  # only now: nobody else may take the folder in between
    return fresh, None


def _locked(out: Path) -> IO[str]:
    """Lock a folder, or end the program if another process has."""
    lock = (out / "lock").open("a+", encoding="utf-8")
    if fcntl is not None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            sys.exit(
                f"error: process {lock.read().strip()} is at work in {out}; choose another --out"
            )
        except OSError as error:  # some network drives have no locks
            print(f"{out} cannot be locked ({error}): let no other run use it meanwhile.")
    try:
        moved = (out / "lock").stat().st_ino != os.fstat(lock.fileno()).st_ino
    except FileNotFoundError:
        moved = True
    if moved:  # another run has renamed the folder since its lock was opened
        sys.exit(f"error: another run has begun in {out} this very moment")
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
