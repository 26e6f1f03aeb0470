"""Protects what exists in a network of images: files, resume, augmentation, doctor, predictions."""

import tracemalloc

import numpy as np
import pytest

from tinynn import (
    SGD,
    AdamW,
    AveragePool2D,
    BatchNorm,
    Checkpoint,
    Conv2D,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    InputError,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Reshape,
    Sequential,
    Softmax,
    Trainer,
    compare_models,
    explain_step,
    load_model,
    save_model,
)
from tinynn.doctor.statistics import dead_units, statistics_of_step

X = np.random.default_rng(0).random((40, 8, 8)).astype(np.float32)
Y = np.arange(40) % 4


def network(first=(RandomFlip, lambda: RandomShift(1)), shape=(8, 8)):
    """Augmentation, both kinds of padding, strides, all pools, BatchNorm and Dropout."""
    channel = [] if len(shape) == 3 else [Reshape((*shape, 1))]
    layers = [
        *(layer() for layer in first), *channel,
        Conv2D(4, (3, 2), bias=False), BatchNorm(), ReLU(), MaxPool2D(2),
        Conv2D(6, 3, stride=(1, 2), padding=1), ReLU(), Dropout(0.2), AveragePool2D((2, 1)),
        GlobalAveragePool2D(), Dense(4), Softmax(),
    ]  # fmt: skip
    return Sequential(layers, input_shape=shape, seed=3)


def trainer(model):
    return Trainer(model, CrossEntropy(), AdamW(1e-2), seed=1)


def test_files_and_comparisons_keep_the_network(tmp_path):
    model = network()
    trainer(model).fit(X, Y, epochs=1, batch_size=16)
    save_model(model, tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert compare_models(model, loaded).identical
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    assert loaded.layers[3].size == (3, 2)
    loaded.layers[3].W[0, 0, 0, 0] += 1
    assert not compare_models(model, loaded).identical


def test_a_resumed_training_ends_with_the_same_bits(tmp_path):
    whole, first, second = network(), network(), network()
    trainer(whole).fit(X, Y, epochs=2, batch_size=16)
    path = tmp_path / "run.npz"
    trainer(first).fit(X, Y, epochs=1, batch_size=16, callbacks=[Checkpoint(path)])
    trainer(second).fit(X, Y, epochs=2, batch_size=16, resume_from=path)
    assert second.params.tobytes() == whole.params.tobytes()
    assert second.buffers.tobytes() == whole.buffers.tobytes()


def test_augmentation_is_the_same_with_and_without_a_channel_axis():
    flat, images = network(), network(shape=(8, 8, 1))
    images.params = flat.params
    for position in (0, 1):
        flat.step = images.step = 7
        given = X if position == 0 else flat.layers[0].forward(X)
        with_channel = images.layers[position].forward(given[..., None])
        assert np.array_equal(with_channel[..., 0], flat.layers[position].forward(given))
    assert np.array_equal(flat.predict(X), images.predict(X[..., None]))


def test_the_loss_falls_in_a_network_with_all_of_them():
    labels = (X[:, :, 4:].mean(axis=(1, 2)) > X[:, :, :4].mean(axis=(1, 2))).astype(int)
    model = network(first=())
    history = Trainer(model, CrossEntropy(), AdamW(2e-2)).fit(X, labels, epochs=5, batch_size=8)
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"]


# predictions


def test_a_prediction_in_small_batches_has_the_numbers_of_a_large_one():
    model = network()
    assert np.allclose(model.predict(X, 1), model.predict(X), rtol=0, atol=1e-6)
    assert model.predict(X[:0]).shape == (0, 4)


@pytest.mark.slow
def test_predictions_and_scores_of_images_need_less_than_100_mb():
    layers = [
        Conv2D(16, 3), BatchNorm(), ReLU(), MaxPool2D(2), Conv2D(32, 3), BatchNorm(), ReLU(),
        MaxPool2D(2), Flatten(), Dense(10), Softmax(),
    ]  # fmt: skip
    model = Sequential(layers, input_shape=(28, 28, 1))
    x, y = np.zeros((1100, 28, 28, 1), np.float32), np.zeros(1100, int)
    for call in (lambda: model.predict(x), lambda: trainer(model).evaluate(x, y)):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100e6


# the doctor


def test_a_filter_is_dead_if_its_whole_map_is():
    model = Sequential([Conv2D(3, 3), ReLU()], input_shape=(6, 6, 1))
    conv = model.layers[0]
    conv.W, conv.b = np.zeros(conv.W.shape), [1, -1, 0]
    conv.W[1, 1, 0, 2] = 1  # filter 2 passes the image on, which is dark but for one pixel
    x = np.zeros((2, 6, 6, 1), np.float32)
    x[1, 2, 3] = 1
    assert dead_units(model, x) == {"1.ReLU": (1, 3)}


def test_the_gradient_of_a_map_counts_over_its_places():
    """A pool makes a gradient sparse, not small: by depth it does not vanish."""
    block = (lambda: Conv2D(8, 3), ReLU, lambda: MaxPool2D(2))
    layers = [Conv2D(8, 3), ReLU(), *(make() for _ in range(3) for make in block)]
    layers += [Flatten(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(16, 16, 1), seed=1)
    x = np.random.default_rng(1).normal(size=(16, 16, 16, 1)).astype(np.float32)
    step = statistics_of_step(model, CrossEntropy(), x, np.arange(16) % 3, number=1)
    first, last = step.gradient["0.Conv2D"], step.gradient["8.Conv2D"]
    assert 0.7 < first / last < 2


# explain_step


def test_explain_step_tells_a_convolution_at_one_window():
    model = Sequential([Conv2D(2, 2), Flatten(), Dense(2), Softmax()], input_shape=(2, 2, 1))
    conv = model.layers[0]
    conv.W, conv.b = np.zeros(conv.W.shape), [0, 0.5]
    conv.W[:, :, 0, 1] = [[2, 3], [4, 7]]
    x = np.array([[1, 2], [0, 5]]).reshape(1, 2, 2, 1)
    page = str(explain_step(model, CrossEntropy(), SGD(0.1), x, [1]))
    # 1*2 + 2*3 + 0*4 + 5*7 + 0.5
    told = (
        "0.Conv2D out[0,0,0,1] = sum(x[0,0:2,0:2] W[...,1]): 5 * 7 + 2 * 3 + 1 * 2 + b 0.5 = 43.5"
    )
    assert told in page
    conv.W[:, :, 0, 1] = [
        [9, 0],
        [1, 0],
    ]  # window (0, 1) has padding at its right, (1, 1) below too
    page = str(explain_step(model, CrossEntropy(), SGD(0.1), x, [1]))
    assert "out[0,1,1,1] = sum(x[0,1:2,1:2] and padding W[...,1]): 5 * 9 + b 0.5 = 45.5" in page


# wrong input


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((4, 3, 8, 8)), r"Channels stand last here: np\.moveaxis\(x, 1, -1\)"),
        (np.zeros((4, 8, 8, 1)), "The images have 1 channels, and the model takes 3"),
        (np.zeros((4, 8, 9, 3)), r"samples of \(8, 9, 3\)\. input_shape is one sample's shape"),
    ],
)
def test_images_that_do_not_fit_the_model_are_refused_with_the_remedy(x, said):
    model = Sequential([Conv2D(2, 3)], input_shape=(8, 8, 3))
    with pytest.raises(InputError, match=said):
        model.predict(x)


def test_images_without_a_channel_are_refused_with_the_remedy_that_works():
    model = Sequential([Conv2D(2, 3)], input_shape=(8, 8, 1))
    with pytest.raises(InputError, match=r"a channel: np.asarray\(x\)\[\.\.\., None\]"):
        model.predict(X)
    assert model.predict(X[..., None]).shape == (40, 8, 8, 2)
