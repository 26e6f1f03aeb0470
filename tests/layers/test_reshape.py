"""Protects Reshape: numbers keep their order, and a shape that does not fit is refused at build."""

import numpy as np
import pytest

from tinynn import Dense, Flatten, InputError, Reshape, Sequential, load_model, save_model


def test_reshape_by_hand_and_back():
    model = Sequential([Reshape((2, 3, 1))], input_shape=(6,), dtype=np.float64)
    x = np.arange(12.0).reshape(2, 6)
    out = model.forward(x)
    assert out.tolist() == [
        [[[0], [1], [2]], [[3], [4], [5]]],
        [[[6], [7], [8]], [[9], [10], [11]]],
    ]
    assert np.array_equal(model.input_gradient(out), x)


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize("shape", [(12,), (3, 4), (2, 1, 6)])
def test_reshape_takes_samples_of_any_shape_and_empty_batches(shape, batch):
    model = Sequential([Reshape((4, 3)), Flatten()], input_shape=shape)
    x = np.random.default_rng(0).normal(size=(batch, *shape)).astype(np.float32)
    assert np.array_equal(model.forward(x), x.reshape(batch, 12))
    assert model.input_gradient(x.reshape(batch, 12)).shape == x.shape


def test_a_shape_of_another_size_names_both_sizes():
    with pytest.raises(InputError) as error:
        Sequential([Flatten(), Reshape((28, 28, 2))], input_shape=(28, 28))
    assert str(error.value) == (
        "1.Reshape makes samples of shape (28, 28, 2), which is 1,568 numbers, but gets samples of "
        "shape (784,), which is 784."
    )


@pytest.mark.parametrize("shape", [784, -1, (-1, 28), (0,), (2.0, 3), "28", None, (True, 6)])
def test_what_is_no_shape_is_refused(shape):
    with pytest.raises(InputError, match="shape of Reshape must be the shape of one sample"):
        Reshape(shape)


def test_a_file_keeps_the_shape(tmp_path):
    model = Sequential([Reshape((np.int64(3), 2)), Flatten(), Dense(2)], input_shape=(6,))
    save_model(model, tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.layers[0].shape == (3, 2)
    assert loaded.output_shapes == ((3, 2), (6,), (2,))
