"""Train 784-512-256-128-10 on Fashion-MNIST; save it, check the file, show how it learned, use it.

    python examples/fashion_mlp.py              15 epochs on the 60,000 images, a minute or two
    python examples/fashion_mlp.py --sample     on the 6,000 that come with tinynn, some seconds

The learning rate rises in the first epoch, then falls to 0 as half a cosine; the weights after the
last epoch are kept. With --schedule constant, the plain recipe, the rate stays as it is.

All files of a run are written under --out. log.csv grows while the run trains: watch it with
`tail -f`, or draw it with examples/compare_runs.py.

The exit status is 0 if all went well, 1 for an error, 3 if some pictures could not be drawn
but all else is done, 130 or 143 if a signal ended the run.
"""

import argparse
import io
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import FrameType

import tinynn  # before NumPy: tinynn/__init__.py says why

# isort: split
import numpy as np
from run_folder import CHECKPOINT, open_run_folder

from tinynn import (
    Adam,
    CosineDecay,
    CrossEntropy,
    Dense,
    Flatten,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    plots,
)
from tinynn.datasets import CLASS_NAMES
from tinynn.files.atomic import whole_file, without_tilde
from tinynn.metrics import format_confusion, most_confused
from tinynn.parameters import Array
from tinynn.training.run import Run

DECIDED_BY = {  # what a run that is resumed must have as before, and the option that decides it
    "optimizer.learning_rate:": "--schedule and --learning-rate",
    "optimizer.learning_rate.": "--learning-rate",
    "optimizer.learning_rate at": "--epochs",
    "loss.label_smoothing": "--label-smoothing",
    "batch_size": "--batch-size",
    "seed": "--seed",
}


def main() -> None:
    args = arguments()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may have letters it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    seconds: dict[str, float] = {}

    with phase("load", seconds):
        data = load(args)
        (x_train, y_train), (x_test, y_test) = data
        print(f"{len(x_train):,} training and {len(x_test):,} test images, from {data.source}")

    held_out = args.validation_size or len(x_train) // 12
    if not 0 < held_out < len(x_train):
        sys.exit(f"error: {held_out:,} of {len(x_train):,} images cannot be held out of training")
    try:  # only now: if an option above is wrong, an earlier run stays where it is
        out, lock, checkpoint = open_run_folder(args.out, args.resume, args.data_dir)
    except OSError as error:
        sys.exit(f"error: --out {args.out} cannot be used: {error}")

    with phase("preprocess", seconds):
        rest, drawn = tinynn.stratified_split(y_train, held_out, np.random.default_rng(args.seed))
        x, y = tinynn.scale_pixels(x_train[rest]), tinynn.one_hot(y_train[rest], 10)
        x_val, y_val = tinynn.scale_pixels(x_train[drawn]), tinynn.one_hot(y_train[drawn], 10)
        x_test = tinynn.scale_pixels(x_test)
        print(f"{len(x):,} images to learn from, {len(x_val):,} held out for validation")
        print(f"x {x.shape} {x.dtype}, {x.min():g} to {x.max():g};  y {y.shape} {y.dtype}, one-hot")

    with phase("model", seconds):
        model = Sequential(
            [
                Flatten(),
                Dense(512), ReLU(),
                Dense(256), ReLU(),
                Dense(128), ReLU(),
                Dense(10), Softmax(),
            ],
            input_shape=(28, 28),
            seed=args.seed,
        )  # fmt: skip
        model.summary()

    with phase("train", seconds):
        rate = learning_rate(args, steps_per_epoch=-(-len(x) // args.batch_size))
        trainer = Trainer(model, CrossEntropy(args.label_smoothing), Adam(rate), seed=args.seed)
        doctor = tinynn.Doctor()
        interruption = StopOnSignal()
        callbacks = [
            tinynn.CSVLogger(out / "log.csv"),
            tinynn.ProgressBar(),
            tinynn.PrintLog(),
            doctor,
            interruption,
            tinynn.Checkpoint(out / CHECKPOINT, every_steps=args.checkpoint_steps),
        ]
        try:
            history = trainer.fit(
                x, y, args.epochs, args.batch_size, (x_val, y_val), callbacks, checkpoint
            )
        except BrokenPipeError:  # handled below, with those of other phases
            raise
        except (ArithmeticError, OSError, ValueError) as error:
            options = [option for name, option in DECIDED_BY.items() if f"\n  {name}" in str(error)]
            sys.exit(f"error: {error}" + "".join(f"\nGive {each} as before." for each in options))
        if interruption.signal:
            say_how_to_go_on(trainer)
            sys.exit(128 + interruption.signal)
        print(f"Kept: the weights after epoch {trainer.epoch}, the last.")

    with phase("save", seconds):  # before all else: if a later phase fails, the model is saved
        tinynn.save_model(model, out / "model.npz")
        print(f"{out / 'model.npz'}, {(out / 'model.npz').stat().st_size:,} bytes")

    with phase("verify", seconds):
        p_test = verify(model, out / "model.npz", x_test)

    pictures = Pictures()
    with phase("evaluate", seconds):
        test = {
            "loss": trainer.loss.for_evaluation().forward(p_test, y_test),
            "accuracy": tinynn.accuracy(p_test, y_test),
        }
        matrix = tinynn.confusion_matrix(p_test, y_test, classes=10)
        print(f"test loss {test['loss']:.4f}, test accuracy {test['accuracy']:.4f}\n")
        print(tinynn.per_class_report(p_test, y_test, CLASS_NAMES), end="\n\n")
        print(format_confusion(matrix, CLASS_NAMES), end="\n\n")
        print("most confused:", *most_confused(matrix, CLASS_NAMES), sep="\n  ")
        pictures.draw(out / "confusion.png", plots.confusion, matrix, CLASS_NAMES)

    with phase("plot", seconds):
        pictures.draw(out / "accuracy.png", plots.learning_curves, history)
        pictures.draw(out / "weights.png", plots.first_layer, model)
        health = doctor.report() if doctor.record.steps else None  # None: resumed after its end
        if health is not None:
            pictures.draw(out / "health.png", health.figure)
            print(f"What the doctor says of this training:\n\n{health}")

    with phase("predict", seconds):
        wrong = np.flatnonzero(p_test.argmax(axis=1) != y_test)
        worst = wrong[np.argsort(-p_test[wrong].max(axis=1), kind="stable")]
        for name, chosen, title in (
            ("predictions.png", np.arange(len(x_test))[:12], "The first test images"),
            ("worst.png", worst[:12], "Most sure, and wrong"),
        ):
            if not len(chosen):
                print(f"no {name}: not one test image is wrong")
                continue
            images, p, y = x_test[chosen], p_test[chosen], y_test[chosen]
            pictures.draw(out / name, plots.prediction_grid, images, p, CLASS_NAMES, y, title)

    metrics = {
        "test_accuracy": test["accuracy"],
        "test_loss": test["loss"],
        "train": {"samples": len(x), **of_last_epoch(history, "")},
        "val": {"samples": len(x_val), **of_last_epoch(history, "val_")},
        "test": {"samples": len(x_test), **test},
        "problems": None if health is None else [found.title for found in health.problems],
        "notes": None if health is None else [found.title for found in health.notes],
        "data_source": data.source,
        "resumed": args.resume and checkpoint is not None,
        "seed": args.seed,
        "epochs": len(history.epochs),
        "batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
        "schedule": args.schedule,
        "label_smoothing": args.label_smoothing,
        "parameters": model.params.size,
        "versions": {
            "tinynn": tinynn.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "seconds": seconds,
    }
    with whole_file(out / "metrics.json") as file:
        file.write(json.dumps(metrics, indent=2).encode() + b"\n")
    what = f"All but {', '.join(pictures.failed)}" if pictures.failed else "Everything"
    print(f"\nTest accuracy {test['accuracy']:.4f}. {what} is in {out}.")
    lock.close()
    if pictures.failed:
        sys.exit(3)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train a network on Fashion-MNIST, save it, verify it, show how it learned.",
        epilog="Exit status: 0, all went well; 1, an error; 3, some pictures could not be drawn, "
        "but all else is done; 130 or 143, ended by a signal.",
    )
    add = parser.add_argument
    add(
        "--epochs",
        type=whole(1),
        default=15,
        metavar="N",
        help="passes over the training images; the weights of the last are kept "
        "(default: %(default)s)",
    )
    add(
        "--batch-size",
        type=whole(1),
        default=32,
        metavar="N",
        help="images in a training step (default: %(default)s)",
    )
    add(
        "--learning-rate",
        type=positive,
        default=1e-3,
        metavar="R",
        help="of Adam: about how far a weight moves in a step; the highest, if it changes "
        "(default: %(default)s)",
    )
    add(
        "--schedule",
        choices=("cosine", "constant"),
        default="cosine",
        help="how the learning rate changes: cosine, it rises in the first epoch, then falls to 0 "
        "as half a cosine; constant, it stays (default: %(default)s)",
    )
    add(
        "--label-smoothing",
        type=share,
        default=0.0,
        metavar="S",
        help="the share of each training label that is given to all classes alike, below 1; "
        "figures on other images are without it (default: %(default)s)",
    )
    add(
        "--seed",
        type=whole(0),
        default=0,
        metavar="N",
        help="decides first weights, shuffling and the validation split (default: %(default)s)",
    )
    add(
        "--validation-size",
        type=whole(1),
        metavar="N",
        help="images held out of training for validation (default: a twelfth, 5000 of the 60000)",
    )
    add(
        "--data-dir",
        type=without_tilde,
        metavar="DIR",
        help="folder with the four IDX files (default: the usual places, then a download)",
    )
    add(
        "--sample",
        action="store_true",
        help="train on the 6000 images that come with tinynn (default: on all 60000)",
    )
    add(
        "--out",
        type=without_tilde,
        default=Path("runs/fashion_mlp"),
        metavar="DIR",
        help="folder for all files of the run; an earlier run in it is moved aside first "
        "(default: %(default)s)",
    )
    add(
        "--resume",
        action="store_true",
        help="go on with the run in --out until it has --epochs epochs; with --schedule cosine "
        "these must be as many as before (default: a new run)",
    )
    add("--checkpoint-steps", type=whole(1), default=500, metavar="N",
        help="steps between checkpoints; there is one after each epoch too (default: %(default)s)"
    )  # fmt: skip
    return parser.parse_args()


def whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number, {least} or more, got {text!r}"
            )
        return int(text)

    return parse


def share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1, got {text!r}")
    return number


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return number


@contextmanager
def phase(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Print a heading; at the end of the phase, note its seconds."""
    print(f"\n== {name}", flush=True)
    began = perf_counter()
    yield
    seconds[name] = round(perf_counter() - began, 3)


def load(args: argparse.Namespace) -> datasets.Dataset:
    if args.sample:
        return datasets.load_sample()
    try:
        return datasets.load_fashion_mnist(args.data_dir)
    except datasets.DatasetUnavailable as error:
        line = "!" * 78
        print(f"{line}\n{error}\n\nTRAINING ON THE SAMPLE of 6,000 images instead.\n{line}")
        return datasets.load_sample()
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


def learning_rate(args: argparse.Namespace, steps_per_epoch: int) -> float | CosineDecay:
    """Return what the options ask for, and announce it."""
    peak = args.learning_rate
    if args.schedule == "constant":
        print(f"Learning rate: {peak:g} in all steps.")
        return peak
    falls = f", then falls to 0 as half a cosine, by the end of epoch {args.epochs}"
    print(
        f"Learning rate: rises to {peak:g} in the {steps_per_epoch:,} steps of epoch 1"
        f"{falls if args.epochs > 1 else ''}."
    )
    return CosineDecay(peak, warmup=steps_per_epoch)


class StopOnSignal(tinynn.Callback):
    """On Ctrl-C or SIGTERM, end training after the step; on a second signal, end at once."""

    affects_training = False
    signal = 0  # the number of the signal that came

    def on_train_begin(self, trainer: Run) -> None:
        self.trainer = trainer
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        if trainer.resumed:
            print(f"Going on from epoch {trainer.epoch}, after step {trainer.step:,}.", flush=True)

    def stop(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self.trainer.stop = True
        signal.signal(number, signal.SIG_DFL)

    def on_train_end(self, trainer: Run) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def say_how_to_go_on(trainer: Trainer) -> None:
    """Print to standard error: Ctrl-C may have ended what reads standard output, such as tee."""
    flags = [flag for flag in sys.argv if flag != "--resume"]
    quoted = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    again = quoted([sys.executable, *flags, "--resume"])
    where = f"in epoch {trainer.epoch}, after step {trainer.step:,}"
    if not trainer.step:
        kept = "before the first step, so there is nothing to keep"
    elif trainer.checkpoint.endswith(f", step {trainer.step}"):
        kept = f"{where}; all is kept"
    else:  # another program held the file
        kept = f"{where}; kept is {trainer.checkpoint or 'nothing'}"
    print(f"Interrupted {kept}.\nGo on with: {again}", file=sys.stderr)


class Pictures:
    """Draw them one by one. If one fails, for whatever reason, say so and go on with the next."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def draw(self, path: Path, draw: Callable[..., object], *arguments: object) -> None:
        try:
            draw(*arguments, path=path)
        except Exception as error:  # a broken matplotlib can raise anything
            self.failed.append(path.name)
            print(f"{path} COULD NOT BE DRAWN. {type(error).__name__}: {error}", flush=True)
        else:
            print(path)


def verify(model: Sequential, path: Path, x_test: Array) -> Array:
    """Load the file into a new model and compare all there is; a difference ends the program.

    Return what both predict for the test images.
    """
    p_test = model.predict(x_test)
    loaded = tinynn.load_model(path)
    comparison = tinynn.compare_models(model, loaded)
    print(comparison)
    equal = loaded.predict(x_test).tobytes() == p_test.tobytes()
    print(
        f"{'identical' if equal else 'DIFFERENT'}: predictions on {len(x_test):,} test images, "
        f"{p_test.size:,} values, byte by byte"
    )
    if not (comparison.identical and equal):
        sys.exit(f"error: {path} does not hold the network that was trained")
    return p_test


def of_last_epoch(history: tinynn.History, prefix: str) -> dict[str, float]:
    return {name: history[prefix + name][-1] for name in ("loss", "accuracy")}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # as in `| head`: nobody reads the rest of the output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit("error: nobody reads the output of this program any more. Go on with --resume.")
    except OSError as error:  # what has been trained is in the checkpoint
        remedy = "Then" if isinstance(error, PermissionError) else "Free some space, then"
        sys.exit(f"error: {error}. {remedy} go on with --resume.")
