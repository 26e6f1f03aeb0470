"""Protects products in tiles: each must give the numbers of its plain form, a @ b."""

import threading
from time import sleep

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinynn.products import (
    IN_ONE_THREAD,
    WORTH_SHARING,
    _multiply,
    blas_kernel,
    product,
    product_of_rows,
    sum_of_products,
    tile_of,
)

KERNELS = ["Haswell", "SkylakeX"]


@pytest.fixture(params=KERNELS)
def kernel(request, monkeypatch, two_threads):
    """A product in the tiles for that kernel, which this processor need not have."""
    monkeypatch.setattr("tinynn.products.blas_kernel", lambda: request.param)
    return request.param


def in_order(rng, shape, dtype, order):
    """Numbers in C order, or as the transpose of an array in C order."""
    numbers = rng.normal(size=shape[::-1] if order == "F" else shape).astype(dtype)
    return numbers.T if order == "F" else numbers


SIZES = [(32, 784, 512), (784, 32, 512), (32, 512, 784), (24, 300, 100), (2, 2000, 1000), (9, 9, 9)]
SIZES += [(32, 509, 509), (64, 256, 256), (1, 784, 512), (784, 1, 512), (40, 8192, 16), (0, 5, 3)]


@pytest.mark.first_cases(12)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
def test_a_product_in_tiles_is_the_plain_one_up_to_rounding(
    size, dtype, orders, monkeypatch, two_threads
):
    rng, (m, k, n) = np.random.default_rng(sum(size)), size
    a, b = in_order(rng, (m, k), dtype, orders[0]), in_order(rng, (k, n), dtype, orders[1])
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble) if m * n * k < 1e5 else None
    plain = np.dot(a.astype(np.float64), b.astype(np.float64)) if exact is None else exact
    error = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)  # (M, N), of the terms
    allowed = np.sqrt(k) * np.finfo(dtype).eps * error
    for kernel in KERNELS:  # of which this processor need not have each
        monkeypatch.setattr("tinynn.products.blas_kernel", lambda kernel=kernel: kernel)
        out = np.full((m, n), np.nan, dtype)
        for result in (product(a, b), product(a, b, out=out)):
            assert result.dtype == dtype
            assert (np.abs(result - plain) <= allowed).all(), kernel
        assert result is out
        assert product(a, b).tobytes() == out.tobytes()  # as often as it is asked


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(size=st.tuples(*[st.integers(1, 70), st.integers(1, 400), st.integers(1, 300)]))
def test_tiles_cover_a_product_of_any_size(kernel, size):
    m, k, n = size
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    exact = a.astype(int) @ b.astype(int)  # sums of small whole numbers are not rounded
    assert (product(a, b) == exact).all()
    assert (product(b.T, a.T) == exact.T).all()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 3000), groups=st.integers(1, 5), k=st.integers(1, 60), n=st.integers(1, 70)
)
def test_strips_cover_a_product_of_any_size(rows, groups, k, n):
    rng, columns = np.random.default_rng(0), groups * k
    a, b, c = (
        rng.integers(-3, 4, shape).astype(np.float32)
        for shape in ((rows, columns), (columns, n), (rows, n))
    )
    exact = a.astype(int) @ b.astype(int)  # sums of small whole numbers are not rounded
    out = np.full((rows, n), np.nan, np.float32)
    by_columns = np.asfortranarray(a)
    assert product_of_rows(a, b, out) is out
    assert (out == exact).all()
    assert (product_of_rows(by_columns, b) == exact).all()
    exact = a.astype(int).T @ c.astype(int)
    assert (sum_of_products(a, c, groups) == exact).all()
    assert (sum_of_products(by_columns, c, groups) == exact).all()


def test_a_product_that_does_not_fit_gives_numpys_own_error(kernel):
    a, b = np.ones((32, 784), np.float32), np.ones((784, 512), np.float32)
    with pytest.raises(ValueError, match=r"\(size 32 is different from 784\)"):
        product(a, a)
    for out in (
        np.empty((32, 511), np.float32),
        np.empty((32, 512)),
        np.empty((512, 32), np.float32).T,
    ):
        with pytest.raises(ValueError, match="output array"):
            product(a, b, out=out)
    strided = np.ones((64, 784), np.float32)[::2, ::-1]  # the plain form takes it
    assert (product(strided, b) == 784).all()
    assert product(a, b.astype(np.float64)).dtype == np.float64


class Kept(np.ndarray):
    """An array of another class, which products with it keep."""


def test_what_is_no_plain_array_is_multiplied_by_numpy(kernel):
    """Tiles have four axes, which not each class of arrays has: np.matrix has two."""
    a, b = np.ones((32, 784), np.float32), np.ones((784, 512), np.float32)
    for one, kind in ((a.tolist(), np.ndarray), (a.view(Kept), Kept)):
        assert type(product(one, b)) is kind
        assert (product(one, b) == 784).all()
    with pytest.raises(ValueError, match="enough dimensions"):
        product(a, np.float32(3))
    with pytest.raises(ValueError, match="enough dimensions"):
        product(a, np.array(3.0))


def test_a_tile_is_small_enough_for_one_thread_of_openblas():
    for m, k, n in [(60, 32, 512), *SIZES, *[(n, k, m) for m, k, n in SIZES]]:
        tile = tile_of("Haswell", m, k, n)
        assert tile is None or np.prod(tile) <= IN_ONE_THREAD
        assert tile is None or all(
            whole % own == 0 for whole, own in zip((m, k, n), tile, strict=True)
        )
        for left, right in ((False, False), (True, False), (False, True)):
            tile = tile_of("SkylakeX", m, k, n, left=left, right=right)
            assert tile is None or np.prod(tile) <= 100**3
            assert tile is None or not right or (tile[0] * tile[2] <= 1200 and k >= 32)
    assert tile_of("SkylakeX", 32, 784, 512, left=True, right=True) is None
    assert tile_of("SkylakeX", 32, 784, 512, dtype="d") is None
    assert tile_of("SkylakeX", 38, 784, 512) is tile_of("Haswell", 65, 784, 512) is None
    assert tile_of("", 32, 784, 512) is tile_of("Nehalem", 32, 784, 512) is None


@pytest.mark.parametrize(
    ("architecture", "threads", "expected"),
    [("Haswell", 2, "Haswell"), ("Haswell", 1, ""), ("SkylakeX", 1, "SkylakeX"), (None, 2, "")],
)
def test_the_kernel_is_what_openblas_tells(monkeypatch, architecture, threads, expected):
    pool = {"internal_api": "openblas", "architecture": architecture, "num_threads": threads}
    pools = [{"internal_api": "mkl", "num_threads": 2}, *([pool] if architecture else [])]
    monkeypatch.setattr("tinynn.products.blas_pools", lambda: pools)
    blas_kernel.cache_clear()
    assert blas_kernel() == expected
    blas_kernel.cache_clear()


def test_both_threads_multiply_and_each_writes_its_own_tiles(kernel, monkeypatch):
    def noted(left, right, tiles):
        threads.add(threading.current_thread())
        sleep(0.02)  # time for the other to begin
        multiply(left, right, tiles)

    multiply, threads = _multiply, set()
    monkeypatch.setattr("tinynn.products._multiply", noted)
    a, b = np.ones((32, 784), np.float32), np.ones((784, 512), np.float32)
    assert a.size * 512 >= WORTH_SHARING
    assert (product(a, b) == 784).all()
    assert len(threads) == 2
    threads.clear()
    product(np.ones((32, 64), np.float32), b[:64])  # a small one
    assert threads == {threading.main_thread()}


def test_an_error_in_a_product_is_raised_when_both_threads_have_ended(kernel):
    a = np.full((32, 784), 1e30, np.float32)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        product(a, np.full((784, 512), 1e30, np.float32))
