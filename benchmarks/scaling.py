"""How training speed changes with batch size, width and depth: tinynn, PyTorch and JAX.

    for each: batch size 1 to 4,096   784-512-256-128-10
              width 64 to 4,096       784-width-width-width-10, batch 32
              depth 1 to 32           784-(256, depth times)-10, batch 32

The frameworks take turns, --rounds times, each in a process of its own; a result is the median step
of the best round. The number of operations is known, so operations a second are known, too: a step
that is slow for its size would show as a fall of that number.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

if "tinynn" in sys.argv:
    import tinynn  # noqa: F401  before NumPy, as it asks

import numpy as np

SWEEPS = {
    "batch size": [4**i for i in range(7)],
    "width": [2**i for i in range(6, 13)],
    "depth": [2**i for i in range(6)],
}
FRAMEWORKS = {"tinynn": "tab:orange", "PyTorch": "tab:gray", "JAX": "tab:blue"}
LEAST_SECONDS, LEAST_STEPS = 0.5, 8  # of one measurement

Step = Callable[[], Any]  # one training step, on one batch that stays the same


def network(sweep: str, value: int) -> tuple[list[int], int]:
    """Return the widths, input first, and the batch size."""
    if sweep == "batch size":
        return [784, 512, 256, 128, 10], value
    hidden = [value] * 3 if sweep == "width" else [256] * value
    return [784, *hidden, 10], 32


def operations(sizes: list[int], batch: int) -> int:
    """Return the multiplications and additions in a step's products: out, dW, all dx but one."""
    weights = sum(n_in * n_out for n_in, n_out in pairwise(sizes))
    return 2 * batch * (3 * weights - sizes[0] * sizes[1])


def batch_of(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random arrays in the form of images from 0 to 1 and of classes."""
    rng = np.random.default_rng(0)
    return rng.random((size, 784), np.float32), rng.integers(0, 10, size)


def tinynn_step(sizes: list[int], batch: int) -> Step:
    """Return a step of tinynn."""
    from tinynn import Adam, CrossEntropy, Dense, ReLU, Sequential, Softmax

    hidden = [part for size in sizes[1:-1] for part in (Dense(size), ReLU())]
    model = Sequential([*hidden, Dense(sizes[-1]), Softmax()], input_shape=(sizes[0],))
    loss, optimizer = CrossEntropy(), Adam()
    x, y = batch_of(batch)

    def step() -> None:
        p = model.forward(x)
        loss.forward(p, y)
        model.backward(loss.backward(p, y))
        optimizer.step(model.params, model.grads)

    return step


def torch_step(sizes: list[int], batch: int) -> Step:
    """Return an eager step of PyTorch, with its fused Adam."""
    import torch
    from torch import nn

    torch.set_flush_denormal(True)
    parts = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    model = nn.Sequential(*parts[:-1])
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = map(torch.from_numpy, batch_of(batch))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def jax_step(sizes: list[int], batch: int) -> Step:
    """Return a compiled step of JAX, in which new weights replace the old ones."""
    import jax
    import jax.numpy as jnp
    import optax

    rng = np.random.default_rng(0)
    params = [
        (
            jnp.asarray(rng.normal(0, np.sqrt(2 / pair[0]), pair).astype(np.float32)),
            jnp.zeros(pair[1]),
        )
        for pair in pairwise(sizes)
    ]
    adam = optax.adam(1e-3)
    x, y = batch_of(batch)
    x, y = jnp.asarray(x), jnp.asarray(y.astype(np.int32))

    def loss_of(params: list, x: Any, y: Any) -> Any:
        *hidden, (W, b) = params
        for W_hidden, b_hidden in hidden:
            x = jax.nn.relu(x @ W_hidden + b_hidden)
        return optax.softmax_cross_entropy_with_integer_labels(x @ W + b, y).mean()

    def update(state: tuple, x: Any, y: Any) -> tuple:
        params, moments = state
        grads = jax.grad(loss_of)(params, x, y)
        updates, moments = adam.update(grads, moments)
        return optax.apply_updates(params, updates), moments

    compiled = jax.jit(update, donate_argnums=0)
    state = params, adam.init(params)

    def step() -> None:
        nonlocal state
        state = jax.block_until_ready(compiled(state, x, y))

    return step


STEPS = {"tinynn": tinynn_step, "PyTorch": torch_step, "JAX": jax_step}


def seconds_a_step(step: Step) -> float:
    """Return the median time of the steps of half a second, at least eight, after two untimed."""
    step()
    step()
    times: list[float] = []
    while len(times) < LEAST_STEPS or sum(times) < LEAST_SECONDS:
        began = perf_counter()
        step()
        times.append(perf_counter() - began)
    return median(times)


def measure(framework: str) -> Iterator[tuple[str, int, float]]:
    """Yield a sweep, its value, and the seconds of a step."""
    for sweep, values in SWEEPS.items():
        for value in values:
            yield sweep, value, seconds_a_step(STEPS[framework](*network(sweep, value)))


def rows_of(best: dict[tuple[str, str, int], float]) -> list[dict[str, Any]]:
    """Return the rows of the CSV, one for each measurement."""
    rows = []
    for (framework, sweep, value), seconds in best.items():
        sizes, batch = network(sweep, value)
        rows.append(
            {
                "framework": framework,
                "sweep": sweep,
                "value": value,
                "ms_a_step": round(1e3 * seconds, 4),
                "images_a_second": round(batch / seconds),
                "gflops": round(operations(sizes, batch) / seconds / 1e9, 2),
            }
        )
    return rows


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw images a second against each of the three; dotted: if only the arithmetic counted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, all_axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    titles = ("784-512-256-128-10", "784-w-w-w-10, batch 32", "784-(256, d times)-10, batch 32")
    for axes, (sweep, values), title in zip(all_axes, SWEEPS.items(), titles, strict=True):
        for framework, colour in FRAMEWORKS.items():
            own = [r for r in rows if (r["framework"], r["sweep"]) == (framework, sweep)]
            axes.plot(
                [r["value"] for r in own],
                [r["images_a_second"] for r in own],
                marker="o",
                markersize=4,
                color=colour,
                label=framework,
            )
        if sweep != "batch size":  # in a larger network each image needs more arithmetic
            last = [r for r in rows if (r["framework"], r["sweep"]) == ("tinynn", sweep)][-1]
            work = [operations(*network(sweep, value)) for value in values]
            limit = [last["images_a_second"] * work[-1] / w for w in work]
            axes.plot(values, limit, ":", color="black", linewidth=1, label="as the arithmetic")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.set_xlabel(sweep)
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    all_axes[0].set_ylabel("images a second")
    figure.suptitle("Training speed: forward, loss, backward and Adam")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the frameworks in turns, keep the best rounds, write scaling.csv and scaling.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for scaling.csv, .png")
    parser.add_argument("--framework", choices=FRAMEWORKS, help="run this one here, print its rows")
    args = parser.parse_args()
    if args.framework:
        print(json.dumps(list(measure(args.framework))))
        return
    best: dict[tuple[str, str, int], float] = {}
    for turn in range(args.rounds):
        for framework in FRAMEWORKS:
            command = [sys.executable, __file__, "--framework", framework]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"left out: {framework} ({done.stderr.strip().splitlines()[-1]})")
                continue
            for sweep, value, seconds in json.loads(done.stdout.splitlines()[-1]):
                key = framework, sweep, value
                best[key] = min(seconds, best.get(key, seconds))
            print(f"round {turn + 1} of {args.rounds}: {framework}", file=sys.stderr, flush=True)
    rows = rows_of(best)
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "scaling.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    picture(rows, args.out / "scaling.png")


if __name__ == "__main__":
    main()
