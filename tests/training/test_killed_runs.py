"""A run with all that draws, averages and counts, killed at any moment, ends with the same bits.

A program trains; it kills itself by SIGKILL at a moment that the test names, such as the 2nd call
of os.replace, within the writing of a checkpoint. It is started again, until nothing is left to do.
The oracle is the same program that nobody killed.
"""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

EPOCHS, STEPS = 14, 7  # 52 samples: six batches of 8, one of 4

PROGRAM = """
import os, signal, sys
from pathlib import Path
import numpy as np
import tinynn
from tinynn import *

recipe, epochs, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
place, count = moment.split(":")
left = int(count)
owners = {"savez": np, "fsync": os, "replace": os}
of, _, name = place.rpartition(".")
owner = getattr(tinynn, of, None) or owners.get(name)

def die(call):
    def wrapped(*arguments, **named):
        global left
        left -= 1
        if not left:
            if name == "savez":
                arguments[0].write(b"half a file")
                arguments[0].flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return wrapped

rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (72, 6, 6, 2), np.uint8), rng.integers(0, 3, 72)
weights = rng.uniform(0.5, 2, 72)
acting_in_training = [RandomFlip(), RandomShift(1), GaussianNoise(0.1)]
hidden = [Dense(16, bias=False), BatchNorm(), ReLU(), Dropout(0.3), Dense(12), LayerNorm(), GELU()]
model = Sequential(
    [Rescale(1 / 255), *acting_in_training, Flatten(), *hidden, Dropout(0.1), Dense(3), Softmax()],
    input_shape=(6, 6, 2),
)
callbacks = [
    CSVLogger("log.csv"), ExponentialMovingAverage(0.9), ClipGradientNorm(0.5),
    EarlyStopping("val_log_loss", patience=epochs), Checkpoint("run.npz", every_steps=3),
]
if recipe == "cosine":
    optimizer = AdamW(CosineDecay(0.01, warmup=5))
else:
    optimizer = SGD(0.1, momentum=0.9, nesterov=True)
    callbacks.append(ReduceOnPlateau("val_accuracy", patience=1))
loss = CrossEntropy(label_smoothing=0.1, class_weights=[1, 2, 0.5])
trainer = Trainer(model, loss, optimizer, metrics=[log_loss])
resume_from = "run.npz" if Path("run.npz").exists() else None
if owner:
    setattr(owner, name, die(getattr(owner, name)))
trainer.fit(
    x[:52], y[:52], epochs, batch_size=8, validation_data=(x[52:], y[52:], weights[52:]),
    sample_weight=weights[:52], callbacks=callbacks, resume_from=resume_from,
)
save_model(model, "model.npz")
"""

OF_STEPS = ["Dropout.forward:9", "BatchNorm.input_gradient:4", "ClipGradientNorm.on_gradients:5"]
OF_STEPS += ["ExponentialMovingAverage.on_step_end:6", "Checkpoint.on_step_end:6"]
OF_WRITES = ["savez:1", "savez:3", "fsync:1", "fsync:4", "replace:1", "replace:3"]
OF_EPOCHS = ["ExponentialMovingAverage.on_validation_begin:1", "Trainer.evaluate:1"]
OF_EPOCHS += ["ExponentialMovingAverage.on_validation_end:1", "CSVLogger.on_epoch_end:1"]
OF_EPOCHS += ["EarlyStopping.on_epoch_end:2", "Checkpoint.on_epoch_end:1"]
TWENTY = [*OF_STEPS, *OF_WRITES, *OF_EPOCHS, "savez:4", "CSVLogger.on_epoch_end:2", "replace:4"]
EIGHT = ["BatchNorm.input_gradient:4", "savez:3", "fsync:1", "replace:3", *OF_EPOCHS[-4:]]


def run(folder, recipe, moment="never:0"):
    """Run the program; return its exit status: -9 if it was killed."""
    (folder / "program.py").write_text(PROGRAM)
    process = subprocess.run(
        [sys.executable, "program.py", recipe, str(EPOCHS), moment],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    return process.returncode


def outcome(folder):
    """Return all that a run leaves, as values to compare: without the seconds."""
    with np.load(folder / "run.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files if name != "training"}
        training = json.loads(str(file["training"]))
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in [*rows, *training["history"], training["totals"]]:
        row.pop("seconds")
    model = (folder / "model.npz").read_bytes()
    return {"arrays": arrays, "training": training, "rows": rows, "model": model}


def killed_and_resumed(folder, recipe, moments):
    """Kill a run at each of the moments, resuming it in between; then let it end."""
    folder.mkdir()
    unfinished = set()  # files of writes that a kill interrupted
    for moment in moments:
        assert run(folder, recipe, moment) == -signal.SIGKILL, f"it ended before {moment}"
        unfinished.update(folder.glob(".run.npz.*.tmp"))
    assert run(folder, recipe) == 0
    assert not list(folder.glob(".*"))
    return outcome(folder), len(unfinished)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Return a function that returns what a run leaves that nobody killed."""
    outcomes = {}

    def of(recipe):
        if recipe not in outcomes:
            folder = tmp_path_factory.mktemp(recipe)
            assert run(folder, recipe) == 0
            outcomes[recipe] = outcome(folder)
        return outcomes[recipe]

    return of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "moments", "writes"),
    [("cosine", TWENTY, 7), ("plateau", EIGHT, 3)],  # fsync:4 comes after a write
    ids=["cosine", "plateau"],
)
def test_a_run_killed_many_times_has_the_same_bits(tmp_path, straight, recipe, moments, writes):
    killed, within_a_write = killed_and_resumed(tmp_path / "killed", recipe, moments)
    assert within_a_write == writes
    assert killed == straight(recipe)
    assert float(killed["rows"][-1]["learning_rate"]) < float(killed["rows"][0]["learning_rate"])


@pytest.mark.slow
def test_what_is_compared_holds_the_average_the_buffers_and_the_optimizer(straight):
    left = straight("cosine")
    assert left["arrays"].keys() >= {
        "5.Dense.W", "6.BatchNorm.running_var", "10.LayerNorm.gamma", "training.optimizer.V",
        "training.callbacks.0.params", "training.callbacks.0.buffers",  # of the moving average
        "training.callbacks.1.best_params",  # of EarlyStopping
    }  # fmt: skip
    assert (left["training"]["step"], len(left["rows"])) == (EPOCHS * STEPS, EPOCHS)
    assert {"val_log_loss", "val_accuracy", "learning_rate"} <= left["rows"][-1].keys()
