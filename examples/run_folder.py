"""The folder of a run, new or resumed, for one process at a time.

The file `lock` in it is locked (tinynn/files/locks.py): however the process dies, even by SIGKILL,
the lock is gone. The number in the file only tells people which process holds it.
"""

import itertools
import os
import sys
from functools import partial
from pathlib import Path
from typing import IO

from tinynn.files import locks
from tinynn.files.atomic import remove_abandoned, without_tilde

CHECKPOINT = "checkpoint.npz"
LOCK = "lock"
NOT_CONTENTS = {LOCK, "lost+found"}  # the second belongs to the file system of a whole disk


def open_run_folder(
    out: Path, resume: bool, data_dir: Path | None = None
) -> tuple[Path, IO[str], Path | None]:
    """Return the folder, its lock, and the checkpoint to go on from. Keep the lock during the run.

    With resume, the run in `out` goes on from its checkpoint. Otherwise the contents of the folder
    are moved aside, never overwritten, and the checkpoint is None. If `out` is a link, the folder
    is its target.
    """
    out = _real(out)
    _refuse_what_is_in_use(out, data_dir)
    lock = _locked(out) if out.exists() else None
    if resume and lock is not None and (out / CHECKPOINT).exists():
        remove_abandoned(out)
        return out, lock, out / CHECKPOINT
    if resume:
        print(f"There is no checkpoint in {out} to go on from: a new run starts.")
    if lock is not None:
        if not _contents(out):
            return out, lock, None
        earlier = _unused(out)
        if sys.platform == "win32":  # no folder can be renamed there while a file in it is open,
            lock.close()  # so nobody else has begun in this one if that succeeds
        try:
            locks.patiently(partial(out.rename, earlier), out)
        except OSError as error:  # it may be a mount point, or its parent may be read-only
            if lock.closed:
                lock = _locked(out)
            reason = f", as {out} cannot be renamed ({os.strerror(error.errno or 0)})"
            earlier = _unused(out / "earlier")
            _move_contents(out, earlier)
            print(f"The earlier run in {out} is now {earlier}{reason}.")
            return out, lock, None
        print(f"The earlier run in {out} is now {earlier}.")
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        sys.exit(f"error: another run has just begun in {out}; choose another --out")
    new_lock = _locked(out)
    if lock is not None:
        lock.close()  # only now: nobody else may take the folder in between
    return out, new_lock, None


def _real(out: Path) -> Path:
    """Return the real folder; end the program if a link leads nowhere."""
    for place in (out, *out.parents):
        if place.is_symlink() and not place.exists():
            target = place.readlink()
            sys.exit(
                f"error: --out {out} cannot be used: {place} is a link to {target}, which does not "
                f"exist. Is its disk mounted? If so, make the folder {target} there"
            )
    if out.exists() and not out.is_dir():
        sys.exit(f"error: --out {out} cannot be used: it is a file, and a folder is needed")
    real = out.resolve()
    if real == out.parent.resolve() / out.name:  # the last part of the path is no link
        return out
    print(f"--out {out} is the folder {real}.")
    return real


def _refuse_what_is_in_use(out: Path, data_dir: Path | None) -> None:
    """End the program if the folder is in use for something else: it must not be renamed."""
    used = {
        "the folder you are in,": Path.cwd(),
        "your home,": Path(os.environ.get("HOME") or os.environ.get("USERPROFILE") or "/"),
        "this program,": Path(__file__),
        "Python,": Path(sys.prefix),
    }
    if data := data_dir or os.environ.get("TINYNN_DATA_DIR"):
        used["the data,"] = without_tilde(data)
    for what, place in used.items():
        if out.resolve() in (place.resolve(), *place.resolve().parents):
            sys.exit(
                f"error: --out should be a folder for this run alone; {out} holds {what} "
                f"{place.resolve()}"
            )
    if not (out / LOCK).exists() and (others := sorted(out.glob(f"*/{LOCK}"))):
        sys.exit(
            f"error: --out should be a folder for this run alone; {out} holds other runs, such as "
            f"{others[0].parent}"
        )


def _contents(out: Path) -> list[Path]:
    """Return all that must be moved before a new run; earlier runs that were moved aside stay."""
    aside = {path for path in out.glob("earlier.*") if path.is_dir()}
    return [path for path in out.iterdir() if path.name not in NOT_CONTENTS and path not in aside]


def _unused(path: Path) -> Path:
    """Return the path with a number added, the first that is free."""
    numbered = (path.with_name(f"{path.name}.{n}") for n in itertools.count(1))
    return next(place for place in numbered if not os.path.lexists(place))


def _move_contents(out: Path, earlier: Path) -> None:
    """Move the contents of a folder into a folder within it: all, or nothing."""
    contents = _contents(out)
    earlier.mkdir()
    moved = []
    try:
        for path in contents:
            moved.append(path)
            locks.patiently(partial(path.rename, earlier / path.name), path)
    except BaseException:
        for path in moved:
            if os.path.lexists(earlier / path.name):
                locks.patiently(partial((earlier / path.name).rename, path), path)
        earlier.rmdir()
        raise


def _locked(out: Path) -> IO[str]:
    """Lock a folder; end the program if another process has locked it."""
    lock = (out / LOCK).open("a+", encoding="utf-8")
    try:
        if not locks.lock(lock.fileno()):
            lock.seek(0)
            sys.exit(f"error: process {lock.read().strip()} is using {out}; choose another --out")
    except OSError as error:  # some network drives have no locks
        print(f"{out} cannot be locked ({error}): start no other run in it.")
    try:
        moved = (out / LOCK).stat().st_ino != os.fstat(lock.fileno()).st_ino
    except FileNotFoundError:
        moved = True
    if moved:  # another run has renamed the folder since its lock was opened
        sys.exit(f"error: another run has just begun in {out}; choose another --out")
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
