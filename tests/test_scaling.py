"""Protects standardise: mean 0, standard deviation 1, by a layer that a model's file holds."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinynn import (
    Adam,
    Dense,
    InputError,
    MeanSquaredError,
    Rescale,
    Sequential,
    Trainer,
    load_model,
    save_model,
    standardise,
)

DATA = np.random.default_rng(0).normal([3.0, -200.0, 0.01], [2.0, 50.0, 1e-3], (2500, 3))


def scaled(layer, x):
    return layer.forward(np.asarray(x, np.float64), training=False)


def test_scale_and_offset_by_hand():
    layer = standardise([[1, 10], [3, 10], [5, 10], [7, 10]])  # whole numbers; variance 5
    assert type(layer) is Rescale
    assert layer.scale.tolist() == [1 / np.sqrt(5), 1]
    assert layer.offset == pytest.approx([-4 / np.sqrt(5), -10], rel=1e-15)
    assert scaled(layer, [[4, 10], [4, 12]])[:, 1].tolist() == [0, 2]  # constant in training


def test_features_get_mean_0_and_standard_deviation_1_over_all_pieces():
    out = scaled(standardise(DATA), DATA)
    assert out.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert out.std(axis=0) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "axes"), [((30, 4, 5), (0, 1, 2)), ((30, 4, 5, 3), (0, 1, 2)), ((30, 2), 0)]
)
def test_images_have_one_scale_or_one_for_each_channel(shape, axes):
    x = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    layer = standardise(x)
    assert np.shape(layer.scale) == np.shape(layer.offset) == np.shape(x.mean(axis=axes))
    assert scaled(layer, x).mean(axis=axes) == pytest.approx(0, abs=1e-13)
    assert scaled(layer, x).std(axis=axes) == pytest.approx(1, rel=1e-12)
    assert Sequential([layer], input_shape=shape[1:]).predict(x).shape == shape


@example([0.0, 2.225073858507203e-309], 1)  # 1 / std would be infinite
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.sampled_from([1e-150, 1, 1e150]))
def test_any_column_becomes_standard_or_0(column, unit):
    x = np.array(column)[:, None] * unit
    layer = standardise(x)
    assert np.isfinite(layer.scale).all()
    assert np.isfinite(layer.offset).all()
    if np.ptp(x) < 1e-300:
        assert layer.scale.tolist() == [1]
        assert np.abs(scaled(layer, x)).max() < 1e-300
    elif np.ptp(x) > 1e-6 * np.abs(x).max():  # otherwise x itself has no more digits
        assert scaled(layer, x).std() == pytest.approx(1, rel=1e-6)


def test_a_constant_whose_mean_is_rounded_is_constant():
    layer = standardise(np.full((10, 1), 0.1))
    assert (layer.scale.tolist(), layer.offset.tolist()) == ([1], [-0.1])


def test_whole_data_are_not_copied_in_float64():
    x = np.ones((20_000, 100), np.uint8)  # 2 MB, in float64 16
    x[0] = 0
    tracemalloc.start()
    standardise(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6e6


def test_the_model_takes_raw_data_also_after_saving(tmp_path):
    y = DATA.sum(axis=1, keepdims=True) / 50
    model = Sequential([standardise(DATA), Dense(1)], input_shape=(3,))
    trainer = Trainer(model, MeanSquaredError(), Adam(0.05))
    trainer.fit(DATA[50:], y[50:], 3, validation_data=(DATA[:50], y[:50]))
    save_model(model, tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert np.array_equal(loaded.predict(DATA), model.predict(DATA))
    assert np.array_equal(loaded.layers[0].scale, model.layers[0].scale)


def with_(value, *place, shape=(4, 3)):
    x = np.zeros(shape)
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (with_(np.nan, 2, 1), "x is nan in row 2, column 1; 1 of 4 rows hold NaN or infinity"),
        (with_(-np.inf, 3, 1, 0, shape=(4, 2, 2)), "x is -inf in row 3, entry (1, 0)"),
        ([1.0, 2.0], "got (2,). Write np.asarray(x)[:, None]"),
        (np.empty((0, 3)), "1 sample or more"),
        ([["a", "b"]], "standardise expects numbers"),
    ],
)
def test_what_has_no_standard_deviation_is_refused_with_a_message(x, said):
    with pytest.raises(InputError) as error:
        standardise(x)
    assert said in str(error.value)
