"""What the programs that train on Fashion-MNIST share: their flags, and each phase but the network.

    load -> preprocess -> [ model -> train ] -> save -> verify -> evaluate -> plot -> predict
                          in the program itself

fashion_mlp.py and fashion_cnn.py read top to bottom: they build the network, choose loss and
optimizer, and call fit. What they do before and after that stands here, once.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import FrameType

import tinynn  # before NumPy: tinynn/__init__.py says why

# isort: split
import numpy as np
from run_folder import CHECKPOINT, open_run_folder

from tinynn import CosineDecay, Loss, RunPage, Sequential, Trainer, datasets, plots
from tinynn.datasets import CLASS_NAMES
from tinynn.datasets.fashion_mnist import SHA256
from tinynn.datasets.idx import idx_bytes
from tinynn.files.atomic import whole_file, without_tilde
from tinynn.metrics import format_confusion, most_confused
from tinynn.page.provenance import command_line, commit
from tinynn.page.scored import write_test_data
from tinynn.parameters import Array
from tinynn.training.run import Run

Samples = tuple[Array, Array]  # images and their targets

DECIDED_BY = {  # what a run that is resumed must have as before, and the option that decides it
    "optimizer.learning_rate:": "--schedule and --learning-rate",
    "optimizer.learning_rate.": "--learning-rate",
    "optimizer.learning_rate at": "--epochs",
    "loss.label_smoothing": "--label-smoothing",
    "batch_size": "--batch-size",
    "seed": "--seed",
}
PAGE = "report.html"


class Job:
    """One run: its options, data and folder, the seconds of each phase, and what went wrong.

    The methods stand in the order in which a program calls them. Those that end the program tell
    the reason, and how to go on.
    """

    launcher: Sequence[str] = ()  # what stands before python in the command, such as mpiexec -n 2

    def __init__(self, args: argparse.Namespace) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # a path may have letters it cannot encode
            sys.stdout.reconfigure(errors="backslashreplace")
        self.args = args
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []  # pictures
        self.doctor = tinynn.Doctor()
        self.interruption = StopOnSignal()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Print a heading; at the end of the phase, note its seconds."""
        print(f"\n== {name}", flush=True)
        began = perf_counter()
        yield
        self.seconds[name] = round(perf_counter() - began, 3)

    def load(self) -> datasets.Dataset:
        """Return the images and labels of training and test: all, or the sample."""
        data = load(self.args)
        (x_train, _), (x_test, _) = data
        print(f"{len(x_train):,} training and {len(x_test):,} test images, from {data.source}")
        self.origin = {  # what metrics.json and the page say of how the run came about
            "command": command_line(),
            "commit": commit(),
            "data_source": data.source,
            "data_sha256": checksums(data),
        }
        return data

    def open_folder(self, images: int) -> None:
        """Take the folder of the run; only now: a wrong option leaves an earlier run in place."""
        args = self.args
        self.held_out = args.validation_size or images // 12
        if not 0 < self.held_out < images:
            sys.exit(
                f"error: {self.held_out:,} of {images:,} images cannot be held out of training"
            )
        try:
            self.out, self.lock, self.checkpoint = open_run_folder(
                args.out, args.resume, args.data_dir
            )
        except OSError as error:
            sys.exit(f"error: --out {args.out} cannot be used: {error}")

    def preprocess(self, data: datasets.Dataset) -> tuple[Samples, Samples, Samples]:
        """Return (x, y) to learn from, (x, y) held out for validation, (x, labels) for the test."""
        (x_train, y_train), (x_test, y_test) = data
        rng = np.random.default_rng(self.args.seed)
        rest, drawn = tinynn.stratified_split(y_train, self.held_out, rng)
        x, y = tinynn.scale_pixels(x_train[rest]), tinynn.one_hot(y_train[rest], 10)
        x_val, y_val = tinynn.scale_pixels(x_train[drawn]), tinynn.one_hot(y_train[drawn], 10)
        print(f"{len(x):,} images to learn from, {len(x_val):,} held out for validation")
        print(f"x {x.shape} {x.dtype}, {x.min():g} to {x.max():g};  y {y.shape} {y.dtype}, one-hot")
        self.samples = {"train": len(x), "val": len(x_val), "test": len(x_test)}
        self.test_images = x_test
        return (x, y), (x_val, y_val), (tinynn.scale_pixels(x_test), y_test)

    def callbacks(self) -> list[tinynn.Callback]:
        """Return what watches and saves the training; none of it changes the training."""
        print(f"To watch it in a browser, open {self.out / PAGE}", flush=True)
        about = {**self.origin, "schedule": self.args.schedule}
        return [
            tinynn.CSVLogger(self.out / "log.csv"),
            tinynn.ProgressBar(),
            tinynn.PrintLog(),
            self.doctor,
            self.interruption,
            RunPage(self.out / PAGE, about),
            tinynn.Checkpoint(self.out / CHECKPOINT, every_steps=self.args.checkpoint_steps),
        ]

    @contextmanager
    def interruptible(self, trainer: Trainer) -> Iterator[None]:
        """Around fit: an error, or a signal, ends the program and loses no step."""
        try:
            yield
        except BrokenPipeError:  # handled by `run`, with those of other phases
            raise
        except (ArithmeticError, OSError, ValueError) as error:
            options = [option for name, option in DECIDED_BY.items() if f"\n  {name}" in str(error)]
            sys.exit(f"error: {error}" + "".join(f"\nGive {each} as before." for each in options))
        if self.interruption.signal:
            self.interrupted(trainer)
            sys.exit(128 + self.interruption.signal)
        print(f"Kept: the weights after epoch {trainer.epoch}, the last.")

    def interrupted(self, trainer: Trainer) -> None:
        """Say what is kept of a training that has not come to its end, and how to go on."""
        say_how_to_go_on(trainer, self.launcher)

    def save(self, model: Sequential) -> None:
        """Save the model, before all else: if a later phase fails, it is there."""
        path = self.out / "model.npz"
        tinynn.save_model(model, path)
        print(f"{path}, {path.stat().st_size:,} bytes")

    def verify(self, model: Sequential, x_test: Array) -> Array:
        """Load the file into a new model and compare all there is; a difference ends the program.

        Return what both predict for the test images.
        """
        path = self.out / "model.npz"
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

    def evaluate(self, loss: Loss, p_test: Array, y_test: Array) -> dict[str, float]:
        """Return test loss and accuracy; print them for each class, and what is confused."""
        test = {
            "loss": loss.for_evaluation().forward(p_test, y_test),
            "accuracy": tinynn.accuracy(p_test, y_test),
        }
        self.draw("test.npz", write_test_data, p_test, y_test, CLASS_NAMES, self.test_images)
        matrix = tinynn.confusion_matrix(p_test, y_test, classes=10)
        print(f"test loss {test['loss']:.4f}, test accuracy {test['accuracy']:.4f}\n")
        print(tinynn.per_class_report(p_test, y_test, CLASS_NAMES), end="\n\n")
        print(format_confusion(matrix, CLASS_NAMES), end="\n\n")
        print("most confused:", *most_confused(matrix, CLASS_NAMES), sep="\n  ")
        self.draw("confusion.png", plots.confusion, matrix, CLASS_NAMES)
        return test

    def draw(self, name: str, draw: Callable[..., object], *arguments: object) -> None:
        """Draw a picture, or write what the page is made of, or the page itself.

        If it fails, for whatever reason, say so; the next may succeed.
        """
        path = self.out / name
        try:
            draw(*arguments, path=path)
        except Exception as error:  # a broken matplotlib can raise anything
            self.failed.append(name)
            done = "DRAWN" if path.suffix == ".png" else "WRITTEN"
            print(f"{path} COULD NOT BE {done}. {type(error).__name__}: {error}", flush=True)
        else:
            print(path)

    def diagnose(self) -> None:
        """Print what the doctor says of the training, and draw what it is based on."""
        self.health = self.doctor.report() if self.doctor.record.steps else None
        if self.health is not None:  # None: resumed after its end
            self.draw("health.png", self.health.figure)
            print(f"What the doctor says of this training:\n\n{self.health}")

    def show_predictions(self, x_test: Array, p_test: Array, y_test: Array) -> None:
        """Draw the first test images with their predictions, and the surest mistakes."""
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
            self.draw(name, plots.prediction_grid, images, p, CLASS_NAMES, y, title)

    def end(self, trainer: Trainer, test: dict[str, float], **settings: object) -> None:
        """Write metrics.json, and the page: figures of the test and the last epoch, settings.

        settings: those that this program alone has.
        """
        args, health, history, samples = self.args, self.health, trainer.history, self.samples
        metrics = {
            "test_accuracy": test["accuracy"],
            "test_loss": test["loss"],
            "train": {"samples": samples["train"], **of_last_epoch(history, "")},
            "val": {"samples": samples["val"], **of_last_epoch(history, "val_")},
            "test": {"samples": samples["test"], **test},
            "problems": None if health is None else [found.title for found in health.problems],
            "notes": None if health is None else [found.title for found in health.notes],
            **self.origin,
            "resumed": args.resume and self.checkpoint is not None,
            "seed": args.seed,
            "epochs": len(history.epochs),
            "batch_size": args.batch_size,
            "learning_rate": args.learning_rate,
            "schedule": args.schedule,
            "label_smoothing": args.label_smoothing,
            **settings,
            "parameters": trainer.model.params.size,
            "versions": {
                "tinynn": tinynn.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "seconds": self.seconds,
        }
        with whole_file(self.out / "metrics.json") as file:
            file.write(json.dumps(metrics, indent=2).encode() + b"\n")
        self.draw(PAGE, tinynn.write_page, self.out)
        what = f"All but {', '.join(self.failed)}" if self.failed else "Everything"
        print(f"\nTest accuracy {test['accuracy']:.4f}. {what} is in {self.out}.")
        self.lock.close()
        if self.failed:
            sys.exit(3)


def flags(
    description: str,
    out: str,
    *,
    epochs: int | None,
    batch_size: int,
    learning_rate: float | dict[str, float],
    label_smoothing: float,
    optimizer: str,
    warm_up: str,
) -> argparse.ArgumentParser:
    """Return a parser of the flags that all have; a program gives its defaults, and adds its own.

    epochs: None if the program's flag --size decides. learning_rate: or one for each schedule; then
    the option is None if it is not given. warm_up: the part in which the rate rises.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Exit status: 0, all went well; 1, an error; 3, some pictures could not be drawn, "
        "but all else is done; 130 or 143, ended by a signal.",
    )
    add, by_schedule = parser.add_argument, ""
    if isinstance(learning_rate, dict):
        by_schedule = ", ".join(f"{r:g} if {schedule}" for schedule, r in learning_rate.items())
    add(
        "--epochs",
        type=whole(1),
        default=epochs,
        metavar="N",
        help="passes over the training images; the weights of the last are kept "
        f"(default: {'by --size' if epochs is None else '%(default)s'})",
    )
    add(
        "--batch-size",
        type=whole(1),
        default=batch_size,
        metavar="N",
        help="images in a training step (default: %(default)s)",
    )
    add(
        "--learning-rate",
        type=positive,
        default=None if isinstance(learning_rate, dict) else learning_rate,
        metavar="R",
        help=f"of {optimizer}: about how far a weight moves in a step; the highest, if it changes "
        f"(default: {by_schedule or '%(default)s'})",
    )
    add(
        "--schedule",
        choices=("cosine", "constant"),
        default="cosine",
        help=f"how the learning rate changes: cosine, it rises in the first {warm_up}, then falls "
        "to 0 as half a cosine; constant, it stays (default: %(default)s)",
    )
    add(
        "--label-smoothing",
        type=share,
        default=label_smoothing,
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
        default=Path(out),
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
    return parser


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


def checksums(data: datasets.Dataset) -> dict[str, str]:
    """Return the SHA-256 of each file of the data set, decompressed."""
    arrays = [array for pair in data for array in pair]
    return {
        name: hashlib.sha256(idx_bytes(array)).hexdigest()
        for name, array in zip(SHA256, arrays, strict=True)
    }


def learning_rate(
    args: argparse.Namespace, steps_per_epoch: int, warmup: int, warmup_steps: str
) -> float | CosineDecay:
    """Return what the options ask for, and announce it. warmup_steps: the warm-up in words."""
    peak = args.learning_rate
    if args.schedule == "constant":
        print(f"Learning rate: {peak:g} in all steps.")
        return peak
    falls = f", then falls to 0 as half a cosine, by the end of epoch {args.epochs}"
    ends = warmup < args.epochs * steps_per_epoch
    print(f"Learning rate: rises to {peak:g} in the {warmup_steps}{falls if ends else ''}.")
    return CosineDecay(peak, warmup=warmup)


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
        for page in trainer.callbacks:
            if isinstance(page, RunPage) and self.signal:
                page.reason = f"a signal came, {signal.Signals(self.signal).name}"
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def say_how_to_go_on(trainer: Trainer, launcher: Sequence[str] = ()) -> None:
    """Print to standard error: Ctrl-C may have ended what reads standard output, such as tee."""
    flags = [flag for flag in sys.argv if flag != "--resume"]
    quoted = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    again = quoted([*launcher, sys.executable, *flags, "--resume"])
    where = f"in epoch {trainer.epoch}, after step {trainer.step:,}"
    if not trainer.step:
        kept = "before the first step, so there is nothing to keep"
    elif trainer.checkpoint.endswith(f", step {trainer.step}"):
        kept = f"{where}; all is kept"
    else:  # another program held the file
        kept = f"{where}; kept is {trainer.checkpoint or 'nothing'}"
    print(f"Interrupted {kept}.\nGo on with: {again}", file=sys.stderr)


def of_last_epoch(history: tinynn.History, prefix: str) -> dict[str, float]:
    return {name: history[prefix + name][-1] for name in ("loss", "accuracy")}


def run(main: Callable[[], None]) -> None:
    """Run a program; whatever ends it early becomes a line and an exit status."""
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
