"""Long vectors, kept fast: two threads share the work, and numbers too small to matter become 0.

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
from time import sleep
from typing import Any

import numpy as np
import numpy.typing as npt

WORTH_A_THREAD = 2**17  # numbers; handing fewer over takes longer than working on them
FLUSH_EVERY = 100  # steps

_scratch = threading.local()  # an array for each dtype that a thread has worked on


def in_two_threads(work: Callable[..., None], *vectors: npt.NDArray[Any]) -> None:
    """Call `work(*parts, scratch)` for both parts of the vectors, at once, in two threads.

    The last argument is scratch: room, of the part's length, for what lies between two operations.
    `work` must treat each number by itself; then the bits do not depend on who does what. The plain
    form is `work(*vectors, np.empty_like(vectors[0]))`, and that is what happens where vectors are
    short, where NumPy's matrix products have one thread only, and where no thread can be started.
    When an exception leaves, also one of Ctrl-C, both parts have ended.

    The halves are four and three sevenths. The first thread starts earlier, and with equal halves
    both end each operation at the same moment: for the next, one must wait until the other lets go
    of Python's lock, and falls asleep over it.

    >>> def add(a, b, scratch):
    ...     a += b
    >>> a = np.array([1.0, 2.0, 3.0])
    >>> in_two_threads(add, a, np.ones(3))
    >>> a
    array([2., 3., 4.])
    """
    size = len(vectors[0])
    jobs = second_thread() if size >= WORTH_A_THREAD else None
    if jobs is None:
        _run(work, vectors)
        return
    cut = size * 4 // 7
    second = _Part(work, tuple(vector[cut:] for vector in vectors))
    try:
        jobs.put(second)
        _run(work, tuple(vector[:cut] for vector in vectors))
        second.finish()
    except BaseException:  # Ctrl-C, for instance: nobody leaves while the other thread writes
        while True:
            try:
                second.withdraw()
                break
            except BaseException:  # Ctrl-C again, which changes nothing: the first is on its way
                continue
        raise


class _Part:
    """Work for one thread of two: for the one that claims it first, at most once.

    A dictionary's setdefault is one operation of Python: of two threads one wins, and to ask again
    changes nothing, so that whoever was interrupted can.
    """

    def __init__(self, work: Callable[..., None], vectors: tuple[npt.NDArray[Any], ...]) -> None:
        self.work = work
        self.vectors = vectors
        self.context = copy_context()  # so that NumPy's errstate goes along
        self.claim: dict[str, str] = {}
        self.outcome: list[BaseException | None] = []
        self.done: SimpleQueue[None] = SimpleQueue()

    def serve(self) -> None:
        """In the second thread: do the work, unless the first has claimed or withdrawn it."""
        if self.claim.setdefault("by", "second") == "second":
            try:
                self.context.run(_run, self.work, self.vectors)
                self.outcome.append(None)
            except BaseException as error:
                self.outcome.append(error)
        self.done.put(None)

    def finish(self) -> None:
        """In the first thread: wait for the second, or do its work where it has not begun."""
        if self.claim.setdefault("by", "first") == "first":
            _run(self.work, self.vectors)
            return
        self.done.get()
        (error,) = self.outcome
        if error is not None:
            raise error

    def withdraw(self) -> None:
        """In the first thread: return when the second has ended, or will never begin."""
        while self.claim.setdefault("by", "first") == "second" and not self.outcome:
            sleep(0.0005)


def _run(work: Callable[..., None], vectors: tuple[npt.NDArray[Any], ...]) -> None:
    """Do the work with this thread's scratch, which stays from call to call: new memory is slow."""
    size, dtype = len(vectors[0]), vectors[0].dtype
    room = getattr(_scratch, dtype.name, np.empty(0, dtype))
    if len(room) < size:
        room = np.empty(size, dtype)
        setattr(_scratch, dtype.name, room)
    work(*vectors, room[:size])


def blas_pools() -> list[dict[str, Any]]:
    """Return what threadpoolctl knows of NumPy's matrix products; nothing where it is missing."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:  # training needs NumPy alone
        return []
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [pool for pool in pools if "numpy" in pool["filepath"]] or pools  # not SciPy's


@cache
def second_thread() -> "SimpleQueue[_Part] | None":
    """Return the jobs of the thread that shares the work, or None if there can be one only."""
    counts = [pool["num_threads"] for pool in blas_pools()]
    if counts and max(counts) == 1:
        return None
    jobs: SimpleQueue[_Part] = SimpleQueue()
    try:
        threading.Thread(target=_serve, args=(jobs,), name="tinynn", daemon=True).start()
    except RuntimeError:  # a browser's Python has no threads, and systems have limits
        return None
    return jobs


def _serve(jobs: "SimpleQueue[_Part]") -> None:
    """Do one part after another."""
    while True:
        part = jobs.get()
        part.serve()
        del part  # or its vectors would live on while this waits for the next


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=second_thread.cache_clear)


def flush_subnormals(vectors: Iterable[npt.NDArray[Any]], t: int) -> None:
    """Every 100 steps, set to zero what is below the smallest number of full precision, 1.2e-38.

    Weights of pixels that are nearly always black stop getting gradients. What an optimizer
    remembers of them shrinks at every step, until it is subnormal, and stays so for ever, because
    0.9 times the smallest number there is rounds to itself. Processors are many times slower on
    these. With Adam's usual epsilon, 1e-8, they could move a weight by 1e-33 at most, which is lost
    in the rounding of any weight above 1e-25.

    The step count t decides, so that a run that is resumed sweeps where the other did.

    >>> m = np.array([1e-39, -1e-45, 1e-37, np.nan], np.float32)
    >>> flush_subnormals([m], t=200)
    >>> m
    array([0.e+00, 0.e+00, 1.e-37,    nan], dtype=float32)
    """
    if t % FLUSH_EVERY:
        return

    def sweep(vector: npt.NDArray[Any], scratch: npt.NDArray[Any]) -> None:
        smallest = np.finfo(vector.dtype).smallest_normal
        vector[np.abs(vector, out=scratch) < smallest] = 0

    for vector in vectors:
        in_two_threads(sweep, vector)
