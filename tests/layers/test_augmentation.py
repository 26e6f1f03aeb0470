"""Protects the layers that change samples in training: by loops over images, and by counting."""

import numpy as np
import pytest

from tinynn import (
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    InputError,
    RandomFlip,
    RandomShift,
    Sequential,
    Softmax,
    check_gradients,
    load_model,
    save_model,
)

SHAPES = [(5, 6), (6, 5, 3), (4, 4, 1)]


def alone(layer, shape, dtype=np.float64):
    return Sequential([layer], input_shape=shape, dtype=dtype)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def moved(image, down, right):
    """Shift an image pixel by pixel; what comes in is 0."""
    out = np.zeros_like(image)
    height, width = image.shape[:2]
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                out[i, j] = image[i - down, j - right]
    return out


@pytest.mark.parametrize("shape", SHAPES)
def test_each_image_is_flipped_or_not_and_its_gradient_likewise(shape):
    model = alone(RandomFlip(), shape)
    x, dout = normal(200, *shape), normal(200, *shape, seed=1)
    out, dx = model.forward(x), model.input_gradient(dout)
    flipped = 0
    for n in range(200):
        mirrored = np.array_equal(out[n], x[n, :, ::-1])
        assert mirrored or np.array_equal(out[n], x[n])
        assert np.array_equal(dx[n], dout[n, :, ::-1] if mirrored else dout[n])
        flipped += mirrored
    assert abs(flipped - 100) < 5 * np.sqrt(50)


@pytest.mark.parametrize("pixels", [0, 1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_image_is_shifted_as_by_hand_and_its_gradient_back(shape, pixels):
    model = alone(RandomShift(pixels), shape)
    x, dout = normal(50, *shape), normal(50, *shape, seed=1)
    out, dx = model.forward(x), model.input_gradient(dout)
    places = [(i, j) for i in range(-pixels, pixels + 1) for j in range(-pixels, pixels + 1)]
    for n in range(50):
        shift = next(place for place in places if np.array_equal(out[n], moved(x[n], *place)))
        assert np.array_equal(dx[n], moved(dout[n], -shift[0], -shift[1]))


def test_all_shifts_are_equally_likely():
    model = alone(RandomShift(1), (3, 3))
    x = np.zeros((9000, 3, 3))
    x[:, 1, 1] = 1
    counts = model.forward(x).sum(axis=0)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_has_mean_0_and_its_standard_deviation(dtype):
    model = alone(GaussianNoise(0.3), (100, 100), dtype)
    x = normal(10, 100, 100).astype(dtype)
    out = model.forward(x)
    noise = out - x
    assert out.dtype == dtype
    assert abs(noise.mean(dtype=float)) < 5 * 0.3 / np.sqrt(1e5)
    assert abs(noise.std(dtype=float) - 0.3) < 5 * 0.3 / np.sqrt(2e5)
    assert abs((noise[:-1] * noise[1:]).mean(dtype=float)) < 5 * 0.09 / np.sqrt(9e4)
    dout = normal(10, 100, 100, seed=1).astype(dtype)
    assert np.array_equal(model.input_gradient(dout), dout)


RANDOM = [RandomFlip(), RandomShift(2), GaussianNoise(0.5), Dropout(0.5)]


def test_noise_on_whole_numbers_given_to_the_layer_itself_is_that_on_floats():
    layer, x = GaussianNoise(0.5), np.ones((2, 3))
    Sequential([layer], input_shape=(3,))
    assert np.allclose(layer.forward(x.astype(int)), layer.forward(x), atol=1e-6)


@pytest.mark.parametrize("layer", RANDOM, ids=repr)
def test_numbers_follow_from_the_step_and_prediction_has_none(layer):
    x = normal(20, 6, 5)
    one, other = (alone(type(layer)(**layer.config()), (6, 5), t) for t in (float, np.float32))
    one.step = other.step = 4
    first = one.forward(x)
    assert np.allclose(other.forward(x), first, atol=1e-6)
    one.step = 5
    assert not np.array_equal(one.forward(x), first)
    one.step = 4
    assert np.array_equal(one.forward(x), first)
    out = one.forward(x, training=False)
    assert np.array_equal(out, x)
    assert not np.shares_memory(out, x)
    assert one.forward(x[:0]).shape == (0, 6, 5)


@pytest.mark.slow
@pytest.mark.parametrize("layer", RANDOM, ids=repr)
def test_gradients_are_right_in_a_network_of_images(layer):
    layer = type(layer)(**layer.config())
    model = Sequential([layer, Flatten(), Dense(3), Softmax()], input_shape=(6, 5, 2))
    report = check_gradients(model, CrossEntropy(), normal(4, 6, 5, 2), [0, 1, 2, 0])
    assert report.ok, report
    assert report.skipped == 0


def test_files_keep_the_arguments(tmp_path):
    layers = [RandomFlip(), RandomShift(2), GaussianNoise(0.1), Flatten(), Dense(2)]
    save_model(Sequential(layers, (5, 5)), tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz").layers
    assert (loaded[1].pixels, loaded[2].std) == (2, 0.1)


@pytest.mark.parametrize("layer", [RandomFlip, lambda: RandomShift(1)])
@pytest.mark.parametrize(
    ("shape", "remedy"), [((784,), r"Reshape\(\(28, 28\)\)"), ((7,), r"Reshape\(\(H, W, C\)\)")]
)
def test_samples_that_are_no_images_are_refused_with_the_way_out(layer, shape, remedy):
    with pytest.raises(InputError, match=rf"needs images: .* Put it before Flatten.*{remedy}"):
        alone(layer(), shape)


def test_a_shift_by_the_whole_image_is_refused():
    with pytest.raises(InputError) as error:
        alone(RandomShift(4), (4, 9))
    assert str(error.value) == (
        "0.RandomShift gets images of 4 x 9 pixels: a shift by 4 would leave nothing of them. "
        "Write at most RandomShift(3)."
    )


@pytest.mark.parametrize("bad", [-1, 1.5, "2", None, True])
def test_what_is_no_number_of_pixels_is_refused(bad):
    with pytest.raises(InputError, match="pixels of RandomShift must be a whole number of 0 or"):
        RandomShift(bad)


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf, "1", None, True])
def test_what_is_no_standard_deviation_is_refused(bad):
    with pytest.raises(InputError, match="std of GaussianNoise must be a number, 0 or more, got"):
        GaussianNoise(bad)
