"""The main job from start to end, in tinynn, PyTorch and Keras: seconds, and peak memory.

    start Python, load Fashion-MNIST, train 15 epochs with validation, score the test set, save

All have the same network, batch size and Adam; 5,000 of the 60,000 images are held out. The jobs
run in turns, each in a process of its own. After them the time of `import tinynn` is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter

if "tinynn" in sys.argv:
    import tinynn  # noqa: F401  before NumPy, as it asks

import numpy as np

from tinynn import datasets

EXAMPLE = Path(__file__).parents[1] / "examples/fashion_mlp.py"
SIZES = (784, 512, 256, 128, 10)
BATCH, HELD_OUT = 32, 5_000
Data = tuple[np.ndarray, np.ndarray]


@contextmanager
def timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note the seconds that the block takes."""
    began = perf_counter()
    yield
    seconds[name] = perf_counter() - began


def loaded() -> tuple[Data, Data, Data]:
    """Return training, validation and test data, images as float32 rows from 0 to 1."""
    (x, y), (x_test, y_test) = datasets.load_fashion_mnist()
    x, x_test = (np.divide(a, 255, dtype=np.float32).reshape(len(a), -1) for a in (x, x_test))
    y, y_test = y.astype(np.int64), y_test.astype(np.int64)
    return (x[HELD_OUT:], y[HELD_OUT:]), (x[:HELD_OUT], y[:HELD_OUT]), (x_test, y_test)


def job_tinynn(epochs: int, folder: Path, seconds: dict[str, float]) -> float:
    """Train with Trainer.fit; save_model checks what it wrote."""
    from tinynn import Adam, CrossEntropy, Dense, ReLU, Sequential, Softmax, Trainer, save_model
    from tinynn.metrics import accuracy

    with timed("load", seconds):
        train, held_out, (x_test, y_test) = loaded()
    with timed("train", seconds):
        hidden = [part for size in SIZES[1:-1] for part in (Dense(size), ReLU())]
        model = Sequential([*hidden, Dense(SIZES[-1]), Softmax()], input_shape=(SIZES[0],))
        trainer = Trainer(model, CrossEntropy(), Adam())
        trainer.fit(*train, epochs=epochs, batch_size=BATCH, validation_data=held_out)
    with timed("predict", seconds):
        p = model.predict(x_test)
    save_model(model, folder / "model.npz")
    return accuracy(p, y_test)


def job_torch(epochs: int, folder: Path, seconds: dict[str, float]) -> float:
    """Train with a hand-written loop, as PyTorch expects, on tensors in memory; fused Adam."""
    import torch
    from torch import nn

    torch.set_flush_denormal(True)
    with timed("load", seconds):
        (x, y), (x_val, y_val), (x_test, y_test) = (
            tuple(map(torch.from_numpy, data)) for data in loaded()
        )
    with timed("train", seconds):
        parts = [part for pair in pairwise(SIZES) for part in (nn.Linear(*pair), nn.ReLU())]
        model = nn.Sequential(*parts[:-1])  # no ReLU after the last layer
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        for _ in range(epochs):
            total = torch.zeros(())
            for batch in torch.randperm(len(x)).split(BATCH):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                total += loss.detach()
            with torch.no_grad():
                nn.functional.cross_entropy(model(x_val), y_val)
    with timed("predict", seconds), torch.no_grad():
        p = model(x_test).softmax(1)
    torch.save(model.state_dict(), folder / "model.pt")
    return (p.argmax(1) == y_test).float().mean().item()


def job_keras(epochs: int, folder: Path, seconds: dict[str, float]) -> float:
    """Train with fit, on TensorFlow, 20 steps a compiled call."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import keras

    with timed("load", seconds):
        train, held_out, (x_test, y_test) = loaded()
    with timed("train", seconds):
        hidden = [keras.layers.Dense(size, activation="relu") for size in SIZES[1:-1]]
        last = keras.layers.Dense(SIZES[-1], activation="softmax")
        model = keras.Sequential([keras.Input((SIZES[0],)), *hidden, last])
        model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=20)
        model.fit(*train, BATCH, epochs, verbose=0, validation_data=held_out)
    with timed("predict", seconds):
        p = model.predict(x_test, batch_size=1024, verbose=0)
    model.save(folder / "model.keras")
    return float((p.argmax(1) == y_test).mean())


JOBS: dict[str, Callable[[int, Path, dict[str, float]], float]] = {
    "tinynn": job_tinynn,
    "PyTorch": job_torch,
    "Keras": job_keras,
}


def run(command: list[str]) -> tuple[float, float, str]:
    """Run to the end; return seconds, megabytes at the peak, and the last line that it printed."""
    began = perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    per_megabyte = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts bytes, Linux kilobytes
    return seconds, usage.ru_maxrss / per_megabyte, lines[-1]


def import_milliseconds(module: str, folder: str) -> float:
    """Return the milliseconds in which a new process imports a module, with byte code in a folder.

    An installed package has byte code; some machines forbid Python to write it beside the source.
    """
    program = (
        f"from time import perf_counter as t; a = t(); import {module}; print(1000 * (t() - a))"
    )
    env = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = folder
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, env=env, capture_output=True, check=True).stdout)


def main() -> None:
    """Run the jobs in turns, then print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--job", choices=JOBS, help="run this one here, print its numbers")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if args.job:
            seconds: dict[str, float] = {}
            score = JOBS[args.job](args.epochs, Path(name), seconds)
            print(json.dumps({"accuracy": score, **seconds}))
            return
        done: dict[str, list[dict[str, float]]] = {}
        whole = [sys.executable, str(EXAMPLE), "--epochs", str(args.epochs), "--out", f"{name}/run"]
        for turn in range(args.rounds):
            for job in JOBS:
                command = [sys.executable, __file__, "--epochs", str(args.epochs), "--job", job]
                try:
                    seconds_all, megabytes, line = run(command)
                except subprocess.CalledProcessError:
                    print(f"left out: {job}")
                    continue
                figures = {"all": seconds_all, "MB": megabytes, **json.loads(line)}
                done.setdefault(job, []).append(figures)
            seconds_all, megabytes, _ = run(whole)
            done.setdefault(EXAMPLE.name, []).append({"all": seconds_all, "MB": megabytes})
            print(f"round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
    columns = ("all", "load", "train", "predict", "MB", "accuracy")
    print(f"medians of {args.rounds}; seconds, megabytes\n{'':16}", end="")
    print("".join(f"{column:>10}" for column in columns))
    for job, results in done.items():
        print(f"{job:16}", end="")
        for column in columns:
            digits = 0 if column == "MB" else 3
            figures = [result[column] for result in results if column in result]
            print(f"{median(figures):10.{digits}f}" if figures else " " * 10, end="")
        print()
    with tempfile.TemporaryDirectory() as name:
        modules = ("numpy", "tinynn")
        turns = [[import_milliseconds(module, name) for module in modules] for _ in range(12)]
    numpy_ms, tinynn_ms = (median(column[1:]) for column in zip(*turns, strict=True))
    print(f"import numpy {numpy_ms:.0f} ms, import tinynn {tinynn_ms:.0f} ms (medians of 11)")


if __name__ == "__main__":
    main()
