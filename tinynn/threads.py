"""Fast arithmetic on long vectors and on matrices, steady where other programs use the processors.

A step of training passes over all parameters a dozen times. The arithmetic itself takes little of
that time. Other things take most of it: moving numbers between memory and processor, subnormal
numbers, with which processors calculate slowly, and threads that wait for each other. Each function
here reduces one of these costs; benchmarks/README.md says by how much.
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import cache, lru_cache, partial
from queue import SimpleQueue
from time import sleep
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
CACHE_LINE = 64  # bytes
WORTH_A_THREAD = 2**17  # numbers; for fewer, a second thread costs more time than it saves
FLUSH_EVERY = 100  # steps
IN_ONE_THREAD = 2**18  # multiplications; OpenBLAS lets its threads share larger products
WORTH_SHARING = 2**21  # multiplications; for fewer, waking the second thread takes too long
AVX_512 = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})  # OpenBLAS' names of kernels
AVX_2 = frozenset({"Haswell", "Zen"})

_scratch = threading.local()  # for each thread, an array for each dtype


def on_a_cache_line(values: Array, kind: type[Array] = np.ndarray) -> Array:
    """Return a copy that starts where a cache line does; kind: its class.

    The arrays that NumPy makes start anywhere, the long ones 16 bytes after a line. Then many loads
    of 32 or 64 bytes touch two lines. With vectors on a line a step took 0.94 of the time.

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
    jobs = second_thread() if size >= WORTH_A_THREAD else None
    if jobs is None:
        _run(work, vectors)
        return
    cut = size * 4 // 7 // CACHE_LINE * CACHE_LINE  # so many numbers fill whole lines
    first, second = (tuple(v[part] for v in vectors) for part in (slice(cut), slice(cut, None)))
    _share(jobs, partial(_run, work, first), partial(_run, work, second))


def _share(jobs: "SimpleQueue[_Part]", first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """Call first() here and second() in the second thread, or here too if that is busy."""
    part = _Part(second)
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


class _Part:
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


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return the matrix product a @ b, computed so that no thread waits for a busy processor.

    The plain form is `a @ b`, or `np.dot(a, b, out=out)`; the results agree up to rounding. a is
    (M, K), b (K, N), out (M, N); out shares no memory with a and b.

    OpenBLAS, NumPy's library for products, lets its threads share each product of more than 2^18
    multiplications. They wait for each other, and if another program has the processor of one, all
    stand still: beside one busy program a step took up to forty times as long. So a product in
    which few samples take part is cut into tiles that OpenBLAS multiplies in one thread. Half of
    the tiles go to the second thread of `in_two_threads`, which nobody waits for if it cannot
    begin. Sizes and the kernel of OpenBLAS decide which tiles, so the same machine repeats the same
    bits. All other products take the plain form.

    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    arrays = type(a) is type(b) is np.ndarray and b.ndim == 2  # else: lists, own classes of arrays
    tile = _tile(a, b, out) if arrays and a.size * b.shape[1] > IN_ONE_THREAD else None
    if tile is None:
        return a @ b if out is None else np.dot(a, b, out=out)
    if out is None:
        out = np.empty((len(a), b.shape[1]), a.dtype)
    rows, depth, columns = tile
    left = a.reshape(-1, rows, a.shape[1] // depth, depth).transpose(2, 0, 1, 3)[:, :, None]
    right = b.reshape(len(left), depth, -1, columns).transpose(0, 2, 1, 3)[:, None]
    tiles = out.reshape(left.shape[1], rows, -1, columns).transpose(0, 2, 1, 3)  # all are views
    jobs = second_thread() if a.size * b.shape[1] >= WORTH_SHARING else None
    if jobs is None:
        _multiply(left, right, tiles)
        return out
    half, of = max(tiles.shape[:2]) // 2, int(tiles.shape[1] > len(tiles))  # the longer axis
    first, second = [slice(None)] * 2, [slice(None)] * 2
    first[of], second[of] = slice(half), slice(half, None)
    _share(
        jobs,
        *(partial(_multiply, left[:, i], right[:, :, j], tiles[i, j]) for i, j in (first, second)),
    )
    return out


def _multiply(left: Array, right: Array, tiles: Array) -> None:
    """Write sum_s left[s, i, 0] @ right[s, 0, j] into tiles[i, j], for each i and j."""
    if len(left) == 1:
        np.matmul(left[0], right[0], out=tiles)
    else:
        np.matmul(left, right).sum(axis=0, out=tiles)


def _tile(a: Array, b: Array, out: Array | None) -> tuple[int, int, int] | None:
    """Return rows, depth and columns of the tiles of a product, or None for the plain form."""
    if a.ndim != 2 or a.shape[1] != len(b) or a.dtype != b.dtype:
        return None
    if not (a.flags.forc and b.flags.forc and a.dtype.char in "fd"):
        return None
    if out is not None:
        fits = out.shape == (len(a), b.shape[1]) and out.dtype == a.dtype
        if not (fits and type(out) is np.ndarray and out.flags.c_contiguous):
            return None
    transposed = not a.flags.c_contiguous, not b.flags.c_contiguous
    return tile_of(blas_kernel(), *a.shape, b.shape[1], a.dtype.char, *transposed)


@lru_cache(maxsize=1024)
def tile_of(
    kernel: str, m: int, k: int, n: int, dtype: str = "f", left: bool = False, right: bool = False
) -> tuple[int, int, int] | None:
    """Return rows, depth and columns of the tiles of (m, k) @ (k, n); None: the plain form.

    left, right: whether the first, or the second, factor is the transpose of an array in C order.

    On processors with AVX-512 OpenBLAS multiplies float32 matrices of up to 100^3 multiplications
    by kernels that copy nothing first and use one thread. If only the second factor is transposed,
    this holds for results of up to 1200 numbers and a depth of 32 or more, and if both are, never.
    There the tiles are strips of 32 columns. Other kernels use one thread up to 2^18
    multiplications, and copy both factors of each tile, so tiles are about as wide as deep.

    >>> tile_of("SkylakeX", 32, 784, 512), tile_of("Haswell", 32, 784, 512)
    ((32, 784, 32), (32, 196, 32))
    """
    if min(m, k, n) < 2:
        return None
    if kernel in AVX_512 and dtype == "f" and min(m, k) <= 37 and not (left and right):
        most = min(32, 100**3 // (m * k))
        if right:
            most = min(most, 1200 // m) if k >= 32 else 0
        columns = _divisor(n, most)
        return (m, k, columns) if columns >= 16 else None
    if kernel in AVX_2 and min(m, k) <= 64:
        rows, depth = _divisor(m, 64), _divisor(k, 256)
        columns = _divisor(n, IN_ONE_THREAD // (rows * depth))
        if rows >= min(m, 16) and depth >= min(k, 64) and columns >= 16:
            return rows, depth, columns
    return None


def _divisor(number: int, most: int) -> int:
    """Return the largest divisor of a number that is not above `most`, and 0 if that is 0."""
    return next((d for d in range(min(number, most), 0, -1) if number % d == 0), 0)


@cache
def blas_kernel() -> str:
    """Return the kernel that OpenBLAS chose for this processor, such as "Haswell".

    "" if it is not OpenBLAS or not known, and where tiles would gain nothing: all kernels but those
    of AVX-512 if OpenBLAS has only one thread.
    """
    pools = [pool for pool in blas_pools() if pool["internal_api"] == "openblas"]
    kernel = str(pools[0].get("architecture", "")) if pools else ""
    return kernel if kernel in AVX_512 or (pools and pools[0]["num_threads"] > 1) else ""


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
def second_thread() -> "SimpleQueue[_Part] | None":
    """Return the queue of jobs of the second thread, or None if there cannot be one."""
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
