"""Protects models as Keras models: predictions, training, files of Keras."""

import keras
import numpy as np
import pytest
import torch

from networks import inputs_of, random_network
from tinynn import (
    GELU,
    SGD,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    InputError,
    MeanSquaredError,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Sequential,
)
from tinynn.interop.keras import to_keras
from tinynn.layers import LAYERS

torch.set_num_threads(1)
SEEDS = range(48)
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def numbers(tensor):
    return tensor.detach().cpu().numpy()


@pytest.mark.parametrize("seed", SEEDS)
def test_keras_predicts_the_same(seed):
    model = random_network(seed)
    x = inputs_of(model)
    p, out = model.predict(x), numbers(to_keras(model)(x))
    assert out.dtype == p.dtype
    assert out.shape == p.shape
    assert np.abs(out - p).max() <= 1e-5 * max(1, np.abs(p).max())


def test_every_layer_occurs_in_these_networks():
    occurring = {type(layer).__name__ for seed in SEEDS for layer in random_network(seed).layers}
    assert occurring == set(LAYERS)


def test_a_model_of_float64_stays_one():
    model = random_network(8, np.float64)
    x, made = inputs_of(model, 20), to_keras(model)
    out = numbers(made(x))
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, model.predict(x), rtol=1e-5, atol=1e-6)
    assert {weight.dtype for weight in made.weights} == {"float64"}


@pytest.mark.parametrize("padding", ["same", 0, 1])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
def test_zeros_lie_where_tinynn_has_them(padding, stride):
    model = Sequential([Conv2D(2, (4, 2), stride, padding)], (7, 6, 1))
    x = inputs_of(model, 3)
    np.testing.assert_allclose(numbers(to_keras(model)(x)), model.predict(x), atol=1e-6)


def test_a_setting_of_channels_first_changes_nothing():
    model = Sequential([Rescale([2.0, 3.0]), Conv2D(2, 3, 2), Flatten(), Dense(2)], (7, 6, 2))
    x = inputs_of(model, 3)
    keras.config.set_image_data_format("channels_first")
    try:
        np.testing.assert_allclose(numbers(to_keras(model)(x)), model.predict(x), atol=1e-6)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_batch_norm_by_hand_has_the_variance_divided_by_n():
    model = Sequential([BatchNorm(momentum=0.75, epsilon=3.0)], (1,))
    made = to_keras(model)
    norm, x = made.layers[0], np.array([[1.0], [3.0]], np.float32)
    out = numbers(made(x, training=True))
    np.testing.assert_allclose(out.ravel(), [-0.5, 0.5], rtol=1e-6)  # (x - 2) / sqrt(1 + 3)
    assert numbers(norm.moving_mean.value).item() == pytest.approx(0.5)  # 0.25 * 2
    assert numbers(norm.moving_variance.value).item() == pytest.approx(1.0)  # 0.75 + 0.25 * 2 / 2
    model.forward(x)
    assert model.layers[0].running_var.item() == pytest.approx(1.25)  # 0.75 + 0.25 * 2 / (2 - 1)


def test_steps_of_training_give_the_same_weights():
    layers = [Conv2D(3, 3, 2), BatchNorm(0.8, 0.01), ReLU(), Flatten(), Dense(2)]
    model = Sequential(layers, (6, 5, 1), seed=1)
    made, rng = to_keras(model), np.random.default_rng(0)
    made.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    ours, loss, start = SGD(0.1, 0.9), MeanSquaredError(), model.params.copy()
    for _ in range(4):
        x = rng.normal(size=(8, 6, 5, 1)).astype(np.float32)
        y = rng.normal(size=(8, 2)).astype(np.float32)
        model.backward(loss.backward(model.forward(x), y))
        ours.step(model.params, model.grads)
        made.train_on_batch(x, y)
    assert np.abs(model.params - start).max() > 0.01
    arrays = [numbers(weight.value).ravel() for weight in made.trainable_weights]
    np.testing.assert_allclose(np.concatenate(arrays), model.params, atol=2e-6)


def test_frozen_layers_are_frozen_and_use_running_statistics():
    model = Sequential([Dense(3), BatchNorm(), Dense(1)], (4,), seed=1)
    model.layers[0].trainable = model.layers[1].trainable = False
    model.layers[1].running_mean = [1, 2, 3]
    made, x = to_keras(model), inputs_of(model, 9)
    np.testing.assert_allclose(numbers(made(x, training=True)), model.forward(x), atol=1e-6)
    assert len(made.trainable_weights) == 2


def test_a_file_of_keras_holds_the_model(tmp_path):
    layers = [Rescale([0.5, 2.0]), RandomFlip(), RandomShift(1), GELU(), GELU(exact=True)]
    model = Sequential([*layers, Conv2D(2, 2, 2), Flatten(), Dense(2)], (5, 4, 2))
    made, x = to_keras(model), inputs_of(model, 5)
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (numbers(again(x)) == numbers(made(x))).all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 2)])
def test_random_layers_act_in_training_as_those_of_tinynn(shape):
    x = np.arange(1, 100 * np.prod(shape) + 1, dtype=np.float32).reshape(100, *shape)
    flip, shift = (to_keras(Sequential([one], shape)) for one in (RandomFlip(), RandomShift(1)))
    assert (numbers(flip(x)) == x).all()
    assert (numbers(shift(x)) == x).all()
    out = numbers(flip(x, training=True))
    kept = (out == x).reshape(100, -1).all(1)
    assert (out[~kept] == x[~kept][:, :, ::-1]).all()
    assert 25 < kept.sum() < 75  # of 100, each with probability 1/2: within 5 deviations
    places = {}
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            framed = np.zeros((100, 6, 7, *shape[2:]), np.float32)
            framed[:, 1 + down : 5 + down, 1 + right : 6 + right] = x
            places[down, right] = framed[:, 1:5, 1:6]
    seen = set()
    for n, moved in enumerate(numbers(shift(x, training=True))):
        (place,) = [place for place, all_moved in places.items() if (all_moved[n] == moved).all()]
        seen.add(place)
    assert len(seen) == 9


class Swish(ReLU):
    pass


def test_a_layer_of_ones_own_is_refused_by_name_and_place():
    with pytest.raises(InputError, match=r"1\.Swish is a layer of your own, and to_keras"):
        to_keras(Sequential([Dense(3), Swish()], (2,)))
    with pytest.raises(InputError, match="model must be a Sequential"):
        to_keras("model.npz")
