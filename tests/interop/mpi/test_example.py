"""examples/fashion_mpi.py on the sample: as a reader runs it, resumed, and ended by a signal."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinynn import load_model

EXAMPLES = Path(__file__).parents[3] / "examples"
PROGRAM = EXAMPLES / "fashion_mpi.py"
SHORT = ("--sample", "--epochs", 2, "--out", "run", "--checkpoint-steps", 20, "--batch-size", 100)
BUT_FOR_PICTURES = 3  # the status of a run that could not draw

pytestmark = pytest.mark.slow


def rows_of(folder):
    with (folder / "run/log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mpi")
    status, out, errors = run(folder, 2, PROGRAM, *SHORT)
    assert status == 0, errors
    assert errors == ""
    return folder, out


def test_rank_0_alone_prints_draws_and_writes(done):
    folder, out = done
    for heading in ("load", "preprocess", "model", "train", "save", "verify", "evaluate"):
        assert out.count(f"== {heading}\n") == 1
    assert out.count("epoch 1/2") == 1
    assert "2 ranks, of which each trains on its part of each batch" in out
    files = {path.name for path in (folder / "run").iterdir()}
    assert {"log.csv", "checkpoint.npz", "model.npz", "accuracy.png", "metrics.json"} <= files
    assert {path.name for path in folder.iterdir()} == {"run"}


def test_the_numbers_are_those_of_the_main_job_to_rounding(done, tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise RuntimeError('no pictures here')")
    command = [sys.executable, EXAMPLES / "fashion_mlp.py", *map(str, SHORT)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert process.returncode == BUT_FOR_PICTURES, process.stderr
    for ours, theirs in zip(rows_of(done[0]), rows_of(tmp_path), strict=True):
        for name in ("loss", "accuracy", "val_loss", "learning_rate"):
            np.testing.assert_allclose(float(ours[name]), float(theirs[name]), rtol=0.02)


def test_a_signal_to_mpiexec_keeps_the_step_and_resuming_gives_the_same_bits(
    done, run, start, tmp_path
):
    process = start(tmp_path, 2, PROGRAM, *SHORT, start_new_session=True)
    while not (tmp_path / "run/checkpoint.npz").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("Go on with: mpiexec -n 2 ") == 1
    status, out, errors = run(tmp_path, 2, PROGRAM, *SHORT, "--resume")
    assert status == 0, errors
    assert out.count("Going on from epoch") == 1
    ours, theirs = (load_model(folder / "run/model.npz") for folder in (tmp_path, done[0]))
    assert ours.params.tobytes() == theirs.params.tobytes()


def test_a_wrong_option_is_told_once(run, tmp_path):
    status, _, errors = run(tmp_path, 2, PROGRAM, "--epochs", "none")
    assert status != 0
    assert errors.count("argument --epochs: expected a whole number") == 1
