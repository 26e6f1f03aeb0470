"""Fast arithmetic on long vectors, steady where other programs use the processors.

A step of training passes over all parameters a dozen times. The arithmetic itself takes little of
that time. Other things take most of it: moving numbers between memory and processor, subnormal
numbers, with which processors calculate slowly, and threads that wait for each other. Each function
here reduces one of these costs; benchmarks/README.md says by how much.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import cache, partial
from queue import SimpleQueue
from time import sleep
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
CACHE_LINE = 64  # bytes
WORTH_A_THREAD = 2**17  # numbers; for fewer, a second thread costs more time than it saves
FLUSH_EVERY = 100  # steps

_scratch = threading.local()  # for each thread, an array for each dtype


def on_a_cache_line(values: Array, kind: type[Array] = np.ndarray) -> Array:
    """Return a copy that starts where a cache line does; kind: its class.

    The arrays that NumPy makes start anywhere, the long ones 16 bytes after a line. Then many loads
    of 32 or 64 bytes touch two lines. In a trial, vectors on lines saved 6 % of a step.

    >>> on_a_cache_line(np.ones(3)).ctypes.data % 64
    0
    """
    if values.dtype.hasobject:  # references, which no bytes can be taken for
        return values.copy()
    memory = kind(values.nbytes + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def in_two_threads(work: Callable[..., None], *vectors: Array) -> None:
    """Call `work(*parts, scratch)` for both parts of the vectors, at once, in two threads.

    scratch is an array of the part's length, for intermediate results. `work` must treat each
    number by itself; then the result has the same bits in one thread and in two. The plain form is
    `work(*vectors, np.empty_like(vectors[0]))`. It is used where the vectors are short, where
    NumPy's matrix products use only one thread, and where no thread can be started. If an exception
    is raised, also by Ctrl-C, both threads have ended their work before this function ends.

    The first part has four sevenths of the numbers, the second three. The first thread starts
    earlier. With equal parts both threads would end each operation at the same moment; one of them
    would then have to wait for Python's lock (the GIL), and waiting puts a thread to sleep. They
    are cut at a cache line, so that no line is written by both.

    >>> def add(a, b, scratch):
    ...     a += b
    >>> a = np.array([1.0, 2.0, 3.0])
    >>> in_two_threads(add, a, np.ones(3))
    >>> a
    array([2., 3., 4.])
    """
    size = len(vectors[0])
    if size < WORTH_A_THREAD:
        _run(work, vectors)
        return

    def work_on(part: slice) -> None:
        _run(work, tuple(vector[part] for vector in vectors))

    in_parts(work_on, size, size * 4 // 7 // CACHE_LINE * CACHE_LINE, size)


def in_halves(work: Callable[[slice], None], length: int, numbers: int) -> None:
    """Call `work(part)` for both halves of an axis, slices of range(length), in two threads.

    numbers: how many `work` reads in all. For few it is called once, with the whole; where there is
    no second thread, for one half after the other. So the bits are the same in one thread and in
    two if `work` treats each index of the axis by itself. Operations of less than 0.05 ms gain
    nothing: both threads would wait for Python's lock. What in_two_threads says of exceptions holds
    here too.

    >>> a = np.zeros((2, 3))
    >>> def add(columns):
    ...     a[:, columns] += 1
    >>> in_halves(add, length=3, numbers=a.size)
    >>> a.sum(axis=0)
    array([2., 2., 2.])
    """
    in_parts(work, length, length // 2, numbers)


def in_parts(work: Callable[[slice], None], length: int, cut: int, numbers: int) -> None:
    """Call `work(slice(0, cut))` here, and `work(slice(cut, length))` in the second thread."""
    if numbers < WORTH_A_THREAD:
        work(slice(0, length))
        return
    first, second = (partial(work, part) for part in (slice(0, cut), slice(cut, length)))
    jobs = second_thread()
    if jobs is None:
        first()
        second()
    else:
        share(jobs, first, second)


def share(jobs: "SimpleQueue[Part]", first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """Call first() here and second() in the second thread, or here too if that is busy."""
    part = Part(second)
    try:
        jobs.put(part)
        first()
        part.finish()
    except BaseException:  # such as Ctrl-C: do not leave while the other thread still writes
        while True:
            try:
                part.withdraw()
                break
            except BaseException:  # a second Ctrl-C changes nothing: the first is raised below
                continue
        raise


def _nothing() -> None:
    """Stand for work that is done."""


class Part:
    """One of two parts of some work. The thread that claims it first does it, once.

    A dictionary's setdefault is a single operation of Python: if two threads call it, one wins.
    To call it again changes nothing, so an interrupted thread may simply ask again.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.context = copy_context()  # so that NumPy's errstate is the same there
        self.claim: dict[str, str] = {}
        self.outcome: list[BaseException | None] = []
        self.done: SimpleQueue[None] = SimpleQueue()

    def serve(self) -> None:
        """In the second thread: do the work, unless the first has claimed or withdrawn it."""
        if self.claim.setdefault("by", "second") == "second":
            try:
                self.context.run(self.work)
                self.outcome.append(None)
            except BaseException as error:
                self.outcome.append(error)
        self.done.put(None)

    def finish(self) -> None:
        """In the first thread: wait for the second, or do its work if it has not begun."""
        if self.claim.setdefault("by", "first") == "first":
            work, self.work = self.work, _nothing  # in the queue its arrays would stay in memory
            work()
            return
        self.done.get()
        (error,) = self.outcome
        if error is not None:
            raise error

    def withdraw(self) -> None:
        """In the first thread: return when the second has ended, or can no longer begin."""
        while self.claim.setdefault("by", "first") == "second" and not self.outcome:
            sleep(0.0005)


def _run(work: Callable[..., None], vectors: tuple[Array, ...]) -> None:
    """Do the work with this thread's scratch, which is kept between calls: new memory is slow."""
    size, dtype = len(vectors[0]), vectors[0].dtype
    scratch = getattr(_scratch, dtype.char, None)
    if scratch is None or len(scratch) < size:
        scratch = on_a_cache_line(np.zeros(size, dtype))
        setattr(_scratch, dtype.char, scratch)
    work(*vectors, scratch[:size])


def blas_pools() -> list[dict[str, Any]]:
    """Return threadpoolctl's description of NumPy's BLAS; an empty list without threadpoolctl."""
    try:
        pools = _blas_libraries().info()
    except ImportError:  # training needs NumPy alone
        return []
    return [pool for pool in pools if "numpy" in pool["filepath"]] or pools  # not SciPy's BLAS


@cache
def _blas_libraries() -> Any:
    """Return what reads the state of the loaded BLAS libraries; finding them takes 10 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@cache
def second_thread() -> "SimpleQueue[Part] | None":
    """Return the queue of jobs of the second thread, or None if there cannot be one."""
    counts = [pool["num_threads"] for pool in blas_pools()]
    if counts and max(counts) == 1:
        return None
    jobs: SimpleQueue[Part] = SimpleQueue()
    try:
        threading.Thread(target=_serve, args=(jobs,), name="tinynn", daemon=True).start()
    except RuntimeError:  # a browser's Python has no threads, and systems have limits
        return None
    return jobs


def _serve(jobs: "SimpleQueue[Part]") -> None:
    """Do one part after another."""
    while True:
        part = jobs.get()
        part.serve()
        del part  # else its vectors would stay in memory until the next part comes


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=second_thread.cache_clear)


def flush_subnormals(vectors: Iterable[Array], t: int) -> None:
    """Every 100 steps, set subnormal numbers to 0: in float32, those of a size below 1.2e-38.

    The weights of pixels that are nearly always black get no gradient for many steps. Their moments
    in the optimizer shrink at every step until they are subnormal, and stay so for ever, because
    0.9 times the smallest subnormal number is rounded to that number. Processors are many times
    slower with subnormal numbers. With Adam's default epsilon, 1e-8, such a moment could move a
    weight by 1e-33 at most, which is lost in the rounding of any weight above 1e-25.

    The step count t decides when, so that a resumed run does this at the same steps.

    >>> m = np.array([1e-39, -1e-45, 1e-37, np.nan], np.float32)
    >>> flush_subnormals([m], t=200)
    >>> m
    array([0.e+00, 0.e+00, 1.e-37,    nan], dtype=float32)
    """
    if t % FLUSH_EVERY:
        return

    def flush(vector: Array, scratch: Array) -> None:
        smallest = np.finfo(vector.dtype).smallest_normal
        vector[np.abs(vector, out=scratch) < smallest] = 0

    for vector in vectors:
        in_two_threads(flush, vector)
