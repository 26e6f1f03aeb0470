"""Matrix products of few samples, steady where other programs use the processors: `product` is `@`.

    product -> tile_of: into which tiles, if any -> _multiply, by OpenBLAS in one thread each

A tile is `rows` of a, `depth` numbers of each, and as many rows and `columns` of b. Dimensions:
a (M, K), b (K, N), out = a @ b (M, N).
"""

from functools import cache, lru_cache, partial

import numpy as np

from tinynn.threads import Array, blas_pools, second_thread, share

IN_ONE_THREAD = 2**18  # multiplications; OpenBLAS lets its threads share larger products
LEAST_ROWS = 16  # of a strip
WORTH_SHARING = 2**21  # multiplications; for fewer, waking the second thread takes too long
AVX_512 = frozenset({"SkylakeX", "Cooperlake", "SapphireRapids"})  # OpenBLAS' names of kernels
AVX_2 = frozenset({"Haswell", "Zen"})


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return the matrix product a @ b, computed so that no thread waits for a busy processor.

    The plain form is `a @ b`, or `np.dot(a, b, out=out)`; the results agree up to rounding. a is
    (M, K), b (K, N), out (M, N); out shares no memory with a and b.

    OpenBLAS, NumPy's library for products, lets its threads share each product of more than 2^18
    multiplications. They wait for each other, and if another program has the processor of one, all
    stand still: beside one busy program a step took up to forty times as long. So a product in
    which few samples take part is cut into tiles that OpenBLAS multiplies in one thread. Half of
    the tiles go to the second thread (threads.py), which nobody waits for if it cannot begin. All
    other products take the plain form.

    Sizes, the kernel of OpenBLAS and, without AVX-512, whether it began with one thread or more
    decide which tiles; so the same machine, with the same settings, repeats the same bits.

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
    share(
        jobs,
        *(partial(_multiply, left[:, i], right[:, :, j], tiles[i, j]) for i, j in (first, second)),
    )
    return out


def fits_in_strips(numbers: int) -> bool:
    """Return whether products of many rows with so many weights are cut into strips of rows.

    They are if 16 rows or more have no more than 2^18 multiplications: OpenBLAS copies the weights
    for each strip.
    """
    return numbers * LEAST_ROWS <= IN_ONE_THREAD


def product_of_rows(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b for many rows of a, by OpenBLAS in this thread alone if b fits in strips.

    Then two threads can make such products at once (threads.in_halves), and nobody waits for a
    third; with any number of threads the bits are the same. The plain form is
    `np.matmul(a, b, out)`. a is (M, K), b (K, N), out (M, N).

    >>> product_of_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3.0], [4.0]]))
    array([[11.],
           [25.]])
    """
    if not fits_in_strips(b.size):
        return np.matmul(a, b, out)
    if out is None:
        out = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    rows = IN_ONE_THREAD // b.size
    end = len(a) // rows * rows
    strips, their_out = (x[:end].reshape(-1, rows, x.shape[1]) for x in (a, out))
    np.matmul(strips, b, out=their_out)
    np.matmul(a[end:], b, out=out[end:])
    return out


def sum_of_products(a: Array, b: Array, groups: int) -> Array:
    """Return a.T @ b for many rows of a and b, by OpenBLAS in this thread alone if it fits.

    The plain form is `a.T @ b`. a is (M, K), b (M, N), the sum (K, N). groups: into how many groups
    the columns of a are cut, too. So a strip can have more rows, and there are fewer terms to add.

    >>> sum_of_products(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [1.0]]), groups=2)
    array([[4.],
           [6.]])
    """
    (_, K), N = a.shape, b.shape[1]
    if not fits_in_strips(K * N):
        return a.T @ b
    rows = IN_ONE_THREAD // (K // groups * N)
    end = len(a) // rows * rows
    strips = a[:end].reshape(-1, rows, groups, K // groups).transpose(0, 2, 3, 1)
    total: Array = np.matmul(strips, b[:end].reshape(-1, 1, rows, N)).sum(axis=0).reshape(K, N)
    total += a[end:].T @ b[end:]
    return total


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
    m or k is the number of samples. If the other one is small, a product of many samples is cut
    too: that of a narrow layer.

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
