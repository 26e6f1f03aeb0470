"""Protects files of every kind: nobody ever reads or finds one that is half written."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from tinynn.datasets import write_idx
from tinynn.files import locks
from tinynn.files.atomic import whole_file

BEGIN = """
import os
import numpy as np
from tinynn import *
from tinynn import datasets, plots
model = Sequential([Dense(2), Softmax()], input_shape=(3,))
x, y = np.eye(3, dtype=np.float32), np.array([0, 1, 1])
"""
WRITERS = {  # every kind of file that tinynn replaces as a whole
    "model.npz": "save_model(model, path)",
    "checkpoint.npz": (
        "trainer = Trainer(model, CrossEntropy(), SGD())\n"
        "old = path if os.path.exists(path) else None\n"
        "trainer.fit(x, y, 2 if old else 1, callbacks=[Checkpoint(path)], resume_from=old)"
    ),
    "curves.png": "plots.saved(plots.blank(2, 1), path)",
    "images.idx": "datasets.write_idx(path, np.zeros((2, 2), np.uint8))",
    "images.idx.gz": "datasets.write_idx(path, np.zeros((2, 2), np.uint8))",
}
KILLED = "os.fsync = lambda handle: os.kill(os.getpid(), 9)\n"  # all is written, nothing is certain


LONG_TO_START = ("curves.png", "images.idx.gz")  # matplotlib's start; as images.idx, but for gzip


def write(name, path):
    exec(BEGIN + WRITERS[name], {"path": path})


def write_elsewhere(path, code):
    """Run code in a process of its own, which the code may end."""
    command = [sys.executable, "-c", f"path = {str(path)!r}\n{BEGIN}{code}"]
    return subprocess.run(command, timeout=120).returncode


@pytest.mark.first_cases(1)
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=pytest.mark.slow if x in LONG_TO_START else ()) for x in WRITERS],
)
def test_a_killed_writer_leaves_the_old_file_and_the_next_one_clears_what_else_it_left(
    tmp_path, name
):
    path = tmp_path / name
    write(name, path)
    path.chmod(0o600)
    old, number = path.read_bytes(), path.stat().st_ino
    assert write_elsewhere(path, KILLED + WRITERS[name]) == -signal.SIGKILL
    assert (path.read_bytes(), path.stat().st_ino) == (old, number)
    assert len(list(tmp_path.iterdir())) == 2
    write(name, path)
    assert path.stat().st_ino != number
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_given_as_path_is_reported_by_its_own_name(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write(name, tmp_path / name)
    assert str(caught.value).endswith(f": '{tmp_path / name}'")
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def left_behind(path, days=0.0, random="0123456789ab"):
    """Make a temporary file as a dead process leaves it, of a writer of `path`."""
    temporary = path.with_name(f".{path.name}.{random}.tmp")
    temporary.touch()
    written = time.time() - days * 86_400
    os.utime(temporary, (written, written))
    return temporary


def write_whole(path):
    with whole_file(path) as file:
        file.write(b"new")


@pytest.mark.slow
def test_what_a_living_process_writes_and_files_of_others_stay(tmp_path):
    """A lock tells the dead from the living, whichever machine or container they run in."""
    path = tmp_path / "a.txt"
    others = [tmp_path / name for name in (".a.txt.mine.tmp", ".a.txt.12.34.tmp", ".a.txt.tmp")]
    others.append(left_behind(tmp_path / "b.txt"))
    for other in others:
        other.touch()
    living = """
from tinynn.files import locks
from tinynn.files.atomic import whole_file
with whole_file(path):
    print("writes", flush=True)
    input()
"""
    command = [sys.executable, "-c", f"path = {str(path)!r}\n{living}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"writes\n"
        before = set(tmp_path.iterdir())
        dead = left_behind(path)
        write_whole(path)
        assert not dead.exists()
        assert set(tmp_path.iterdir()) == {*before, path}
        process.communicate(b"\n")
    assert process.returncode == 0
    assert path.read_bytes() == b""  # the last writer's
    assert set(tmp_path.iterdir()) == {*others, path}


def test_a_file_that_another_writer_removes_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    real, seen = locks.lock, []

    def too_late(handle):
        if not seen:
            (temporary,) = tmp_path.iterdir()
            seen.append(temporary)
            temporary.unlink()
        return real(handle)

    monkeypatch.setattr(locks, "lock", too_late)
    write_whole(tmp_path / "a.txt")
    assert len(seen) == 1
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


@pytest.mark.parametrize("without", ["locks on this drive", "fcntl"])
def test_without_locks_only_what_is_older_than_a_day_is_removed(tmp_path, monkeypatch, without):
    def no_locks(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    if without == "fcntl":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:
        monkeypatch.setattr("fcntl.flock", no_locks)
    path = tmp_path / "a.txt"
    old = left_behind(path, days=1.1, random="a" * 12)
    young = left_behind(path, days=0.9, random="b" * 12)
    write_whole(path)
    assert path.read_bytes() == b"new"
    assert (old.exists(), young.exists()) == (False, True)


def test_on_windows_files_are_written_and_dead_writers_files_removed(tmp_path, windows):
    """What was written in the last minute stays: there, a file must be closed to get its name."""
    path = tmp_path / "a.txt"
    living = left_behind(path, days=0.1, random="a" * 12)
    dead = left_behind(path, days=0.1, random="b" * 12)
    naming = left_behind(path, random="c" * 12)
    with living.open("r+b") as file:
        assert locks.lock(file.fileno())
        assert file.tell() == 0
        write_whole(path)
        write_whole(path)
        assert [each.exists() for each in (living, dead, naming)] == [True, False, True]
    assert path.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WRITERS if name not in LONG_TO_START])
def test_a_file_that_is_held_for_a_moment_is_written(tmp_path, held, name):
    path = tmp_path / name
    write(name, path)
    number = path.stat().st_ino
    refusals = held(0.3)
    write(name, path)
    assert refusals
    assert path.stat().st_ino != number
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_file_that_stays_held_is_named_with_what_to_close_and_the_old_one_stands(
    tmp_path, held, monkeypatch
):
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.2)
    path = tmp_path / "model.npz"
    write("model.npz", path)
    old = path.read_bytes()
    held(60)
    with pytest.raises(PermissionError, match="Close it in the spreadsheet") as caught:
        write("model.npz", path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_patience_is_of_some_seconds():
    assert 2 <= locks.PATIENCE_SECONDS <= 15


def test_two_writers_of_one_file_do_not_clear_each_others(tmp_path):
    def write():
        with whole_file(tmp_path / "a.txt") as file:
            file.write(b"b")

    with whole_file(tmp_path / "a.txt") as file:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        file.write(b"a")
    assert (tmp_path / "a.txt").read_text() == "a"


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be synced elsewhere")
def test_the_folder_is_on_the_disk_after_the_new_name(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def remember(handle):
        fsync(handle)
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        synced.append(("folder" if folder else "file", (tmp_path / "a.idx").exists()))

    monkeypatch.setattr("os.fsync", remember)
    write_idx(tmp_path / "a.idx", np.zeros(1, np.uint8))
    assert synced == [("file", False), ("folder", True)]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o600)
    (tmp_path / "link").symlink_to(path)
    with whole_file(tmp_path / "link") as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "link"]


@pytest.mark.parametrize("exception", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file_and_no_other(tmp_path, exception):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with whole_file(path) as file:
            file.write(b"ne")
            raise exception

    with pytest.raises(type(exception)):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


A_CALLBACK = "Trainer(model, CrossEntropy(), SGD()).fit(x, y, 1, callbacks=[{}(path)])"


@pytest.mark.skipif(os.name != "posix", reason="needs pipes with names")
@pytest.mark.parametrize(
    "code",
    [WRITERS["model.npz"], WRITERS["images.idx"], A_CALLBACK.format("Checkpoint"),
     A_CALLBACK.format("CSVLogger")],
)  # fmt: skip
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path, code):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "device"):
        before = path.stat()
        with pytest.raises(OSError, match="a device or a pipe, and no file is put in its place"):
            exec(BEGIN + code, {"path": path})
        assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)
    assert len(list(tmp_path.iterdir())) == 2


REFUSED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EACCES)


@pytest.mark.parametrize("call", ["open", "fsync"])
@pytest.mark.parametrize("number", [*REFUSED, errno.EIO])
@pytest.mark.parametrize("name", ["model.npz", "checkpoint.npz"])
def test_a_folder_that_cannot_be_synced_costs_no_file_and_a_broken_disk_is_a_warning(
    tmp_path, monkeypatch, call, number, name
):
    """A folder that a virtual machine shares is such a one; a test has to imitate it."""
    fsync, open_file, path = os.fsync, os.open, tmp_path / name

    def refuse():
        raise OSError(number, os.strerror(number))

    def fsync_files_alone(handle):
        return refuse() if stat.S_ISDIR(os.fstat(handle).st_mode) else fsync(handle)

    def open_files_alone(path, *arguments, **named):
        return refuse() if Path(path).is_dir() else open_file(path, *arguments, **named)

    if call == "fsync":
        monkeypatch.setattr("os.fsync", fsync_files_alone)
    else:
        monkeypatch.setattr("os.open", open_files_alone)
    told = pytest.warns(UserWarning, match="could not be synced. The new file stands, but if the")
    with nullcontext() if number in REFUSED else told:
        write(name, path)
    assert path.exists()
    assert list(tmp_path.iterdir()) == [path]


ANOTHER_COLUMN = """
class Late(Callback):
    def on_epoch_end(self, trainer):
        row = trainer.history.epochs[-1]
        if row["epoch"] == 2:
            row["late"] = 1.0
            fsync, truncate = os.fsync, os.truncate
            os.fsync = lambda handle: (fsync(handle), os.kill(os.getpid(), 9))
            os.truncate = lambda *args: (truncate(*args), os.kill(os.getpid(), 9))
trainer = Trainer(model, CrossEntropy(), SGD())
trainer.fit(x, y, epochs=2, callbacks=[Late(), CSVLogger(path)])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_log_that_is_rewritten_for_another_column_is_never_lost(tmp_path):
    path = tmp_path / "log.csv"
    assert write_elsewhere(path, ANOTHER_COLUMN) == -signal.SIGKILL
    assert len(path.read_text().splitlines()) == 2  # the header and the first epoch
