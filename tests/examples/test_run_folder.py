"""examples/run_folder.py: a run gets a folder of its own, and earlier files are never lost."""

import ctypes
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
OPEN = """
import sys, pathlib, run_folder
from tinynn.files import locks
locks.PATIENCE_SECONDS = 0.1
out, lock, checkpoint = run_folder.open_run_folder(pathlib.Path(sys.argv[1]), resume=False)
"""


@pytest.fixture
def run_folder(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("run_folder")


@pytest.fixture
def opened(run_folder):
    """Return a function that opens a folder as a run does, and ends the run."""

    def open_and_end(out, resume=False, data_dir=None):
        out, lock, checkpoint = run_folder.open_run_folder(Path(out), resume, data_dir)
        lock.close()
        return out, checkpoint

    return open_and_end


def earlier_run(folder):
    """Make the files of a run: a lock, and two files that are different in each folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").write_text("1\n")
    (folder / "model.npz").write_text(f"of {folder}")
    (folder / "checkpoint.npz").write_text(f"of {folder}")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def as_somebody():
    """Take from a process of root the right to write where others may not."""
    ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def open_as_somebody(folder):
    path = os.pathsep.join([str(EXAMPLES), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", OPEN, folder],
        env={**os.environ, "PYTHONPATH": path},
        preexec_fn=as_somebody,
        capture_output=True,
        text=True,
    )


# Links


def test_a_link_to_a_big_disk_stays_and_the_run_goes_there(tmp_path, opened, capsys):
    big = earlier_run(tmp_path / "disk/big")
    link = tmp_path / "link"
    link.symlink_to(big)
    assert opened(link) == (big, None)
    assert link.readlink() == big
    assert names(big) == ["lock"]
    assert (tmp_path / "disk/big.1/model.npz").read_text() == f"of {big}"
    assert names(tmp_path) == ["disk", "link"]
    assert f"--out {link} is the folder {big}." in capsys.readouterr().out


def test_a_run_is_resumed_by_either_name(tmp_path, opened):
    run = earlier_run(tmp_path / "run")
    (tmp_path / "link").symlink_to("run")
    for name in ("run", "link"):
        assert opened(tmp_path / name, resume=True) == (run, run / "checkpoint.npz")


@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_one_folder_by_two_names_is_for_one_run(tmp_path, run_folder):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    _, lock, _ = run_folder.open_run_folder(tmp_path / "run", resume=False)
    with lock, pytest.raises(SystemExit, match=f"process {os.getpid()} is using"):
        run_folder.open_run_folder(tmp_path / "link", resume=False)


@pytest.mark.parametrize("out", ["link", "link/run", "loop"])
def test_a_link_that_leads_nowhere_is_reported(tmp_path, opened, out):
    (tmp_path / "link").symlink_to(tmp_path / "disk/big")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SystemExit, match=r"is a link to .*, which does not exist. Is its disk"):
        opened(tmp_path / out)
    assert names(tmp_path) == ["link", "loop"]


# Folders that are there


@pytest.mark.parametrize("there", [[], ["lost+found"], ["lock"], ["lock", "earlier.1"]])
def test_a_folder_without_a_run_is_used_as_it_is(tmp_path, opened, there):
    run = tmp_path / "run"
    for name in there:
        (run / name).mkdir(parents=True) if name != "lock" else earlier_run(run)
    run.mkdir(exist_ok=True)
    for name in {"model.npz", "checkpoint.npz"} & set(names(run)):
        (run / name).unlink()
    before = run.stat().st_ino
    assert opened(run) == (run, None)
    assert run.stat().st_ino == before
    assert names(tmp_path) == ["run"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, opened):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match="it is a file, and a folder is needed"):
        opened(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_in_use_is_not_renamed(tmp_path, opened, monkeypatch):
    home, data, runs = (tmp_path / name for name in ("a/home", "b/data", "runs"))
    for folder in (home, data, runs):
        folder.mkdir(parents=True)
    earlier_run(runs / "one")
    monkeypatch.setenv("HOME", str(home))
    for out, data_dir, why in (
        (home.parent, None, "holds your home"),
        (data.parent, data, "holds the data"),
        (EXAMPLES, None, "holds this program"),
        (Path(sys.prefix), None, "holds Python"),
        (runs, None, f"holds other runs, such as {runs / 'one'}"),
    ):
        with pytest.raises(SystemExit, match=why):
            opened(out, data_dir=data_dir)
    monkeypatch.setenv("TINYNN_DATA_DIR", str(data))
    with pytest.raises(SystemExit, match="holds the data"):
        opened(data)
    assert names(tmp_path) == ["a", "b", "runs"]


def test_the_number_of_a_link_that_leads_nowhere_is_taken(tmp_path, opened):
    run = earlier_run(tmp_path / "run")
    (tmp_path / "run.1").symlink_to("gone")
    opened(run)
    assert names(tmp_path) == ["run", "run.1", "run.2"]
    assert (tmp_path / "run.1").is_symlink()


def test_resuming_clears_what_a_killed_write_left_and_nothing_else(tmp_path, opened):
    run = earlier_run(tmp_path / "run")
    random = "0123456789ab"
    for name in (f".checkpoint.npz.{random}.tmp", f".accuracy.png.{random}.tmp", ".mine.tmp"):
        (run / name).write_text("")
    opened(run, resume=True)
    assert names(run) == [".mine.tmp", "checkpoint.npz", "lock", "model.npz"]


# Folders that cannot be renamed


@pytest.mark.slow
def test_in_a_folder_that_cannot_be_renamed_the_contents_are_moved(tmp_path):
    run = earlier_run(tmp_path / "run")
    (run / "lost+found").mkdir()
    tmp_path.chmod(0o555)
    try:
        for n in (1, 2):
            process = open_as_somebody(run)
            assert process.returncode == 0, process.stderr
            told = f"The earlier run in {run} is now {run}/earlier.{n}, as {run} cannot be renamed"
            assert f"{told} (Permission denied)." in process.stdout
            (run / "log.csv").write_text("of the second")
        assert names(run) == ["earlier.1", "earlier.2", "lock", "log.csv", "lost+found"]
        assert names(run / "earlier.1") == ["checkpoint.npz", "model.npz"]
        assert (run / "earlier.1/model.npz").read_text() == f"of {run}"
        assert names(run / "earlier.2") == ["log.csv"]
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.slow
def test_if_not_all_can_be_moved_nothing_is_moved(tmp_path):
    run = earlier_run(tmp_path / "run")
    for name in ("a", "m", "z"):  # a folder that may not be written cannot change its parent
        (run / name).mkdir()
        (run / name).chmod(0o555)
    before = names(run)
    tmp_path.chmod(0o555)
    try:
        process = open_as_somebody(run)
    finally:
        tmp_path.chmod(0o755)
    assert process.returncode == 1
    assert "PermissionError" in process.stderr
    assert names(run) == before


# Windows, and programs that hold files


@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_on_windows_one_run_after_the_other_begins_in_the_same_folder(
    tmp_path, opened, run_folder, windows, capsys
):
    run = tmp_path / "run"
    for n in range(3):
        assert opened(run) == (run, None)
        (run / "model.npz").write_text(f"{n}")
    assert names(tmp_path) == ["run", "run.1", "run.2"]
    assert [(tmp_path / f"run.{n}/model.npz").read_text() for n in (1, 2)] == ["0", "1"]
    told = f"The earlier run in {run} is now {run}.1.\nThe earlier run in {run} is now {run}.2.\n"
    assert capsys.readouterr().out == told
    (run / "checkpoint.npz").touch()
    assert opened(run, resume=True) == (run, run / "checkpoint.npz")
    _, lock, _ = run_folder.open_run_folder(run, resume=True)
    with lock, pytest.raises(SystemExit, match=f"process {os.getpid()} is using"):
        run_folder.open_run_folder(run, resume=False)
    assert names(tmp_path) == ["run", "run.1", "run.2"]


@pytest.mark.slow
def test_on_windows_the_main_job_runs_twice_in_the_same_folder(
    tmp_path, run_here, windows, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # it asks this Windows for its registry
    short = ("--sample", "--epochs", 1, "--batch-size", 500)
    for arguments in ((), (), ("--resume",)):
        process = run_here(tmp_path, "fashion_mlp.py", *short, *arguments)
        assert process.returncode == 3, process.stderr  # all but pictures
    assert names(tmp_path / "runs") == ["fashion_mlp", "fashion_mlp.1"]
    for run in (tmp_path / "runs").iterdir():
        assert {"checkpoint.npz", "log.csv", "metrics.json", "model.npz"} <= {*names(run)}
    assert not list((tmp_path / "runs").glob("*/.*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_on_windows_a_picture_that_somebody_looks_at_is_named_and_nothing_is_moved(
    tmp_path, opened, windows, monkeypatch
):
    monkeypatch.setattr("tinynn.files.locks.PATIENCE_SECONDS", 0.1)
    run = earlier_run(tmp_path / "run")
    before = names(run)
    with (run / "model.npz").open("rb"), pytest.raises(PermissionError, match="Close it in"):
        opened(run)
    assert names(run) == before
    assert names(tmp_path) == ["run"]


@pytest.mark.slow
def test_a_folder_that_is_held_for_a_moment_is_renamed(tmp_path, opened, held):
    run = earlier_run(tmp_path / "run")
    refusals = held(0.3)
    assert opened(run) == (run, None)
    assert refusals
    assert names(tmp_path) == ["run", "run.1"]


@pytest.mark.parametrize(
    ("platform", "command"),
    [("win32", '"a b\\python.exe" my.py --out "it\'s here" --resume'),
     ("linux", "'a b\\python.exe' my.py --out 'it'\"'\"'s here' --resume")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("step", "checkpoint", "where"),
    [
        (0, "", "before the first step, so there is nothing to keep."),
        (12, "c.npz, of epoch 1, step 12", "in epoch 1, after step 12; all is kept."),
        (12, "c.npz, of epoch 1, step 2", "in epoch 1, after step 12; kept is c.npz, of epoch 1, "
         "step 2."),
        (12, "", "in epoch 1, after step 12; kept is nothing."),
    ],
)  # fmt: skip
def test_a_stopped_run_says_what_is_kept_and_how_to_go_on_in_this_shell(
    monkeypatch, capsys, platform, command, step, checkpoint, where
):
    monkeypatch.syspath_prepend(EXAMPLES)
    fashion_job = importlib.import_module("fashion_job")
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("sys.executable", "a b\\python.exe")
    monkeypatch.setattr("sys.argv", ["my.py", "--resume", "--out", "it's here"])
    run = SimpleNamespace(epoch=1, step=step, checkpoint=checkpoint)
    fashion_job.say_how_to_go_on(run)
    assert capsys.readouterr().err == f"Interrupted {where}\nGo on with: {command}\n"


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="only an administrator can mount; the test with a folder that cannot be renamed is for "
    "everybody",
)
def test_a_mounted_volume_holds_one_run_after_the_other(tmp_path):
    """The main job itself, on a real file system that is mounted for it alone."""
    (tmp_path / "volume").mkdir()
    job = f'"{sys.executable}" -W error "{EXAMPLES}/fashion_mlp.py"'
    job += " --sample --epochs 1 --batch-size 500"
    script = f"""
set -e
mount -t tmpfs none volume
mkdir volume/lost+found
ln -s volume link
{job} --out volume
{job} --out link
{job} --out volume --resume
ls -m volume volume/earlier.1
"""
    process = subprocess.run(
        ["unshare", "-m", "bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    volume = tmp_path / "volume"
    assert f"The earlier run in {volume} is now {volume}/earlier.1" in process.stdout
    assert "(Device or resource busy)." in process.stdout
    assert "Going on from epoch 1, after step 11." in process.stdout
    listing = process.stdout.split("volume:\n")[1].replace("\n", " ")
    now, earlier = listing.split("volume/earlier.1:")
    for made in ("checkpoint.npz", "log.csv", "metrics.json", "model.npz", "accuracy.png"):
        assert made in now
        assert made in earlier
    assert "lost+found" in now
    assert "lost+found" not in earlier
    assert names(tmp_path) == ["link", "volume"]
