"""Protects the tricks that make long vectors fast: each must give the numbers of its plain form."""

import numpy as np
import pytest

from tinynn import (
    Adam,
    CrossEntropy,
    Dense,
    Flatten,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    scale_pixels,
)
from tinynn.vectors import BLOCK, in_blocks, sweep_subnormals

TINY = np.finfo(np.float32).smallest_normal


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 5])
def test_blocks_are_views_that_cover_every_number_once(size):
    a, b = np.zeros(size, np.float32), np.arange(size, dtype=np.float32)
    for piece, other, scratch in in_blocks(a, b):
        assert len(piece) == len(other) == len(scratch) <= BLOCK
        assert scratch.dtype == np.float32
        scratch[:] = 1
        piece += scratch
        piece += other
    assert a.tolist() == (b + 1).tolist()


def whole_vectors(*whole):
    """The plain form of in_blocks."""
    yield (*whole, np.empty_like(whole[0]))


def textbook(params, gradients, rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Kingma and Ba's algorithm 1 in float64, with the moments as the paper has them."""
    params = params.astype(np.float64)
    m, v = np.zeros_like(params), np.zeros_like(params)
    for t, grads in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * grads
        v = beta2 * v + (1 - beta2) * grads.astype(np.float64) ** 2
        params = params - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return params


def test_adam_in_blocks_is_adam_on_whole_vectors_bit_for_bit_and_the_textbooks_adam(monkeypatch):
    rng = np.random.default_rng(0)
    start = rng.normal(size=2 * BLOCK + 11).astype(np.float32)
    gradients = [rng.normal(size=start.size).astype(np.float32) for _ in range(5)]
    results = []
    for blocks in (in_blocks, whole_vectors):
        monkeypatch.setattr("tinynn.optimizers.in_blocks", blocks)
        params, optimizer = start.copy(), Adam(0.01)
        for grads in gradients:
            optimizer.step(params, grads)
        results.append(params)
    assert results[0].tobytes() == results[1].tobytes()
    np.testing.assert_allclose(results[0], textbook(start, gradients), rtol=0, atol=1e-6)


def test_a_sweep_takes_subnormal_numbers_alone_and_every_hundredth_step_alone():
    kept = [0.0, -0.0, TINY, -TINY, 1.0, -1.0, np.inf, -np.inf, np.nan]
    gone = [TINY / 2, -TINY / 2, 1e-45, -1e-45, np.nextafter(TINY, np.float32(0))]
    vector = np.array(kept + gone, np.float32)
    for t in (1, 50, 99, 101, 250):
        before = vector.tobytes()
        sweep_subnormals([vector], t)
        assert vector.tobytes() == before
    sweep_subnormals([vector], 300)
    expected = np.array(kept + [0.0] * len(gone), np.float32)
    np.testing.assert_array_equal(vector, expected)


@pytest.fixture(scope="module")
def sample():
    (x, y), _ = datasets.load_sample()
    return scale_pixels(x), y


def trained(sample, sweep=sweep_subnormals):
    """1,125 steps on real images, whose corners are nearly always black."""
    layers = [Flatten(), Dense(32), ReLU(), Dense(10), Softmax()]
    trainer = Trainer(Sequential(layers, input_shape=(28, 28)), CrossEntropy(), Adam())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinynn.optimizers.sweep_subnormals", sweep)
        trainer.fit(*sample, epochs=6)
    return trainer


def subnormal(vector):
    return (vector != 0) & (np.abs(vector) < TINY)


def test_sweeping_changes_no_weight(sample):
    swept, unswept = trained(sample), trained(sample, sweep=lambda vectors, t: None)
    left, swept_left = (subnormal(run.optimizer.memory["M"]).sum() for run in (unswept, swept))
    assert left > 500  # there was something to sweep, and it was swept
    assert swept_left < left / 10
    assert swept.model.params.tobytes() == unswept.model.params.tobytes()
