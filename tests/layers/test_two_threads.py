"""Protects layers that let two threads share a batch: each number is that of one thread."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from tinynn import Conv2D, MaxPool2D, Sequential
from tinynn.products import IN_ONE_THREAD
from tinynn.threads import WORTH_A_THREAD, second_thread, share

SHAPE = (10, 28, 28, 18)  # of the batch; even halves would not show whose is whose
WIDE = (6, 56, 12, 40)
assert np.prod(SHAPE) > WORTH_A_THREAD


def built(layer, shape, dtype=np.float32):
    Sequential([layer], input_shape=shape[1:], dtype=dtype, seed=1)
    return layer


def results(layer, shape, dtype=np.float32):
    """Everything that forward and backward give, as bytes."""
    rng = np.random.default_rng(0)
    layer = built(layer, shape, dtype)
    out = layer.forward(rng.normal(size=shape).astype(dtype))
    dx = layer.backward(rng.normal(size=out.shape).astype(dtype))
    gradients = [getattr(layer, f"d{key}") for key in layer.parameters()]
    return [array.tobytes() for array in (out, dx, *gradients)]


@pytest.fixture
def threads_at_work(two_threads, monkeypatch):
    """The threads that did a part, in a set."""

    def noted(jobs, first, second):
        def work(part):
            seen.add(threading.current_thread())
            meet.wait(5)  # so that neither does both
            part()

        meet = threading.Barrier(2)
        share(jobs, lambda: work(first), lambda: work(second))

    seen = set()
    monkeypatch.setattr("tinynn.threads.share", noted)
    return seen


KINDS = [lambda: MaxPool2D(2), lambda: MaxPool2D(3, 2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [SHAPE, WIDE])
def test_pools_give_the_same_bits_in_parts_as_in_whole(kind, shape, threads_at_work, monkeypatch):
    in_two = results(kind(), shape)
    assert len(threads_at_work) == 2
    monkeypatch.setattr("tinynn.threads.WORTH_A_THREAD", 2**62)
    assert results(kind(), shape) == in_two


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_in_two_threads_is_the_plain_one_up_to_rounding(
    stride, bias, threads_at_work, monkeypatch
):
    def run():
        layer = built(Conv2D(16, 3, stride, bias=bias), SHAPE, np.float64)
        rng = np.random.default_rng(0)
        out = layer.forward(rng.normal(size=SHAPE))
        dx = layer.backward(rng.normal(size=out.shape))
        return [out, dx, *(getattr(layer, f"d{key}") for key in layer.parameters())]

    monkeypatch.setattr("tinynn.threads.WORTH_A_THREAD", 1000)
    in_two = run()
    assert len(threads_at_work) == 2
    monkeypatch.setattr("tinynn.threads.WORTH_A_THREAD", 2**62)
    monkeypatch.setattr("tinynn.products.LEAST_ROWS", 2**62)
    monkeypatch.setattr("tinynn.layers.convolution.BLOCK", 2**62)
    for ours, plain in zip(in_two, run(), strict=True):
        assert np.allclose(ours, plain, rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", [*KINDS, lambda: Conv2D(18, 3), lambda: Conv2D(24, 3, 2)])
def test_where_there_is_no_second_thread_the_bits_are_the_same(kind, two_threads, monkeypatch):
    in_two = results(kind(), SHAPE)
    monkeypatch.setattr("tinynn.threads.second_thread", lambda: None)
    assert results(kind(), SHAPE) == in_two


@pytest.mark.parametrize("kind", [*KINDS, lambda: Conv2D(18, 3)])
def test_beside_a_busy_second_thread_the_bits_are_the_same(kind, two_threads):
    free, busy = results(kind(), SHAPE), threading.Event()
    second_thread().put(SimpleNamespace(serve=busy.wait))  # it is at work on something else
    assert results(kind(), SHAPE) == free
    busy.set()


def test_in_two_threads_each_product_is_small_enough_for_one_thread_of_openblas(
    monkeypatch,
):
    def noted(a, b, *rest, **options):
        sizes.append(a.shape[-2] * a.shape[-1] * b.shape[-1])
        return matmul(a, b, *rest, **options)

    matmul, sizes = np.matmul, []
    layer = built(Conv2D(18, 3), SHAPE)
    x = np.ones(SHAPE, np.float32)
    monkeypatch.setattr(np, "matmul", noted)
    layer.backward(layer.forward(x))
    assert len(sizes) > 10
    assert max(sizes) <= IN_ONE_THREAD


def test_products_with_many_weights_are_left_to_openblas_threads(two_threads, monkeypatch):
    layer = built(Conv2D(128, 3, bias=False), (2, 28, 28, 64))
    monkeypatch.setattr("tinynn.threads.share", None)  # not called
    out = layer.forward(np.ones((2, 28, 28, 64), np.float32))
    assert out.size >= WORTH_A_THREAD
    layer.parameter_gradients(out)
