"""Protects the pictures of convolutional networks: they show what the layers compute."""

import numpy as np
import pytest

from tinynn import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    InputError,
    MaxPool2D,
    RandomFlip,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Softmax,
    plots,
)

IMAGE = np.array([[0, 1, 2, 3], [9, 1, 0, 1], [5, 5, 5, 5], [0, 0, 2, 8]], np.float32)


def network(dtype=np.float32, classes=3):
    layers = [
        RandomFlip(), Rescale(2.0, 1.0), Reshape((4, 4, 1)), Conv2D(2, 3), BatchNorm(), ReLU(),
        MaxPool2D(2), Dropout(0.5), Flatten(), Dense(classes), Softmax(),
    ]  # fmt: skip
    return Sequential(layers, input_shape=(4, 4), seed=3, dtype=dtype)


def shown(panel):
    return panel.get_images()[0].get_array()


def test_a_kernel_of_the_first_layer_is_an_image_the_largest_first():
    model = Sequential([Conv2D(2, (2, 3))], input_shape=(4, 4, 2))
    (conv,) = model.layers
    conv.W = np.arange(24).reshape(2, 3, 2, 2)
    first, second = plots.first_layer(model).axes
    assert shown(first).tolist() == [[1, 5, 9, 3, 7, 11], [13, 17, 21, 15, 19, 23]]  # filter 1
    assert shown(second).tolist() == [[0, 4, 8, 2, 6, 10], [12, 16, 20, 14, 18, 22]]


def test_maps_are_those_of_the_layers_row_by_row_without_layers_that_only_scale():
    layers = [Rescale(2.0), Reshape((4, 4, 1)), Conv2D(2, 1), BatchNorm(), ReLU(), MaxPool2D(2)]
    model = Sequential([Dropout(0.5), *layers, Flatten(), Dense(2)], input_shape=(4, 4))
    model.layers[3].W = np.array([1.0, -1.0]).reshape(1, 1, 1, 2)
    model.layers[3].b = [0.0, 3.0]  # 2 x, and 3 - 2 x
    model.layers[4].running_mean = [0.0, 3.0]  # 2 x, and -2 x, but for epsilon
    figure = plots.feature_maps(model, IMAGE - 4)
    assert [panel.get_ylabel() for panel in figure.axes if panel.get_ylabel()] == [
        "image\n4 x 4 x 1", "3.Conv2D\n4 x 4 x 2", "5.ReLU\n4 x 4 x 2", "6.MaxPool2D\n2 x 2 x 2"
    ]  # fmt: skip
    image, *conv, bright, dark, bright_pooled, dark_pooled = [shown(panel) for panel in figure.axes]
    assert np.array_equal(image, IMAGE - 4)
    np.testing.assert_allclose(conv, [2 * IMAGE - 8, 11 - 2 * IMAGE])
    np.testing.assert_allclose(bright, np.maximum(2 * IMAGE - 8, 0), rtol=1e-4)
    np.testing.assert_allclose(dark, np.maximum(8 - 2 * IMAGE, 0), rtol=1e-4)
    np.testing.assert_allclose(bright_pooled, [[10, 0], [2, 8]], rtol=1e-4)
    np.testing.assert_allclose(dark_pooled, [[8, 8], [8, 4]], rtol=1e-4)


def test_maps_with_negative_numbers_are_coloured_and_white_is_0_others_are_grey():
    model = Sequential([Conv2D(1, 3), ReLU()], input_shape=(4, 4, 1))
    _, conv, relu = plots.feature_maps(model, IMAGE[..., None] - 4).axes
    low, high = conv.get_images()[0].get_clim()
    assert -low == high == np.abs(shown(conv)).max()
    assert conv.get_images()[0].get_cmap().name == "RdBu"
    assert relu.get_images()[0].get_clim()[0] == 0
    assert relu.get_images()[0].get_cmap().name == "gray"


@pytest.mark.slow
def test_no_more_maps_are_drawn_than_asked_for():
    model = Sequential([Conv2D(5, 3)], input_shape=(4, 4, 1))
    assert len(plots.feature_maps(model, IMAGE[..., None], count=3).axes) == 1 + 3


def test_a_gradient_of_a_class_is_the_derivative_of_its_logit_in_prediction():
    model = network(np.float64)
    images = np.random.default_rng(0).uniform(size=(5, 4, 4))
    for _ in range(3):  # so that running statistics are not those of these images
        model.forward(3 * images)
    before = model.buffers.copy()
    figure = plots.class_gradients(model, images, ["a", "b", "c"])
    assert np.array_equal(model.buffers, before)

    def logit(images, k):  # from probabilities: but for a number that all logits share
        p = np.log(model.predict(images))
        return p[:, k] - p[:, 0]

    h, drawn = 1e-6, [shown(panel) for panel in figure.axes]
    for k in (1, 2):
        differences = np.zeros((4, 4))
        for at in np.ndindex(4, 4):
            step = np.zeros((4, 4))
            step[at] = h
            up, down = logit(images + step, k), logit(images - step, k)
            differences[at] = np.mean(up - down) / (2 * h)
        np.testing.assert_allclose(drawn[3 + k] - drawn[3], differences, atol=1e-6)
        assert np.abs(differences).max() > 0.01
    surest = model.predict(images).argmax(axis=0)
    for k, best in enumerate(surest):
        assert np.array_equal(drawn[k], images[best])


@pytest.mark.slow
def test_many_images_are_taken_in_parts_that_give_the_same_mean():
    model = network(np.float64)
    images = np.random.default_rng(0).uniform(size=(130, 4, 4))
    all_, one, other = (
        [shown(panel) for panel in plots.class_gradients(model, part, "abc").axes[3:]]
        for part in (images, images[:100], images[100:])
    )
    for mean, first, last in zip(all_, one, other, strict=True):
        np.testing.assert_allclose(mean, (100 * first + 30 * last) / 130, atol=1e-12)


def test_a_network_of_logits_keeps_its_last_layer():
    model = Sequential([Flatten(), Dense(2)], input_shape=(4, 4))
    panels = plots.class_gradients(model, IMAGE[None], "ab").axes
    for k, panel in enumerate(panels[2:]):
        np.testing.assert_allclose(shown(panel), model.layers[1].W[:, k].reshape(4, 4))


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plots.feature_maps(network(), np.stack([IMAGE] * 3)), r"one image.*images\[0\]"),
        (lambda: plots.feature_maps(network(), IMAGE[:3]), r"samples of shape \(4, 4\)"),
        (lambda: plots.feature_maps(network(), IMAGE, count=0), "count"),
        (lambda: plots.feature_maps(Sequential([Flatten(), Dense(2)], (4, 4)), IMAGE),
         r"needs a model with layers that return maps \(H, W, C\), such as Conv2D"),
        (lambda: plots.class_gradients(network(), np.zeros((0, 4, 4)), "abc"), "1 or more"),
        (lambda: plots.class_gradients(network(), IMAGE[None], "ab"), "names"),
        (lambda: plots.class_gradients(Sequential([Dense(2)], (16,)), IMAGE.reshape(1, 16), "ab"),
         r"of one channel, .* got \(1, 16\)"),
        (lambda: plots.class_gradients(Sequential([Conv2D(2, 3)], (4, 4, 1)),
                                       IMAGE.reshape(1, 4, 4, 1), "ab"), "a model of classes"),
    ],
    ids=["batch", "shape", "count", "no maps", "no images", "names", "flat", "no classes"],
)  # fmt: skip
def test_wrong_input_is_refused(draw, said):
    with pytest.raises(InputError, match=said):
        draw()


def test_weights_of_nan_are_not_drawn():
    model = network()
    model.layers[3].W[0, 0, 0, 0] = np.nan
    for draw in (
        lambda: plots.first_layer(model),
        lambda: plots.feature_maps(model, IMAGE),
        lambda: plots.class_gradients(model, IMAGE[None], "abc"),
    ):
        with pytest.raises(InputError, match="NaN"):
            draw()
