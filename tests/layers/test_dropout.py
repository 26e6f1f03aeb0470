"""Protects Dropout: which numbers it drops, how it scales, and that one step has one mask.

Margins: the share of 1s in n draws with probability p has the standard deviation sqrt(p (1-p) / n);
five of these are allowed. Seeds are fixed, so the tests do not fail by chance.
"""

import numpy as np
import pytest

from tinynn import (
    Adam,
    CrossEntropy,
    Dense,
    Dropout,
    InputError,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    check_gradients,
    explain_step,
    load_model,
    save_model,
)


def alone(rate, shape=(100, 100), seed=0, dtype=np.float64):
    return Sequential([Dropout(rate)], input_shape=shape, seed=seed, dtype=dtype)


def kept(model, step, size=10):
    """Return which of many 1s a step keeps."""
    model.step = step
    return model.forward(np.ones((size, *model.input_shape))) > 0


def test_what_is_kept_is_divided_by_its_probability_and_the_rest_is_0():
    x = np.random.default_rng(0).normal(size=(10, 100, 100))
    out = alone(0.2).forward(x)
    dropped = out == 0
    assert np.allclose(out[~dropped], x[~dropped] / 0.8, rtol=1e-15)
    assert 0.19 < dropped.mean() < 0.21


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_is_kept(rate, dtype):
    n = 10 * 100 * 100
    out = alone(rate, dtype=dtype).forward(np.ones((10, 100, 100)))
    assert out.dtype == dtype
    assert abs(out.mean(dtype=float) - 1) <= 5 * np.sqrt(rate / (1 - rate) / n) + 1e-6


def test_the_gradient_has_forwards_mask_and_scale():
    model = alone(0.5)
    out = model.forward(np.ones((2, 100, 100)))
    assert set(np.unique(out)) == {0, 2}
    assert np.array_equal(model.input_gradient(np.full(out.shape, 3.0)), 3 * out)


def test_a_rate_of_0_changes_no_bit():
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.array_equal(alone(0.0, (4,), dtype=np.float32).forward(x), x)


def test_prediction_changes_no_bit_and_returns_no_part_of_x():
    x = np.random.default_rng(0).normal(size=(3, 4))
    model = alone(0.5, (4,))
    out = model.forward(x, training=False)
    assert np.array_equal(out, x)
    out[...] = 0
    assert x.all()


def test_nan_stays_nan_so_that_a_divergence_is_seen():
    assert np.isnan(alone(0.5).forward(np.full((1, 100, 100), np.nan))).all()


def test_the_same_step_has_the_same_mask_in_both_precisions():
    model, other = alone(0.5), alone(0.5, dtype=np.float32)
    first = kept(model, 3)
    assert np.array_equal(first, kept(model, 3))
    assert np.array_equal(first, kept(other, 3))
    assert not np.array_equal(first, kept(alone(0.5, seed=1), 3))


def test_masks_of_two_steps_of_two_layers_and_of_two_samples_are_independent():
    """Both keep a number in a quarter of cases, and not more: 5 standard deviations of 100,000."""
    margin = 5 * np.sqrt(0.25 * 0.75 / 100_000)
    model = alone(0.5)
    first, second = kept(model, 0), kept(model, 1)
    assert abs((first & second).mean() - 0.25) < margin
    assert abs((first[:-1] & first[1:]).mean() - 0.25) < margin * np.sqrt(10 / 9)
    two = Sequential([Dropout(0.5), Dropout(0.5)], (100, 100), dtype=np.float64)
    out = two.forward(np.ones((10, 100, 100)))
    assert abs((out > 0).mean() - 0.25) < margin
    assert set(np.unique(out)) == {0, 4}


def test_an_empty_batch_works():
    assert alone(0.5, (3,)).forward(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, np.nan, np.inf, "0.5", None, True, [0.5]])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(InputError, match="rate of Dropout must be at least 0 and below 1, got"):
        Dropout(rate)


def test_whole_numbers_given_to_the_layer_itself_are_scaled_as_floats():
    layer = Dropout(0.2)
    Sequential([layer], input_shape=(50,))
    assert set(np.unique(layer.forward(np.ones((1, 50), int)))) == {0.0, np.float32(1.25)}


def test_a_numpy_number_as_a_rate_leaves_float32():
    model = alone(np.float64(0.5), (3,), dtype=np.float32)
    assert model.layers[0].forward(np.ones((2, 3), np.float32)).dtype == np.float32


def network(seed=0):
    layers = [Dense(16), ReLU(), Dropout(0.3), Dense(3), Softmax()]
    return Sequential(layers, input_shape=(4,), seed=seed)


def test_a_file_keeps_the_rate(tmp_path):
    model = network()
    save_model(model, tmp_path / "model.npz")
    assert load_model(tmp_path / "model.npz").layers[2].rate == 0.3


@pytest.mark.slow
def test_gradients_and_the_page_of_a_step():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), np.arange(6) % 3
    report = check_gradients(network(), CrossEntropy(), x, y)
    assert report.ok, report
    assert report.skipped == 0
    step = explain_step(network(), CrossEntropy(), Adam(1e-3), x, y)
    assert step.again == "same batch"
    page = str(step)
    assert "out = x mask / (1 - rate)" in page
    assert "dx = dout mask / (1 - rate)" in page


def test_predictions_of_several_steps_tell_how_sure_a_model_is():
    """Between two classes the draws differ more than at the training data: Monte Carlo dropout."""
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = rng.normal(size=(300, 4)) / 5 + 2 * np.eye(4)[y]
    model = network()
    Trainer(model, CrossEntropy(), Adam(0.01)).fit(x, y, 10)

    def spread(samples):
        draws = []
        for step in range(50):
            model.step = step
            draws.append(model.forward(samples))
        return np.std(draws, axis=0).mean()

    between = (2 / 3) * (np.eye(4)[y] + np.eye(4)[(y + 1) % 3])
    assert spread(between) > 1.5 * spread(x)  # 2.8 times was measured
