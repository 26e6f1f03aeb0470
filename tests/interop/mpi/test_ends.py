"""Protects how a job ends: by its message, soon, and never by waiting for a rank that failed."""

import os
import re
import signal
import time

import pytest

from tinynn import load_model

SOON = 10  # seconds
BEGIN = """
import os, signal, sys, time
import numpy as np
from tinynn import *
from tinynn.interop.mpi import DataParallel

def rank_before():
    return int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)

{before}
parallel = DataParallel()
{then}
x = np.random.default_rng(0).normal(size=(40, 3))
y = np.arange(40) % 3
trainer = Trainer(Sequential([Dense(3)], (3,)), SoftmaxCrossEntropy(), SGD(0.1))
began = time.time()

class Watched(Callback):
    def on_step_end(self, trainer):
        if trainer.step == 3:
            print("three steps", time.time(), flush=True)
            {at_step_3}

callbacks = [parallel, Watched()]
{around}
trainer.fit(x, y, 10_000_000 if {long} else 2, 10, callbacks=callbacks)
{after}
"""


def program(before="", then="", at_step_3="pass", around="", after="", long=True):
    return BEGIN.format(
        before=before, then=then, at_step_3=at_step_3, around=around, after=after, long=long
    )


ON_RANK_1 = "if parallel.rank == 1: "
PROGRAMS = {
    # what the program does, and what its output must hold
    "raises before DataParallel": (
        program(before="if rank_before() == 1: raise ValueError('no data here')"),
        "ValueError: no data here",
    ),
    "raises before fit": (
        program(then=f"{ON_RANK_1}raise ValueError('no data here')"),
        "ValueError: no data here",
    ),
    "exits before DataParallel": (
        program(before="if rank_before() == 1: sys.exit('no data here')"),
        "Rank 1 has left the job, and rank ",
    ),
    "exits before fit": (
        program(then=f"{ON_RANK_1}sys.exit('no data here')"),
        "Rank 1 has left the job, and rank ",
    ),
    "raises in a step": (
        program(at_step_3=f"{ON_RANK_1}raise KeyError('lost')"),
        "KeyError: 'lost'",
    ),
    "raises in a step, and rank 0 does": (
        program(at_step_3="if parallel.rank == 0: raise KeyError('lost')"),
        "KeyError: 'lost'",
    ),
    "exits in a step": (
        program(at_step_3=f"{ON_RANK_1}sys.exit('enough')"),
        "SystemExit: enough",
    ),
    "diverges on one rank": (
        program(at_step_3=f"{ON_RANK_1}trainer.model.params[:] = np.inf"),
        "Training diverged in epoch",
    ),
    "raises at the start of training": (
        program(
            then="open('log.csv', 'w').write('epoch,loss\\n1,0.3\\n')",
            around="callbacks.append(CSVLogger('log.csv'))",
        ),
        "log.csv",
    ),
    "has other data": (
        program(around="x[0, 0] += parallel.rank"),
        "data: x: other numbers",
    ),
    "trains twice, and the other once": (
        program(
            long=False,
            after="if parallel.rank == 0: trainer.fit(x, y, 2, 10, callbacks=callbacks)",
        ),
        " has left the job, and rank ",
    ),
    "is not fit for the data": (
        program(around="x = x[:, :2] if parallel.rank == 1 else x"),
        "InputError",
    ),
}


def times_in(out):
    """Return when the ranks had taken three steps; their lines may run into each other."""
    return [float(number) for number in re.findall(r"[0-9]{9,}\.[0-9]+", out)]


# With more ranks there are more to wait, of whichever kind the end is.
OF_FOUR = ["raises before fit", "exits in a step", "trains twice, and the other once"]


@pytest.mark.parametrize(
    ("name", "n"),
    [
        *((name, 2) for name in PROGRAMS),
        *(pytest.param(name, 4, marks=pytest.mark.slow) for name in OF_FOUR),
    ],
)
def test_a_rank_that_fails_ends_the_job_with_its_message(name, n, run, tmp_path):
    text, message = PROGRAMS[name]
    status, out, errors = run(tmp_path, n, text)
    ended = time.time()
    assert status != 0
    assert message in out + errors
    assert all(ended - then < SOON for then in times_in(out))


def test_a_rank_that_is_killed_ends_the_job(run, tmp_path):
    text = program(at_step_3=f"{ON_RANK_1}os.kill(os.getpid(), signal.SIGKILL)")
    status, out, _ = run(tmp_path, 3, text)
    ended = time.time()
    assert status != 0
    assert "three steps" in out
    assert all(ended - then < SOON for then in times_in(out))


@pytest.mark.parametrize("time", range(4))  # a message left over makes it fail, but not always
def test_a_job_without_failures_ends_well_and_says_nothing(time, run, tmp_path):
    status, out, errors = run(tmp_path, 3, program(long=False, after="print('end')"))
    assert (status, errors) == (0, "")
    assert out.count("end") == 3


TRAINING = """
import sys
import numpy as np
from tinynn import *
from tinynn.interop.mpi import DataParallel

parallel = DataParallel()
epochs, resume = int(sys.argv[1]), sys.argv[2] == "resume"
x = np.random.default_rng(0).normal(size=(210, 5)).astype(np.float32)
y = np.arange(210) % 3
layers = [Dense(64), BatchNorm(), ReLU(), Dropout(0.2), Dense(3)]
trainer = Trainer(Sequential(layers, (5,)), SoftmaxCrossEntropy(), Adam(0.003))
together = [parallel, ExponentialMovingAverage(0.9), CSVLogger("log.csv")]
together.append(Checkpoint("checkpoint.npz", every_steps=3))
trainer.fit(x, y, epochs, 20, (x[:20] + 1, y[:20]), together, "checkpoint.npz" if resume else None)
if parallel.rank == 0:
    save_model(trainer.model, "model.npz")
"""


def log_without_seconds(folder):
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    place = rows[0].index("seconds")
    return [row[:place] + row[place + 1 :] for row in rows]


def test_resume_after_a_kill_of_the_whole_job_gives_the_same_bits(run, start, tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    straight.mkdir()
    killed.mkdir()
    epochs = 15
    status, _, errors = run(straight, 2, TRAINING, epochs, "new")
    assert status == 0, errors
    process = start(killed, 2, TRAINING, epochs, "new", start_new_session=True)
    while not (killed / "log.csv").exists() or len(log_without_seconds(killed)) < 4:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    kill_all(process)
    assert len(log_without_seconds(killed)) < epochs + 1
    status, _, errors = run(killed, 2, TRAINING, epochs, "resume")
    assert status == 0, errors
    ours, theirs = (load_model(folder / "model.npz") for folder in (killed, straight))
    assert ours.params.tobytes() == theirs.params.tobytes()
    assert ours.buffers.tobytes() == theirs.buffers.tobytes()
    assert log_without_seconds(killed) == log_without_seconds(straight)

    status, _, errors = run(killed, 3, TRAINING, epochs, "resume")
    assert status != 0
    assert "it was trained on 2 ranks, and these are 3" in errors


def kill_all(process):
    """Kill a job with all its processes, so that none can clean up."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_ranks_that_resume_from_other_files_are_refused(run, tmp_path):
    text = TRAINING.replace('"checkpoint.npz" if resume', 'f"{parallel.rank}.npz" if resume')
    text = text.replace(
        'Checkpoint("checkpoint.npz", every_steps=3)', 'Checkpoint("run-{step}.npz")'
    )
    status, _, errors = run(tmp_path, 2, text, 2, "new")
    assert status == 0, errors
    (tmp_path / "run-11.npz").rename(tmp_path / "0.npz")
    (tmp_path / "run-22.npz").rename(tmp_path / "1.npz")
    status, _, errors = run(tmp_path, 2, text, 4, "resume")
    assert status != 0
    assert "rank 1: begins elsewhere: epoch: 1 on rank 0, 2 here, step: 11 on rank 0, 22" in errors


def test_a_second_signal_is_not_needed_to_end_a_job(start, tmp_path):
    """Ctrl-C in the terminal of mpiexec ends all ranks."""
    process = start(tmp_path, 2, program(), start_new_session=True)
    assert "three steps" in process.stdout.readline()
    began = time.time()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert time.time() - began < SOON
