"""The gain of each trick for speed: training steps with it and without it, in turns.

    round 1: as it is, without the flush, ...     round 2: ...

Each form runs 1,720 real steps in a process of its own; a ratio is taken within a round. Subnormal
numbers appear after about 800 steps, so the ratio of the last third is shown beside that of all.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from statistics import median

from tinynn import Adam, datasets, scale_pixels, threads  # before NumPy

# isort: split
import contenders
import numpy as np
from threadpoolctl import threadpool_limits

STEPS = 1_720


def no_second_thread() -> None:
    """Let one thread do the whole update."""
    threads.WORTH_A_THREAD = 2**62


def no_flush() -> None:
    """Leave subnormal numbers as they are."""
    threads.FLUSH_EVERY = 2**62


def none() -> None:
    """Use neither the second thread nor the flush."""
    no_second_thread()
    no_flush()


def moments_as_means() -> None:
    """Keep the moments as the paper does, with (1 - beta): twelve passes, the same weights."""

    def update(adam, params, grads, rate):
        def step(w, g, m, v, scratch):
            m *= adam.beta1
            m += np.multiply(g, 1 - adam.beta1, out=scratch)
            v *= adam.beta2
            np.square(g, out=scratch)
            v += np.multiply(scratch, 1 - adam.beta2, out=scratch)
            np.sqrt(v, out=scratch)
            scratch += adam.epsilon * v_scale
            np.divide(m, scratch, out=scratch)
            w -= np.multiply(scratch, rate * v_scale / (1 - adam.beta1**adam.t), out=scratch)

        v_scale = (1 - adam.beta2**adam.t) ** 0.5
        threads.in_two_threads(step, params, grads, *adam.slots.values())

    Adam.update = update


def no_root() -> None:
    """Leave out square root, epsilon and quotient: not Adam, but a bound for every form of it."""

    def update(adam, params, grads, rate):
        def step(w, g, m, v, scratch):
            m *= adam.beta1
            m += g
            v *= adam.beta2
            v += np.square(g, out=scratch)
            w -= np.multiply(m, rate, out=scratch)

        threads.in_two_threads(step, params, grads, *adam.slots.values())

    Adam.update = update


def no_tiles() -> None:
    """Let OpenBLAS share products of few samples among its threads."""
    threads.blas_kernel = lambda: ""


def one_thread() -> None:
    """Give the matrix products one thread."""
    threadpool_limits(1)


FORMS: dict[str, Callable[[], None]] = {
    "as it is": lambda: None,
    "without the second thread": no_second_thread,
    "without the flush": no_flush,
    "without both": none,
    "OpenBLAS spins for 2^16 ticks": lambda: None,
    "OpenBLAS spins for 2^18 ticks": lambda: None,
    "OpenBLAS spins for 2^20 ticks": lambda: None,
    "OpenBLAS spins for 2^26 ticks": lambda: None,  # as NumPy has it
    "2^26, and no second thread": no_second_thread,
    "one BLAS thread": one_thread,
    "without tiles": no_tiles,
    "moments as means": moments_as_means,
    "no root, no quotient": no_root,
}


def environment(form: str) -> dict[str, str]:
    """Return the environment for a form: OpenBLAS reads it when NumPy is loaded."""
    power = re.search(r"2\^(\d+)", form)
    return {**os.environ, **({"OPENBLAS_THREAD_TIMEOUT": power[1]} if power else {})}


def windows(form: str) -> list[float]:
    """Run one form here; return milliseconds a step, a number for each window."""
    FORMS[form]()
    (x, y), _ = datasets.load_fashion_mnist()
    task = contenders.Task(scale_pixels(x).reshape(len(x), -1), y.astype(np.int64), 0, STEPS)
    stopwatch = contenders.Stopwatch()
    contenders.train_tinynn(task, stopwatch)
    return stopwatch.windows()


def main() -> None:
    """Run the forms in turns, then print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=FORMS, metavar="FORM", default=list(FORMS))
    parser.add_argument("--form", choices=FORMS, help="run this one here, print its windows")
    args = parser.parse_args()
    if args.form:
        print(json.dumps(windows(args.form)))
        return
    rounds = []
    for _ in range(args.rounds):
        done = {}
        for form in dict.fromkeys(["as it is", *args.only]):
            command = [sys.executable, __file__, "--form", form]
            output = subprocess.run(
                command, env=environment(form), capture_output=True, text=True, check=True
            ).stdout
            done[form] = json.loads(output.splitlines()[-1])
        rounds.append(done)
    print(f"{'':34}{'ms a step':>10}{'ratio':>8}{'(range)':>16}{'last third, ratio':>20}")
    for form in rounds[0]:
        ratios, late = [], []
        for done in rounds:
            own, reference = done[form], done["as it is"]
            ratios.append(median(own) / median(reference))
            late.append(median(own[-5:]) / median(reference[-5:]))
        value_range = f"({min(ratios):.2f} to {max(ratios):.2f})"
        figure = median(value for done in rounds for value in done[form])
        print(f"{form:34}{figure:10.2f}{median(ratios):8.2f}{value_range:>16}{median(late):20.2f}")


if __name__ == "__main__":
    main()
