"""Long vectors, kept fast: two threads that share the work, and a broom for what slows it.

A step of training passes over all parameters a dozen times, and the arithmetic is not what takes
the time: it is bringing the numbers from memory and back, and numbers too small to be handled at
full speed. Each function here deals with one such cost; benchmarks/tricks.py measures what it
gains, and benchmarks/README.md says how much that was.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

WORTH_A_THREAD = 2**17  # numbers; handing fewer over takes longer than working on them
SWEEP_EVERY = 100  # steps

_scratch = threading.local()  # an array for each dtype that a thread has worked on


def in_halves(work: Callable[..., None], *vectors: npt.NDArray[Any]) -> None:
    """Call `work(*parts, scratch)` for both parts of the vectors, at once, in two threads.

    The last argument is scratch: room, of the part's length, for what lies between two operations.
    `work` must treat each number by itself; then the bits do not depend on who does what. The plain
    form is `work(*vectors, np.empty_like(vectors[0]))`, and that is what happens where vectors are
    short, or NumPy's matrix products have one thread only.

    The halves are four and three sevenths. The first thread starts earlier, and with equal halves
    both end each operation at the same moment: for the next, one must wait until the other lets go
    of Python's lock, and falls asleep over it.

    >>> def add(a, b, scratch):
    ...     a += b
    >>> a = np.array([1.0, 2.0, 3.0])
    >>> in_halves(add, a, np.ones(3))
    >>> a
    array([2., 3., 4.])
    """
    size = len(vectors[0])
    jobs = second_thread() if size >= WORTH_A_THREAD else None
    if jobs is None:
        _run(work, vectors)
        return
    cut = size * 4 // 7
    result: SimpleQueue[BaseException | None] = SimpleQueue()
    context = copy_context()  # so that NumPy's errstate goes along
    jobs.put((result, context, work, tuple(vector[cut:] for vector in vectors)))
    try:
        _run(work, tuple(vector[:cut] for vector in vectors))
    finally:
        error = result.get()
    if error is not None:
        raise error


def _run(work: Callable[..., None], vectors: tuple[npt.NDArray[Any], ...]) -> None:
    """Do the work with this thread's scratch, which stays from call to call: new memory is slow."""
    size, dtype = len(vectors[0]), vectors[0].dtype
    room = getattr(_scratch, dtype.name, np.empty(0, dtype))
    if len(room) < size:
        room = np.empty(size, dtype)
        setattr(_scratch, dtype.name, room)
    work(*vectors, room[:size])


@cache
def second_thread() -> "SimpleQueue[Any] | None":
    """Return the jobs of the thread that shares the work, or None if NumPy may have one only."""
    from threadpoolctl import threadpool_info

    counts = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    if counts and max(counts) == 1:
        return None
    jobs: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_serve, args=(jobs,), name="tinynn", daemon=True).start()
    return jobs


def _serve(jobs: "SimpleQueue[Any]") -> None:
    """Do one job after another; what each ended with, None or an error, goes into its `result`."""
    while True:
        result, context, work, vectors = jobs.get()
        try:
            context.run(_run, work, vectors)
            result.put(None)
        except BaseException as error:
            result.put(error)
        del result, context, work, vectors  # or they would live on while it waits


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=second_thread.cache_clear)


def sweep_subnormals(vectors: Iterable[npt.NDArray[Any]], t: int) -> None:
    """Every 100 steps, set to zero what is below the smallest number of full precision, 1.2e-38.

    Weights of pixels that are nearly always black stop getting gradients. What an optimizer
    remembers of them shrinks at every step, until it is subnormal, and stays so for ever, because
    0.9 times the smallest number there is rounds to itself. Processors are many times slower on
    these. With Adam's usual epsilon, 1e-8, they could move a weight by 1e-33 at most, which is lost
    in the rounding of any weight above 1e-25.

    The step count t decides, so that a run that is resumed sweeps where the other did.

    >>> m = np.array([1e-39, -1e-45, 1e-37, np.nan], np.float32)
    >>> sweep_subnormals([m], t=200)
    >>> m
    array([0.e+00, 0.e+00, 1.e-37,    nan], dtype=float32)
    """
    if t % SWEEP_EVERY:
        return

    def sweep(vector: npt.NDArray[Any], scratch: npt.NDArray[Any]) -> None:
        smallest = np.finfo(vector.dtype).smallest_normal
        vector[np.abs(vector, out=scratch) < smallest] = 0

    for vector in vectors:
        in_halves(sweep, vector)
