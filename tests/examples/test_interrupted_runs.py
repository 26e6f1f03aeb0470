"""A run of the main job that is interrupted, in whatever way, ends as if nothing had happened."""

import csv
import fcntl
import gc
import importlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from tinynn import load_model

EXAMPLE = Path(__file__).parents[2] / "examples/fashion_mlp.py"
CONSTANT = ("--schedule", "constant")  # such a run may be resumed with more epochs
SHORT = ["--sample", "--epochs", "2", "--checkpoint-steps", "20", "--out", "run"]
SHORT += ["--batch-size", "100"]  # 55 steps an epoch

KILL_WITHIN_A_WRITE = """
import os, signal, numpy
place, count = os.environ["KILL_AT"].split(":")
calls = {"left": int(count)}

def die_at(name, call):
    def wrapped(*arguments, **named):
        if name == place:
            calls["left"] -= 1
            if not calls["left"]:
                if name == "savez":
                    arguments[0].write(b"half a file")
                    arguments[0].flush()
                os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return wrapped

numpy.savez = die_at("savez", numpy.savez)
os.fsync = die_at("fsync", os.fsync)
os.replace = die_at("replace", os.replace)
"""

# Time for a test to press Ctrl-C in, for which no processor is needed
SLEEP_AT_STEPS = """
import time, tinynn
tinynn.Checkpoint.on_gradients = lambda self, trainer: time.sleep(0.02)
"""

BUT_FOR_PICTURES = 3  # the status of a run that could not draw


@pytest.fixture(scope="module", autouse=True)
def no_pictures(tmp_path_factory):
    """Let programs find a matplotlib that is broken: pictures would take two thirds of their time.

    test_fashion_mlp.py tests that then only the pictures are missing. Returns what
    PYTHONPATH was before.
    """
    folder, before = tmp_path_factory.mktemp("no_pictures"), os.environ.get("PYTHONPATH", "")
    (folder / "matplotlib").mkdir()
    (folder / "matplotlib/__init__.py").write_text("raise RuntimeError('no pictures here')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep if before else None)
        yield before


@pytest.fixture
def run_refused(run_here):
    """Return a function that runs the example in this process, which frees its folder after it."""

    def run(folder, *arguments):
        process = run_here(folder, EXAMPLE.name, *SHORT, *arguments)
        gc.collect()
        return process.returncode, process.stderr

    return run


@pytest.fixture
def pictures(no_pictures, monkeypatch):
    """Let the programs of one test draw."""
    monkeypatch.setenv("PYTHONPATH", no_pictures)


def start(folder, *arguments, env=(), **keywords):
    return subprocess.Popen(
        [sys.executable, EXAMPLE, *SHORT, *arguments],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **dict(env)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **keywords,
    )


def wait_for(condition, process):
    """Wait until a condition holds, or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.002)


def in_training(folder):
    return lambda: (folder / "run/checkpoint.npz").exists()


def outcome(folder):
    """Return all results of a run as values to compare, without the seconds."""
    with np.load(folder / "run/checkpoint.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files if name != "training"}
        training = json.loads(str(file["training"]))
    with (folder / "run/log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in [*rows, *training["history"], training["totals"]]:
        row.pop("seconds")
    model = (folder / "run/model.npz").read_bytes()
    return {"arrays": arrays, "training": training, "rows": rows, "model": model}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Return the folder of a run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("straight")
    process = start(folder)
    _, errors = process.communicate()
    assert process.returncode == BUT_FOR_PICTURES, errors
    return folder


@pytest.fixture(scope="module")
def straight(uninterrupted):
    return outcome(uninterrupted)


@pytest.fixture(scope="module")
def constant_rate(tmp_path_factory):
    """Return the results of a run with a constant rate, which nobody interrupts."""
    folder = tmp_path_factory.mktemp("constant")
    _, errors = (process := start(folder, *CONSTANT)).communicate()
    assert process.returncode == BUT_FOR_PICTURES, errors
    return outcome(folder)


@pytest.fixture(scope="module")
def first_epoch(tmp_path_factory):
    """Return the folder of a run with a constant rate that was asked for one epoch."""
    folder = tmp_path_factory.mktemp("first_epoch")
    _, errors = (process := start(folder, "--epochs", "1", *CONSTANT)).communicate()
    assert process.returncode == BUT_FOR_PICTURES, errors
    return folder


@pytest.fixture(scope="module")
def training_seconds(uninterrupted):
    return json.loads((uninterrupted / "run/metrics.json").read_text())["seconds"]["train"]


def resume_to_the_end(folder, *arguments):
    process = start(folder, "--resume", *arguments)
    text, errors = process.communicate()
    assert process.returncode == BUT_FOR_PICTURES, errors
    assert not list((folder / "run").glob(".*"))
    return text


@pytest.mark.slow
def test_ctrl_c_in_a_short_run_ends_the_step_and_resuming_gives_the_same_bits(tmp_path, at_start):
    """The program presses Ctrl-C itself, in the middle of its second epoch."""
    interrupt = (
        "import os, signal, tinynn\n"
        "def on_gradients(self, trainer):\n"
        "    if trainer.optimizer.t == 7:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "tinynn.Checkpoint.on_gradients = on_gradients\n"
    )
    few_steps = ("--batch-size", "1000")  # six an epoch
    for name, env in (("straight", {}), ("stopped", at_start(tmp_path, interrupt))):
        (tmp_path / name).mkdir()
        process = start(tmp_path / name, *few_steps, env=env)
        _, errors = process.communicate()
        assert process.returncode == (130 if env else BUT_FOR_PICTURES), errors
    assert "Interrupted in epoch 2, after step 8" in errors
    command = re.search(r"Go on with: (.*)", errors)[1]
    assert command.endswith("--resume")
    text = resume_to_the_end(tmp_path / "stopped", *few_steps)
    assert "Going on from epoch 2, after step 8." in text
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "straight")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_writes_a_checkpoint_and_says_how_to_go_on(
    tmp_path, at_start, straight, number, status
):
    slow = at_start(tmp_path, SLEEP_AT_STEPS)
    process = start(tmp_path, "--checkpoint-steps", "60", env=slow)  # the first at an epoch's end
    wait_for(in_training(tmp_path), process)
    process.send_signal(number)
    text, errors = process.communicate()
    assert process.returncode == status, errors
    assert "Traceback" not in errors
    stopped_in, stopped_after = re.search(r"Interrupted in (.*), after step (\d+)", errors).groups()
    command = re.search(r"Go on with: (.*)", errors)[1]
    assert command.endswith("--resume")

    text = resume_to_the_end(tmp_path)
    assert f"Going on from {stopped_in}, after step {stopped_after}." in text
    assert outcome(tmp_path) == straight


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(tmp_path, at_start):
    """The first takes effect after the step; the test makes that step long."""
    slow = (
        "import tinynn, time, pathlib\n"
        "class Slow(tinynn.Adam):\n"
        "    def update(self, params, *others):\n"
        "        if len(params) == 4: return super().update(params, *others)  # fit's trial\n"
        "        pathlib.Path('slow').touch()\n"
        "        for _ in range(1000): time.sleep(0.01)\n"
        "tinynn.Adam = Slow\n"
    )
    process = start(tmp_path, env=at_start(tmp_path, slow))
    wait_for((tmp_path / "slow").exists, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.communicate()
    assert process.returncode == -signal.SIGINT
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_without_a_checkpoint_resuming_says_so_and_starts_a_new_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.csv").write_text("")
    process = start(tmp_path, "--resume")
    wait_for(in_training(tmp_path), process)
    process.kill()
    text, _ = process.communicate()
    assert "There is no checkpoint in run to go on from: a new run starts." in text
    assert "The earlier run in run is now run.1." in text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_resuming_trains_more_epochs_and_refuses_other_settings(
    tmp_path, first_epoch, constant_rate, run_refused
):
    copytree(first_epoch / "run", tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    for arguments, difference in (
        (("--seed", "1"), "seed: 0 against 1"),
        (("--batch-size", "50"), "batch_size: 100 against 50"),
        (("--learning-rate", "0.01"), "optimizer.learning_rate: 0.001 against 0.01"),
        (("--validation-size", "400"), "data: "),
        (("--schedule", "cosine"), "optimizer.learning_rate: 0.001 against a function of t"),
    ):
        status, errors = run_refused(tmp_path, "--resume", *CONSTANT, *arguments)
        assert status == 1
        assert difference in errors
        assert "Traceback" not in errors
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert {**before, "lock": b""} == {**after, "lock": b""}
    resume_to_the_end(tmp_path, *CONSTANT)
    assert outcome(tmp_path) == constant_rate


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_a_rate_that_falls_to_0_by_the_last_epoch_needs_as_many_epochs(
    tmp_path, uninterrupted, run_refused
):
    copytree(uninterrupted / "run", tmp_path / "run")
    status, errors = run_refused(tmp_path, "--resume", "--epochs", "3")
    assert status == 1
    told = "its number of steps, which follows from epochs, 2 against 3. Write epochs=2"
    assert told in errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_a_second_run_in_the_same_folder_is_refused_and_names_the_first(
    tmp_path, tmp_path_factory, at_start, run_refused
):
    first = start(tmp_path, env=at_start(tmp_path_factory.mktemp("slow"), SLEEP_AT_STEPS))
    wait_for(in_training(tmp_path), first)
    first.send_signal(signal.SIGSTOP)  # it holds its folder, and cannot end meanwhile
    for arguments in ((), ("--resume",)):
        status, errors = run_refused(tmp_path, *arguments)
        assert status == 1
        assert f"process {first.pid} is using run" in errors
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    resume_to_the_end(tmp_path)  # a dead process holds nothing


@pytest.mark.slow
def test_a_full_disk_keeps_the_old_checkpoint_and_is_reported(tmp_path, first_epoch, constant_rate):
    copytree(first_epoch / "run", tmp_path / "run")
    before = (tmp_path / "run/checkpoint.npz").read_bytes()
    process = start(
        tmp_path,
        "--resume",
        *CONSTANT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)),
    )
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "error: [Errno 27] File too large: the checkpoint of epoch 2, step 60 could" in errors
    assert "kept is run/checkpoint.npz, of epoch 1, step 55" in errors
    assert (tmp_path / "run/checkpoint.npz").read_bytes() == before
    assert not list((tmp_path / "run").glob(".*"))
    resume_to_the_end(tmp_path, *CONSTANT)
    assert outcome(tmp_path) == constant_rate


@pytest.mark.slow
def test_a_log_row_that_finds_the_disk_full_is_reported_and_no_row_is_lost(
    tmp_path, first_epoch, constant_rate
):
    copytree(first_epoch / "run", tmp_path / "run")
    before = (tmp_path / "run/checkpoint.npz").read_bytes()
    log = (tmp_path / "run/log.csv").read_bytes()
    process = start(
        tmp_path,
        "--resume",
        *CONSTANT,
        *("--checkpoint-steps", "10000"),  # none before the row
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (len(log) + 9, len(log) + 9)),
    )
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "a row could not be written to run/log.csv; those before it are kept" in errors
    assert (tmp_path / "run/checkpoint.npz").read_bytes() == before
    assert (tmp_path / "run/log.csv").read_bytes() == log
    resume_to_the_end(tmp_path, *CONSTANT)
    assert outcome(tmp_path) == constant_rate


@pytest.mark.slow
def test_ctrl_c_that_ends_the_reader_of_the_output_too_says_how_to_go_on(
    tmp_path, at_start, straight
):
    """As in `fashion_mlp.py | tee log`: the terminal interrupts both, and nobody reads any more."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, EXAMPLE, *SHORT],
        cwd=tmp_path,
        env={
            **os.environ,
            **at_start(tmp_path, SLEEP_AT_STEPS),
            **{"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        },
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    wait_for(in_training(tmp_path), process)
    os.close(reading)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "Go on with: " in errors
    resume_to_the_end(tmp_path)
    assert outcome(tmp_path) == straight


@pytest.mark.slow
@pytest.mark.parametrize(
    ("until", "trained"), [("", False), ("epoch 1/2", False), ("== evaluate", True)]
)
def test_a_reader_that_stops_reading_ends_the_run_with_a_message(
    tmp_path, pictures, until, trained
):
    with start(tmp_path, env={"PYTHONUNBUFFERED": "1"}) as process:
        for line in process.stdout:
            if line.startswith(until):
                break
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1
    assert errors.endswith(
        "nobody reads the output of this program any more. Go on with --resume.\n"
    )
    assert trained == (tmp_path / "run/model.npz").exists()


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["== load", "== evaluate"])
def test_ctrl_c_outside_of_training_ends_at_once_with_130(tmp_path, pictures, phase):
    for attempt in range(3):  # an interrupt within a weakref's callback is lost, by Python itself
        (tmp_path / f"{attempt}").mkdir()
        process = start(tmp_path / f"{attempt}", env={"PYTHONUNBUFFERED": "1"})
        for line in process.stdout:
            if line.startswith(phase):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        if process.returncode:
            break
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    if phase == "== evaluate":  # what was trained is there already
        assert load_model(tmp_path / f"{attempt}/run/model.npz").params.size == 567_434


@pytest.mark.slow
def test_ctrl_c_before_the_first_step_says_that_there_is_nothing_to_keep(tmp_path, at_start):
    interrupt = (
        "import os, signal, tinynn\n"
        "begin = tinynn.Checkpoint.on_train_begin\n"
        "def interrupted(self, trainer):\n"
        "    begin(self, trainer)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "tinynn.Checkpoint.on_train_begin = interrupted\n"
    )
    process = start(tmp_path, env=at_start(tmp_path, interrupt))
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Interrupted before the first step, so there is nothing to keep." in errors


@pytest.mark.slow
def test_a_disk_that_is_full_after_training_is_reported(tmp_path, straight):
    (tmp_path / "sitecustomize.py").write_text(
        "import resource, tinynn\n"
        "def save(model, path, real=tinynn.save_model):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    real(model, path)\n"
        "tinynn.save_model = save\n"
    )
    process = start(tmp_path, env={"PYTHONPATH": str(tmp_path)})
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "Free some space, then go on with --resume." in errors
    (tmp_path / "sitecustomize.py").unlink()
    resume_to_the_end(tmp_path)
    assert outcome(tmp_path) == straight


@pytest.mark.slow
def test_a_disk_that_is_full_for_pictures_costs_nothing_else(tmp_path, pictures, at_start):
    full = (
        "import builtins, resource\n"
        "def said(*words, print=print, **how):\n"
        "    print(*words, **how)\n"
        "    if '== evaluate' in str(words):\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "builtins.print = said\n"
    )
    process = start(tmp_path, "--batch-size", "200", env=at_start(tmp_path, full))
    text, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "run/accuracy.png COULD NOT BE DRAWN. OSError: [Errno 27] File too large" in text
    assert "All but test.npz, confusion.png, accuracy.png, " in text
    made = sorted(path.name for path in (tmp_path / "run").iterdir())  # no half of a picture
    of_training = ["checkpoint.npz", "health.json", "lock", "log.csv", "report.html", "run.jsonl"]
    assert made == sorted([*of_training, "metrics.json", "model.npz"])
    assert "run/test.npz COULD NOT BE WRITTEN. OSError: [Errno 27] File too large" in text
    found = json.loads((tmp_path / "run/metrics.json").read_text())
    assert f"Test accuracy {found['test_accuracy']:.4f}." in text


@pytest.mark.slow
def test_a_folder_that_cannot_be_used_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    process = start(tmp_path, "--out", "file/run")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "error: --out file/run cannot be used: " in errors


def test_a_drive_without_locks_is_used_with_a_warning(tmp_path, monkeypatch, capsys):
    def no_locks(handle, operation):
        raise OSError(37, "No locks available")

    monkeypatch.syspath_prepend(EXAMPLE.parent)
    run_folder = importlib.import_module("run_folder")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    _, lock, checkpoint = run_folder.open_run_folder(tmp_path / "run", resume=False)
    lock.close()
    assert checkpoint is None
    assert "cannot be locked ([Errno 37] No locks available)" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_a_lock_on_a_folder_that_was_renamed_meanwhile_does_not_count(tmp_path, monkeypatch):
    """One run opens the lock file; before it has the lock, another renames the folder."""
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    run_folder = importlib.import_module("run_folder")
    out, flock = tmp_path / "run", fcntl.flock

    def too_late(file, how):
        out.rename(tmp_path / "run.1")
        out.mkdir()
        (out / "lock").touch()
        flock(file, how)

    out.mkdir()
    monkeypatch.setattr(fcntl, "flock", too_late)
    with pytest.raises(SystemExit, match="another run has just begun"):
        run_folder.open_run_folder(out, resume=True)


@pytest.mark.parametrize("out", [".", ".."])
def test_the_current_folder_is_refused_as_a_folder_for_a_run(tmp_path, monkeypatch, out):
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    run_folder = importlib.import_module("run_folder")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="--out should be a folder for this run alone"):
        run_folder.open_run_folder(Path(out), resume=False)
    assert list(tmp_path.iterdir()) == []


# the first write, when there is no checkpoint yet, and a later one; fsync: of file and folder
PLACES = ["savez:1", "savez:5", "fsync:1", "fsync:2", "fsync:9", "replace:1", "replace:5"]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_kill_while_a_checkpoint_is_written_loses_nothing(tmp_path, at_start, straight, place):
    process = start(tmp_path, env={**at_start(tmp_path, KILL_WITHIN_A_WRITE), "KILL_AT": place})
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    resume_to_the_end(tmp_path)
    assert outcome(tmp_path) == straight


@pytest.mark.slow
def test_thirty_kills_at_random_moments_change_no_bit(tmp_path, straight, training_seconds, capsys):
    rng = np.random.default_rng(0)
    kills = runs = within_a_write = within_training = 0
    while kills < 30:
        folder = tmp_path / f"{runs}"
        folder.mkdir()
        runs += 1
        for _ in range(min(10, 30 - kills)):
            process = start(folder, "--resume", "--checkpoint-steps", "5")
            while process.stdout.readline() not in ("== train\n", ""):
                pass
            time.sleep(rng.uniform(0, training_seconds / 3))
            process.kill()
            text, errors = process.communicate()
            if process.returncode == BUT_FOR_PICTURES:
                break  # it had ended
            assert process.returncode == -signal.SIGKILL, errors
            kills += 1
            within_training += "== evaluate" not in text
            within_a_write += bool(list((folder / "run").glob(".checkpoint.npz.*.tmp")))
        resume_to_the_end(folder)
        assert outcome(folder) == straight
    with capsys.disabled():
        print(
            f"\n{kills} kills in {runs} runs, {within_training} of them in training, "
            f"{within_a_write} within the writing of a checkpoint: no bit changed"
        )
    assert within_training >= 15


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of a file left open: the program ends there
def test_resuming_with_another_option_names_it(tmp_path, uninterrupted, run_refused):
    copytree(uninterrupted / "run", tmp_path / "run")
    for other, named in (
        (("--schedule", "constant"), "Give --schedule and --learning-rate as before."),
        (("--learning-rate", "0.01"), "Give --learning-rate as before."),
        (("--label-smoothing", "0.1"), "Give --label-smoothing as before."),
        (("--epochs", "3"), "Give --epochs as before."),
        (("--batch-size", "64"), "Give --batch-size as before."),
        (("--seed", "5"), "Give --seed as before."),
    ):
        _, errors = run_refused(tmp_path, "--resume", *other)
        assert errors.endswith(f"\n{named}\n"), errors
