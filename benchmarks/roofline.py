"""The limits of this machine, and how far each part of tinynn's training step is from them.

    least time of a part = max(operations / most operations a second, bytes / most bytes a second)

The most operations and bytes a second are measured with NumPy itself: operations in products of
large square matrices, bytes in copies, in one thread or in all, whichever is faster.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import pairwise
from statistics import median
from time import perf_counter

import tinynn  # before NumPy, as it asks

# isort: split
import numpy as np
from contenders import BATCH, SIZES, WARM_UP

from tinynn import Adam, CrossEntropy, Dense, ReLU, Sequential, Softmax, datasets, scale_pixels

BYTES = 4  # of a float32
WEIGHTS = sum(n_in * n_out for n_in, n_out in pairwise(SIZES))
PARAMETERS = WEIGHTS + sum(SIZES[1:])
WORKED_ON = 4 * PARAMETERS * BYTES  # parameters, gradients and Adam's two vectors
COPIED = {"128 KiB": 2**16, "what a step works on": WORKED_ON // 2, "512 MiB": 2**28}  # bytes


def best_seconds(work: Callable[[], object], tries: int) -> float:
    """Return the shortest of some tries: a disturbance can only add time."""
    times = []
    for _ in range(tries):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return min(times)


def product_rate(n: int = 1536) -> float:
    """Return the most multiplications and additions a second, in products (n, n) @ (n, n)."""
    a, b, out = (np.ones((n, n), np.float32) for _ in range(3))
    return 2 * n**3 / best_seconds(lambda: np.matmul(a, b, out=out), tries=20)


def copy_rate(size: int, threads: int) -> float:
    """Return the most bytes a second, read and written, copying `size` bytes in some threads."""
    source = np.ones(size // BYTES, np.float32)
    target = np.zeros_like(source)
    pieces = list(zip(*(np.array_split(a, threads) for a in (target, source)), strict=True))
    often = max(1, 2**24 // size)  # in one try, or the work given to threads would be too short

    def copy(piece: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(often):
            np.copyto(*piece)

    with ThreadPoolExecutor(threads) as pool:
        seconds = best_seconds(lambda: list(pool.map(copy, pieces)), tries=20)
    return 2 * size * often / seconds


def parts_of_a_step(steps: int) -> dict[str, float]:
    """Return seconds by part: the medians of a real run's steps."""
    (images, y), _ = datasets.load_fashion_mnist()
    x = scale_pixels(images).reshape(len(images), -1)
    layers = [Dense(512), ReLU(), Dense(256), ReLU(), Dense(128), ReLU(), Dense(10), Softmax()]
    model, loss, optimizer = Sequential(layers, input_shape=(SIZES[0],)), CrossEntropy(), Adam()
    batches = tinynn.minibatches(x, y, BATCH, np.random.default_rng(0))
    times = []
    for _ in range(steps):
        clock = [perf_counter()]
        batch_x, batch_y = next(batches)
        clock.append(perf_counter())
        p = model.forward(batch_x)
        clock.append(perf_counter())
        loss.forward(p, batch_y)
        dp = loss.backward(p, batch_y)
        clock.append(perf_counter())
        model.backward(dp)
        clock.append(perf_counter())
        optimizer.step(model.params, model.grads)
        clock.append(perf_counter())
        times.append([end - start for start, end in pairwise(clock)])
    names = ("gather", "forward", "loss", "backward", "optimizer")
    columns = zip(*times[WARM_UP:], strict=True)
    return dict(zip(names, map(median, columns), strict=True))


def least_times(operations: float, memory: float, cache: float) -> dict[str, float]:
    """Return the least seconds by part.

    operations: a second, in products. memory, cache: bytes a second, of copies too large for any
    cache, and of copies within as many bytes as a step works on.
    """
    forward = 2 * BATCH * WEIGHTS  # a multiplication and an addition for each weight and sample
    backward = 2 * forward - 2 * BATCH * SIZES[0] * SIZES[1]  # dW and dx, but no dx of the images
    weights = PARAMETERS * BYTES
    return {
        "gather": 2 * BATCH * SIZES[0] * BYTES / memory,  # read and written
        "forward": max(forward / operations, weights / cache),
        "loss": 4 * BATCH * SIZES[-1] * BYTES / cache,  # p read twice, y read, dp written
        "backward": max(backward / operations, 2 * weights / cache),  # W read, dW written
        "optimizer": 7 * weights / cache,  # params, grads, M, V read; three of them written
    }


def main() -> None:
    """Measure the rates, then a run, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1720, help="default: %(default)s")
    args = parser.parse_args()
    if not WARM_UP < args.steps <= 60_000 // BATCH:
        parser.error(f"--steps: more than {WARM_UP}, and at most {60_000 // BATCH}, an epoch")

    cores = os.cpu_count() or 1
    operations = product_rate()
    rates = {
        name: max((copy_rate(size, threads), threads) for threads in {1, cores})
        for name, size in COPIED.items()
    }
    print(f"{date.today()}, {platform.machine()}, {cores} cores, NumPy {np.__version__}")
    print(f"matrix products: {operations / 1e9:.0f} billion operations a second")
    for name, (rate, threads) in rates.items():
        print(f"copies within {name}: {rate / 1e9:.1f} GB a second, threads: {threads}")

    print(f"\none step of {'-'.join(map(str, SIZES))}, batch {BATCH}, a median of {args.steps:,}:")
    took = parts_of_a_step(args.steps)
    least = least_times(operations, rates["512 MiB"][0], rates["what a step works on"][0])
    print(f"{'':12}{'least, ms':>10}{'took, ms':>10}{'took / least':>14}")
    for name in took:
        ratio = took[name] / least[name]
        print(f"{name:12}{1e3 * least[name]:10.3f}{1e3 * took[name]:10.3f}{ratio:14.1f}")
    all_least, all_took = sum(least.values()), sum(took.values())
    ratio = all_took / all_least
    print(f"{'step':12}{1e3 * all_least:10.3f}{1e3 * all_took:10.3f}{ratio:14.1f}")


if __name__ == "__main__":
    sys.exit(main())
