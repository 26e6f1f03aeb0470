"""Protects the clipping of gradients: the equations, the order, and what divergence is told."""

import json
from math import inf, nan, sin
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import random_data
from tinynn import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    ClipGradientNorm,
    ClipGradientValue,
    CrossEntropy,
    Dense,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    compare_models,
)

X, Y = random_data(40)
REFERENCES = Path(__file__).parents[1] / "references/optimizers.json"
PYTORCH = json.loads(REFERENCES.read_text(encoding="utf-8"))["clipping"]
CLIPPINGS = [ClipGradientNorm, ClipGradientValue]


def trainer(size=None, dtype=np.float32, optimizer=None):
    """Return a trainer; with a size, of a model with so many parameters."""
    if size is None:
        layers = [Dense(6), ReLU(), Dense(3), Softmax()]
        model = Sequential(layers, input_shape=(4,), dtype=dtype)
        return Trainer(model, CrossEntropy(), optimizer or Adam(0.05))
    model = Sequential([Dense(1)], input_shape=(size - 1,), dtype=dtype)
    return Trainer(model, MeanSquaredError(), SGD())


def clipped(grads, *callbacks, dtype=np.float64):
    """Return the gradient after the callbacks have seen it."""
    run = trainer(len(grads), dtype)
    run.model.grads = grads
    for callback in callbacks:
        callback.on_gradients(run)
    return run.model.grads


def test_a_norm_above_the_limit_is_scaled_to_it_and_one_below_stays():
    assert clipped([3.0, -4.0], ClipGradientNorm(1)).tolist() == pytest.approx([0.6, -0.8])
    assert clipped([3.0, -4.0], ClipGradientNorm(5)).tolist() == [3.0, -4.0]
    assert clipped([3.0, -4.0], ClipGradientNorm(5.1)).tolist() == [3.0, -4.0]
    assert clipped([0.0, 0.0], ClipGradientNorm(1)).tolist() == [0.0, 0.0]


def test_each_number_above_the_limit_is_clipped_to_it():
    assert clipped([3.0, -4.0, 0.5], ClipGradientValue(1)).tolist() == [1.0, -1.0, 0.5]
    assert clipped([3.0, -4.0, 0.5], ClipGradientValue(9)).tolist() == [3.0, -4.0, 0.5]


def test_clipping_agrees_with_pytorch():
    # PyTorch divides by the norm + 1e-6; the norm of this gradient is found from its own result
    grads = [
        0.0 if (1 + i) % 7 == 0 else 10.0 ** (i - 6) * (sin(0.3 * (i + 1)) + 0.2) for i in range(12)
    ]
    norm = float(np.linalg.norm(PYTORCH["norm 1e9"]))
    ours = clipped(grads, ClipGradientNorm(2.0)) * (norm / (norm + 1e-6))
    np.testing.assert_allclose(ours, PYTORCH["norm 2.0"], rtol=1e-10)
    np.testing.assert_allclose(clipped(grads, ClipGradientNorm(1e9)), PYTORCH["norm 1e9"])
    ours = clipped(grads, ClipGradientValue(0.5))
    np.testing.assert_allclose(ours, PYTORCH["value 0.5"], rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    exponent=st.integers(-300, 300),
    numbers=st.lists(st.floats(-1, 1), min_size=2, max_size=9),
    limit=st.sampled_from([1e-3, 1.0, 50.0]),
)
def test_a_norm_of_any_size_is_clipped_without_overflow(dtype, exponent, numbers, limit):
    most = 37 if dtype is np.float32 else 300  # an exponent that its numbers can have
    numbers = np.array([1.0, *numbers]) * 10.0 ** max(-most, min(most, exponent))
    after = clipped(numbers.astype(dtype), ClipGradientNorm(limit), dtype=dtype).astype(float)
    size = float(np.abs(numbers).max())
    norm = size * float(np.linalg.norm(numbers / size))
    rounding = 1e-5 if dtype is np.float32 else 1e-12
    factor = min(1.0, limit / norm)
    tiny = float(np.finfo(dtype).smallest_normal)
    np.testing.assert_allclose(after, factor * numbers, rtol=rounding, atol=tiny)


@pytest.mark.parametrize("kind", CLIPPINGS)
@pytest.mark.parametrize("broken", [nan, inf, -inf])
def test_gradients_that_are_not_finite_stay_as_they_are(kind, broken):
    grads = clipped([100.0, broken, -3.0], kind(1))
    np.testing.assert_array_equal(grads, [100.0, broken, -3.0])


@pytest.mark.parametrize("kind", CLIPPINGS)
@pytest.mark.parametrize("broken", [nan, inf])
def test_divergence_still_names_the_layer_where_it_began(kind, broken):
    class Breaks(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.dW = np.full_like(self.dW, broken)

    model = Sequential([Dense(6), ReLU(), Breaks(3), Softmax()], input_shape=(4,))
    run = Trainer(model, CrossEntropy(), SGD(0.1))
    with pytest.raises(TrainingDiverged, match=r"the gradient of 2\.Breaks\.W, 18 of 18"):
        run.fit(X, Y, 2, batch_size=8, callbacks=[kind(1)])


@pytest.mark.parametrize("limit", [0, -1, nan, inf, "1", None])
@pytest.mark.parametrize("kind", CLIPPINGS)
def test_a_limit_that_is_no_positive_number_is_refused(kind, limit):
    with pytest.raises(ValueError, match="limit must be a positive number"):
        kind(limit)


@pytest.mark.parametrize("kind", CLIPPINGS)
def test_float32_gradients_are_clipped_in_float32_whatever_the_limit_is(kind):
    grads = np.linspace(-3, 3, 50).astype(np.float32)
    results = [clipped(grads, kind(limit), dtype=np.float32) for limit in (0.5, np.float64(0.5))]
    assert results[0].dtype == np.float32
    assert results[0].tobytes() == results[1].tobytes()


class SumsOverMachines(Callback):
    """As if there were 1,000 machines."""

    def on_gradients(self, trainer):
        trainer.model.grads *= 1000


class Seen(Callback):
    affects_training = False

    def __init__(self):
        self.norms = []

    def on_step_end(self, trainer):
        self.norms.append(float(np.linalg.norm(trainer.model.grads)))


def norms(*callbacks):
    seen, run = Seen(), trainer()
    run.fit(X, Y, 2, batch_size=8, callbacks=[*callbacks, seen])
    return seen.norms


@pytest.mark.parametrize("first", [True, False])
def test_clipping_comes_after_gradients_are_summed_wherever_it_stands(first):
    clip, sums = ClipGradientNorm(0.5), SumsOverMachines()
    found = norms(clip, sums) if first else norms(sums, clip)
    assert found == pytest.approx([0.5] * 10, rel=1e-5)


def test_two_clippings_act_in_the_users_order():
    by_value, by_norm = ClipGradientValue(0.3), ClipGradientNorm(0.5)
    value_first = clipped([3.0, -0.4, 0.0], by_value, by_norm)
    norm_first = clipped([3.0, -0.4, 0.0], by_norm, by_value)
    assert value_first.tolist() == pytest.approx([0.3, -0.3, 0.0])  # its norm is 0.42
    assert norm_first.tolist() == pytest.approx([0.3, -0.4 * 0.5 / np.hypot(3, 0.4), 0.0])
    run = trainer()
    for pair in ([by_value, by_norm], [by_norm, by_value]):
        run.fit(X, Y, 1, callbacks=[SumsOverMachines(), *pair])
        assert run.callbacks[1:] == pair


def test_what_is_frozen_does_not_count_in_the_norm():
    run = trainer()
    run.model.layers[0].trainable = False
    seen = Seen()
    run.fit(X, Y, 1, batch_size=8, callbacks=[ClipGradientNorm(0.01), seen])
    assert seen.norms == pytest.approx([0.01] * 5, rel=1e-5)
    assert not run.model.grads[:30].any()


class StopAt(Callback):
    affects_training = False

    def on_step_end(self, trainer):
        trainer.stop = trainer.step == 7


def test_a_resumed_run_with_clipping_ends_with_the_same_bits(tmp_path):
    whole, path = trainer(), tmp_path / "run.npz"
    clippings = [ClipGradientValue(0.05), ClipGradientNorm(0.1)]
    whole.fit(X, Y, 4, batch_size=8, callbacks=clippings)
    save = Checkpoint(path, every_steps=1)
    trainer().fit(X, Y, 4, batch_size=8, callbacks=[*clippings, StopAt(), save])
    resumed = trainer()
    resumed.fit(X, Y, 4, batch_size=8, callbacks=clippings, resume_from=path)
    assert compare_models(whole.model, resumed.model).identical
    unclipped = trainer()
    unclipped.fit(X, Y, 4, batch_size=8)
    assert not compare_models(whole.model, unclipped.model).identical
    for others in ([], [ClipGradientValue(0.05), ClipGradientNorm(0.2)], clippings[::-1]):
        with pytest.raises(ValueError, match="callbacks"):
            trainer().fit(X, Y, 4, batch_size=8, callbacks=others, resume_from=path)
