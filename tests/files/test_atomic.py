"""Protects files of every kind: nobody ever reads or finds one that is half written."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from tinynn.datasets import write_idx
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


@pytest.mark.skipif(os.name != "posix", reason="asks whether a process lives")
def test_what_living_processes_write_and_files_of_others_stay(tmp_path):
    """Also a file whose number was given by another machine, on a drive that both use."""
    with whole_file(tmp_path / "a.txt") as first:
        ours = Path(first.name).name
    start, pid = ours[: ours.index(str(os.getpid()))], str(os.getpid())
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True).stdout.strip()  # fmt: skip
    here = {f"{start}{pid}.1.tmp", f"{start}x.1.tmp", f".b.txt.{start[-9:]}{dead}.1.tmp",
            f".a.txt.00000000.{dead}.1.tmp", f".a.txt.{dead}.tmp"}  # fmt: skip
    for name in {*here, f"{start}{dead}.1.tmp"}:
        (tmp_path / name).touch()
    with whole_file(tmp_path / "a.txt"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {*here, "a.txt"}


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


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device or a pipe"), whole_file(tmp_path / "pipe"):
        pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize(
    ("number", "works"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)]
)
def test_a_drive_that_cannot_sync_a_folder_is_used_and_a_broken_one_is_reported(
    tmp_path, monkeypatch, number, works
):
    """A folder shared by a virtual machine is such a drive; a test has to imitate it."""
    fsync = os.fsync

    def of_files_alone(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_alone)
    told = nullcontext() if works else pytest.raises(OSError, match=os.strerror(number))
    with told, whole_file(tmp_path / "a.txt") as file:
        file.write(b"new")
    assert (tmp_path / "a.txt").read_text() == "new"


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


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_a_log_that_is_rewritten_for_another_column_is_never_lost(tmp_path):
    path = tmp_path / "log.csv"
    assert write_elsewhere(path, ANOTHER_COLUMN) == -signal.SIGKILL
    assert len(path.read_text().splitlines()) == 2  # the header and the first epoch
