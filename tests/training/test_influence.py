"""Protects influence: it agrees with whole gradients, one sample at a time, and with the loss."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import InPlaceReLU, OwnAbsoluteError, Scale, numeric_gradient, random_data
from tinynn import (
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    Checkpoint,
    Conv2D,
    CosineDecay,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    InputError,
    Layer,
    LayerNorm,
    MaxPool2D,
    MeanSquaredError,
    RandomFlip,
    ReLU,
    Replay,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    influence,
)

X, Y = random_data(9)
X = X.astype(np.float64)


class InPlaceDouble(Layer):
    """Works in the arrays that it is given: called twice with one array, it would double twice."""

    def forward(self, x, training=True):
        x *= 2
        return x

    def input_gradient(self, dout):
        dout *= 2
        return dout


def predicting(model):
    """A twin without what is random in training, and with BatchNorm as in prediction."""
    kept = [
        layer
        for layer in model.layers
        if not isinstance(layer, (Dropout, GaussianNoise, RandomFlip))
    ]
    configs = [type(layer)(**layer.config()) for layer in kept]
    twin = Sequential(configs, model.input_shape, model.seed, model.dtype)
    twin.params, twin.buffers = model.params, model.buffers
    return twin


def whole_gradient(model, loss, x, y):
    """The gradient of one sample's loss by all parameters, through model.backward."""
    twin = predicting(model)
    dp = loss.backward(twin.forward(x), y)
    twin.backward(dp)
    return twin.grads.copy()


def expected(model, loss, x, y, one_x, one_y):
    one = whole_gradient(model, loss, one_x, one_y)
    rows = [slice(n, n + 1) for n in range(len(x))]
    return np.array([whole_gradient(model, loss, x[r], y[r]) @ one for r in rows])


DENSE = [Flatten(), Dense(6), ReLU(), Dense(5, bias=False), ReLU(), Dense(3), Softmax()]
MODELS = {
    "dense": (DENSE, CrossEntropy()),
    "logits, smoothed, weighted": (DENSE[:-1], SoftmaxCrossEntropy(0.1, [1.0, 2.0, 0.5])),
    "random": ([Dropout(0.5), Dense(6), GaussianNoise(0.2), Dense(3), Softmax()], CrossEntropy()),
    "LayerNorm": ([Dense(6), LayerNorm(), ReLU(), Dense(3), Softmax()], CrossEntropy()),
    "own": (
        [Scale(), Dense(6), InPlaceReLU(), InPlaceDouble(), Scale(2.0), Dense(3), Softmax()],
        CrossEntropy(),
    ),
    "images": (
        [
            Reshape((2, 2, 1)),
            RandomFlip(),
            Conv2D(3, 2),
            MaxPool2D(2),
            Flatten(),
            Dense(3),
            Softmax(),
        ],
        CrossEntropy(),
    ),
}


def built(layers, dtype=np.float64, seed=0):
    fresh = [type(layer)(**layer.config()) for layer in layers]
    model = Sequential(fresh, (4,), seed, dtype)
    model.params += np.random.default_rng(1).normal(size=model.params.size) * 0.1
    return model


@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_dot_product_of_whole_gradients(name):
    layers, loss = MODELS[name]
    model = built(layers)
    result = influence(model, loss, X, Y, X[4], Y[4])
    right = expected(model, loss, X, Y, X[4:5], Y[4:5])
    assert np.allclose(result.values, right, rtol=1e-10, atol=1e-12 * abs(right).max())
    assert result.values[4] > 0  # a square


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    samples=st.integers(1, 7),
    units=st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=3),
    scale=st.sampled_from([1e-6, 1.0, 1e3]),
    seed=st.integers(0, 99),
)
def test_any_dense_network_agrees_with_whole_gradients(samples, units, scale, seed):
    rng = np.random.default_rng(seed)
    x, y = scale * rng.normal(size=(samples, 4)), rng.normal(size=(samples, units[-1][0]))
    layers = [one for n, bias in units for one in (Dense(n, bias=bias), ReLU())][:-1]
    model, loss = built(layers, seed=seed), MeanSquaredError()
    values = influence(model, loss, x, y, x[-1], y[-1]).values
    right = expected(model, loss, x, y, x[-1:], y[-1:])
    assert np.allclose(values, right, rtol=1e-9, atol=1e-12 * abs(right).max())
    assert values[-1] >= 0


def test_several_batches_of_float32_and_all_kinds_of_losses(monkeypatch):
    """1,500 samples are two batches of predict."""
    x, y = random_data(1500)
    model = built([Dense(5), ReLU(), Dense(3), Softmax()], np.float32)
    values = influence(model, CrossEntropy(), x, y, x[0], y[0]).values
    assert values.dtype == np.float64
    right = expected(model, CrossEntropy(), x[-5:], y[-5:], x[:1], y[:1])
    assert np.allclose(values[-5:], right, rtol=1e-4, atol=1e-5 * abs(right).max())
    targets = np.random.default_rng(2).random((9, 3))
    for layers, loss in (
        ([Dense(3)], MeanSquaredError()),
        ([Dense(3)], OwnAbsoluteError()),
        ([Dense(3), Sigmoid()], BinaryCrossEntropy()),
    ):
        answers = targets if loss.boundary is None else np.rint(targets)
        model = built(layers)
        values = influence(model, loss, X, answers, X[1], answers[1]).values
        assert np.allclose(values, expected(model, loss, X, answers, X[1:2], answers[1:2]))


def test_a_step_on_a_sample_lowers_the_loss_as_predicted():
    """Finite differences: no gradient of tinynn is asked for."""
    model = built([Dense(4), Dense(3), Softmax()])
    loss, one = CrossEntropy(), (X[:1], Y[:1])

    def of_sample(x, y):
        return lambda: loss.forward(model.forward(x, training=False), y)

    asked = numeric_gradient(of_sample(*one), model.params)
    values = influence(model, loss, X, Y, *one).values
    for n in range(3):
        g = numeric_gradient(of_sample(X[n : n + 1], Y[n : n + 1]), model.params)
        assert values[n] == pytest.approx(g @ asked, rel=1e-6)
        before, kept = of_sample(*one)(), model.params.copy()
        model.params -= 1e-5 * g
        assert before - of_sample(*one)() == pytest.approx(1e-5 * values[n], rel=1e-3, abs=1e-12)
        model.params = kept


def test_batchnorm_is_as_in_prediction():
    model = built([Dense(6), BatchNorm(), ReLU(), Dense(3), Softmax()])
    model.buffers[:] = np.random.default_rng(5).random(model.buffers.size) + 0.5
    loss = CrossEntropy()

    def of_sample(n):
        return lambda: loss.forward(model.forward(X[n : n + 1], training=False), Y[n : n + 1])

    gradients = [numeric_gradient(of_sample(n), model.params) for n in (0, 1)]
    values = influence(model, loss, X, Y, X[0], Y[0]).values
    assert values[1] == pytest.approx(gradients[0] @ gradients[1], rel=1e-5)


def test_frozen_layers_do_not_count():
    model = built(DENSE)
    whole = influence(model, CrossEntropy(), X, Y, X[0], Y[0]).values
    model.layers[1].trainable = False
    rest = influence(model, CrossEntropy(), X, Y, X[0], Y[0]).values
    model.layers[1].trainable = True
    model.layers[3].trainable = model.layers[5].trainable = False
    first = influence(model, CrossEntropy(), X, Y, X[0], Y[0]).values
    assert np.allclose(first + rest, whole)
    assert not np.allclose(rest, whole)


def test_nothing_of_the_model_changes():
    model = built([Dense(6), BatchNorm(), Dropout(0.5), Dense(3), Softmax()])
    model.forward(X)
    before = copy.deepcopy(model)
    x, y = X.copy(), Y.copy()
    influence(model, CrossEntropy(), x, y, x[0], y[0])
    assert np.array_equal(model.params, before.params)
    assert np.array_equal(model.buffers, before.buffers)
    assert np.array_equal(model.grads, before.grads)
    assert (model.step, model.streams.state()) == (before.step, before.streams.state())
    assert [layer.trainable for layer in model.layers] == [True] * 5
    assert np.array_equal(x, X)


# Over checkpoints


def training(folder=None, optimizer=None, epochs=2):
    model = Sequential([Dense(5), ReLU(), Dense(3), Softmax()], (4,), dtype=np.float64)
    trainer = Trainer(model, CrossEntropy(), optimizer or SGD(0.1))
    callbacks = [Checkpoint(folder / "run-{step}.npz")] if folder else []
    arguments = {"x": X, "y": Y, "epochs": epochs, "batch_size": 3}
    return trainer, {**arguments, "callbacks": callbacks}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1), lambda: SGD(CosineDecay(0.1))])
def test_over_checkpoints_it_is_the_sum_of_rate_times_dot_product(tmp_path, optimizer):
    trainer, arguments = training(tmp_path, optimizer())
    again = Replay(trainer, **arguments)
    trainer.fit(**arguments)
    total = 0
    for step in (0, 3, 6):
        was = again.at(step)
        rate = was.optimizer.rate(max(step, 1))
        total += rate * expected(was.model, CrossEntropy(), X, Y, X[2:3], Y[2:3])
    asked = CrossEntropy(), X, Y, X[2], Y[2]
    of_files = influence(trainer.model, *asked, checkpoints=tmp_path / "run-{step}.npz")
    of_moments = influence(trainer.model, *asked, checkpoints=[again.at(s) for s in (0, 3, 6)])
    assert np.allclose(of_files.values, total, rtol=1e-10, atol=1e-14)
    assert np.allclose(of_moments.values, total, rtol=1e-10, atol=1e-14)
    assert np.array_equal(of_files.p, trainer.model.predict(X[2:3]))


def test_a_checkpoint_without_its_rate_and_one_of_another_model(tmp_path):
    trainer, arguments = training(optimizer=Adam(CosineDecay(0.1)))
    keep = Checkpoint(tmp_path / "run-{step}.npz", every_steps=1, every_epochs=9)
    trainer.fit(**{**arguments, "callbacks": [keep]})
    asked = CrossEntropy(), X, Y, X[2], Y[2]
    with pytest.raises(InputError, match="does not hold the learning rate of its step"):
        influence(trainer.model, *asked, checkpoints=tmp_path / "run-1.npz")
    other = Sequential([Dense(3), Softmax()], (4,))
    with pytest.raises(InputError, match="is of another model"):
        influence(other, *asked, checkpoints=tmp_path / "run-6.npz")
    moment = Replay(training()[0], **training()[1]).at(1)
    with pytest.raises(InputError, match="a moment of another model"):
        influence(other, *asked, checkpoints=[moment])


# The report


def test_the_most_helpful_and_harmful():
    model = built([Dense(3), Softmax()])
    result = influence(model, CrossEntropy(), X, Y, X[0], Y[0])
    order = [*result.most_helpful(9), *result.most_harmful(9)[::-1]]
    assert order == sorted(range(9), key=lambda n: -result.values[n])
    assert (result.values[result.most_harmful(2)] < 0).all()
    text = str(result)
    assert text.startswith(f"Influence on a sample of class {Y[0]}, predicted as ")
    assert f"{result.most_helpful(1)[0]}" in text
    assert [*result.answers] == [*Y]


# Refused


class Restless(Layer):
    """Frozen or not, it acts otherwise in training."""

    def forward(self, x, training=True):
        return x * 2 if training else x + 1

    def input_gradient(self, dout):
        return dout * 2


class Reversal(Layer):
    """Changes nothing, and turns the gradient round."""

    def forward(self, x, training=True):
        return x.copy()

    def input_gradient(self, dout):
        return -dout


class OwnWay(Sequential):
    def forward(self, x, training=True):
        return super().forward(2 * np.asarray(x), training)


def test_a_layer_that_changes_nothing_may_have_a_gradient_of_its_own():
    plain, turned = built([Dense(4), Dense(3)]), built([Dense(4), Reversal(), Dense(3)])
    plain.layers[1].trainable = turned.layers[2].trainable = False
    asked = MeanSquaredError(), X, np.eye(3)[Y]
    one = X[0], np.eye(3)[Y[0]]
    values = [influence(model, *asked, *one).values for model in (plain, turned)]
    assert np.allclose(*values)  # (-g) . (-g'), through the layer that is reversed
    turned.layers[2].trainable = True
    assert not np.allclose(values[0], influence(turned, *asked, *one).values)


def test_what_it_cannot_answer():
    model, loss = built([Dense(3), Softmax()]), CrossEntropy()
    for one_x, one_y in ((X[:2], Y[:2]), (X[0, :3], 0), (X[0], [0, 1]), (X[0], np.eye(3)[0])):
        with pytest.raises(InputError, match=r"one_x of shape \(4,\) and one_y of shape \(\)"):
            influence(model, loss, X, Y, one_x, one_y)
    with pytest.raises(InputError, match="one_x"):
        influence(model, loss, X, Y, np.full(4, np.nan), 0)
    with pytest.raises(InputError, match="same number of samples"):
        influence(model, loss, X, Y[:3], X[0], 0)
    with pytest.raises(InputError, match=r"1\.Restless returns other numbers in training"):
        influence(built([Dense(3), Restless(), Softmax()]), loss, X, Y, X[0], 0)
    own = OwnWay([Dense(3), Softmax()], (4,))
    with pytest.raises(InputError, match="OwnWay has a forward of its own"):
        influence(own, loss, X, Y, X[0], 0)
    model.layers[0].trainable = False
    with pytest.raises(InputError, match="no layer of which anything is trained"):
        influence(model, loss, X, Y, X[0], 0)
