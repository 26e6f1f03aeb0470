"""Test accuracy of recipes over seeds: mean, standard deviation, and paired differences.

    python benchmarks/accuracy.py                                    plain, cosine, smoothing
    python benchmarks/accuracy.py --recipes plain cosine --seeds 0 1 2

A recipe says how the network of the main job is trained; the weights after its last epoch are
scored, so no epoch is chosen. A seed decides the first weights, the order of samples and which
images are held out, in all recipes alike: so the difference of two recipes is taken seed by seed,
and its standard error is that of the mean of these differences.

For a choice between recipes read the column of validation. The test images are scored once for each
recipe and seed, after training. Each row is written to --csv when its run ends; a run that is in
the file already is skipped, so an interrupted benchmark goes on where it was. A row says in its
column `settings` what the recipe was, so a recipe that has been changed is run again.
"""

import argparse
import csv
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Any

import tinynn  # before NumPy, as it asks

# isort: split
import numpy as np

from tinynn import (
    Adam,
    AdamW,
    BatchNorm,
    CosineDecay,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    Layer,
    ProgressBar,
    RandomFlip,
    RandomShift,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    accuracy,
    datasets,
)
from tinynn.parameters import Array
from tinynn.threads import blas_pools

COLUMNS = (
    "recipe", "epochs", "sample", "seed", "validation_accuracy", "test_accuracy", "test_loss",
    "minutes", "threads", "settings",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the defaults are those of the main job without a schedule."""

    units: tuple[int, ...] = (512, 256, 128)
    epochs: int = 15
    batch_size: int = 32
    learning_rate: float = 1e-3
    label_smoothing: float = 0.0
    cosine: bool = False  # a warm-up of one epoch, then half a cosine down to 0
    flip: bool = False
    shift: int = 0  # pixels
    batch_norm: bool = False  # before each ReLU
    dropout: float = 0.0  # after each ReLU
    decay: float = 0.0  # of the weights
    mirror: bool = False  # the answer is the mean over the image and its mirror image

    def settings(self) -> str:
        """Return all that the recipe says, for the file: "units=(512, 256, 128), epochs=15"..."""
        return ", ".join(f"{name}={value}" for name, value in asdict(self).items())

    def model(self, seed: int) -> Sequential:
        layers: list[Layer] = [RandomFlip()] if self.flip else []
        layers += [RandomShift(self.shift)] if self.shift else []
        layers += [Flatten()]
        for n in self.units:
            layers += [Dense(n, bias=False), BatchNorm()] if self.batch_norm else [Dense(n)]
            layers += [ReLU(), *([Dropout(self.dropout)] if self.dropout else [])]
        return Sequential([*layers, Dense(10), Softmax()], input_shape=(28, 28), seed=seed)

    def answers(self, model: Sequential, images: Array) -> Array:
        """Return the probabilities of each image."""
        x = tinynn.scale_pixels(images)
        p = model.predict(x)
        return (p + model.predict(x[:, :, ::-1])) / 2 if self.mirror else p

    def loss(self) -> CrossEntropy:
        return CrossEntropy(label_smoothing=self.label_smoothing)

    def optimizer(self, samples: int) -> Adam:
        rate: float | CosineDecay = self.learning_rate
        if self.cosine:
            rate = CosineDecay(self.learning_rate, warmup=-(-samples // self.batch_size))
        return AdamW(rate, weight_decay=self.decay) if self.decay else Adam(rate)


PLAIN = Recipe()
COSINE = replace(PLAIN, cosine=True, learning_rate=7e-4)
RECIPES = {
    "plain": PLAIN,  # examples/fashion_mlp.py --schedule constant
    "cosine": COSINE,  # examples/fashion_mlp.py
    "smoothing": replace(COSINE, label_smoothing=0.1),  # --label-smoothing 0.1
    "best": replace(  # of the trials in README.md; for as long as it takes
        COSINE,
        epochs=60,
        batch_size=64,
        learning_rate=2e-3,
        label_smoothing=0.1,
        flip=True,
        batch_norm=True,
        dropout=0.1,
        decay=0.05,
        mirror=True,
    ),
}


def main() -> None:
    """Run what is not in the file yet, and print the table."""
    args = arguments()
    try:
        data = datasets.load_sample() if args.sample else datasets.load_fashion_mnist(args.data_dir)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    rows = read(args.csv)
    asked = []  # the rows of this table
    for seed in args.seeds:  # all recipes of a seed, then the next: the pairs are soon complete
        for name in args.recipes:
            recipe = RECIPES[name]
            recipe = replace(recipe, epochs=args.epochs or recipe.epochs)
            key = {"recipe": name, "sample": args.sample, "seed": seed}
            key["settings"] = recipe.settings()
            done = [row for row in rows if key.items() <= row.items()]
            if not done:
                print(f"{name}, seed {seed}, {recipe.epochs} epochs", flush=True)
                done = [{**key, "epochs": recipe.epochs, **run(recipe, seed, data)}]
                rows += done
                write(args.csv, rows)
            asked += done
    print(table(asked, args.recipes))


def run(recipe: Recipe, seed: int, data: datasets.Dataset) -> dict[str, Any]:
    """Train once, as examples/fashion_mlp.py does; score what the last epoch left."""
    began = perf_counter()
    (images, labels), (x_test, y_test) = data
    rest, drawn = tinynn.stratified_split(labels, len(images) // 12, np.random.default_rng(seed))
    x, y = tinynn.scale_pixels(images[rest]), tinynn.one_hot(labels[rest], 10)
    model, loss = recipe.model(seed), recipe.loss()
    trainer = Trainer(model, loss, recipe.optimizer(len(x)), seed=seed)
    trainer.fit(x, y, recipe.epochs, recipe.batch_size, callbacks=[ProgressBar()])
    p_test = recipe.answers(model, x_test)
    return {
        "validation_accuracy": accuracy(recipe.answers(model, images[drawn]), labels[drawn]),
        "test_accuracy": accuracy(p_test, y_test),
        "test_loss": CrossEntropy().forward(p_test, y_test),
        "minutes": round((perf_counter() - began) / 60, 2),
        "threads": max((pool["num_threads"] for pool in blas_pools()), default=1),
    }


def table(rows: list[dict[str, Any]], names: list[str]) -> str:
    """Return the means of each recipe, and its differences from the first, seed by seed."""
    of = {name: {row["seed"]: row for row in rows if row["recipe"] == name} for name in names}
    lines = [f"{'recipe':<12}{'seeds':>6}{'validation':>12}{'test':>9}{'std':>9}{'lowest':>9}"
             f"{'highest':>9}{'minutes':>9}"]  # fmt: skip
    for name, runs in of.items():
        if runs:
            test, held_out, minutes = (
                [row[column] for row in runs.values()]
                for column in ("test_accuracy", "validation_accuracy", "minutes")
            )
            lines.append(
                f"{name:<12}{len(runs):>6}{mean(held_out):>12.4f}{mean(test):>9.4f}"
                f"{deviation(test):>9.4f}{min(test):>9.4f}{max(test):>9.4f}{mean(minutes):>9.1f}"
            )
    lines += ["", "differences, seed by seed: mean and its standard error"]
    for column in ("validation_accuracy", "test_accuracy"):
        for name in names[1:]:
            pairs = sorted(of[names[0]].keys() & of[name].keys())
            if pairs:
                gains = [of[name][seed][column] - of[names[0]][seed][column] for seed in pairs]
                error = deviation(gains) / math.sqrt(len(gains))
                what = f"{name} - {names[0]}, {column.replace('_', ' ')}"
                lines.append(f"{what:<46}{mean(gains):>+9.4f} +- {error:.4f}, {len(pairs)} seeds")
    return "\n".join(lines)


def deviation(values: list[float]) -> float:
    """Return the standard deviation, with n - 1; NaN for a single value."""
    return stdev(values) if len(values) > 1 else math.nan


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows that earlier runs have written."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            sys.exit(
                f"error: {path} has other columns than {', '.join(COLUMNS)}. Move it away, or "
                "write to another file: --csv."
            )
        return [typed(row) for row in reader]


def typed(row: dict[str, str]) -> dict[str, Any]:
    """Return a row of the file with numbers as numbers."""
    whole = {name: int(row[name]) for name in ("epochs", "seed", "threads")}
    fractions = {name: float(row[name]) for name in COLUMNS[4:8]}
    return {**row, "sample": row["sample"] == "True", **whole, **fractions}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write all rows, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


def from_least(least: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number, `least` or more."""

    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number, {least} or more: {text!r}")
        return int(text)

    return whole


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description="Compare recipes of the main job over seeds.")
    add = parser.add_argument
    add("--recipes", nargs="+", choices=[*RECIPES], default=["plain", "cosine", "smoothing"],
        help="each is compared with the first (default: %(default)s)")  # fmt: skip
    add("--seeds", nargs="+", type=from_least(0), default=[0, 1, 2, 3, 4], help="default: 0 to 4")
    add("--epochs", type=from_least(1), help="for a trial (default: each recipe's own)")
    add("--sample", action="store_true", help="for a trial: the 6,000 images of the sample")
    add("--data-dir", type=Path, help="folder with the four IDX files")
    add("--csv", type=Path, default=Path("runs/accuracy.csv"), help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
