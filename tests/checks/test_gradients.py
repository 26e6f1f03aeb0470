"""Protects own layers from never being trained: their gradients are written, each time anew.

The oracle is a weight that does not move, and the words of the refusal.
"""

import threading

import numpy as np
import pytest

from oracles import random_data
from tinynn import (
    SGD,
    CrossEntropy,
    Dense,
    InputError,
    Layer,
    Sequential,
    Softmax,
    Trainer,
    check_gradients,
)

X, Y = random_data(40)


class Gain(Layer):
    """out = x W, each column by a number of its own, with the right gradient."""

    def parameter_shapes(self, input_shape):
        return {"W": input_shape}

    def initialize(self, rng):
        self.W = np.ones(self.W.shape)

    def forward(self, x, training=True):
        self.x = x
        return x * self.W

    def parameter_gradients(self, dout):
        self.dW = (dout * self.x).sum(axis=0)

    def input_gradient(self, dout):
        return dout * self.W


class Forgotten(Gain):
    parameter_gradients = Layer.parameter_gradients


class Misspelt(Gain):
    def parameter_gradients(self, dout):
        self.dw = (dout * self.x).sum(axis=0)


class Returned(Gain):
    def parameter_gradients(self, dout):
        return (dout * self.x).sum(axis=0)


class InBackward(Gain):
    parameter_gradients = Layer.parameter_gradients

    def backward(self, dout):
        self.dW = (dout * self.x).sum(axis=0)
        return dout * self.W


class Added(Gain):
    def parameter_gradients(self, dout):
        self.dW += (dout * self.x).sum(axis=0)


class Part(Gain):
    """As an embedding that writes only the rows that the batch has."""

    def parameter_gradients(self, dout):
        self.dW[:2] = (dout * self.x).sum(axis=0)[:2]


def fit(layer, frozen=False):
    """Train a model with this layer first; return by how much the layer's W has changed."""
    model = Sequential([layer, Dense(3), Softmax()], input_shape=X.shape[1:])
    layer.trainable, before = not frozen, layer.W.copy()
    Trainer(model, CrossEntropy(), SGD(0.1)).fit(X, Y, 1, 8)
    return layer.W - before


@pytest.mark.parametrize("kind", [Forgotten, Misspelt, Returned, InBackward])
def test_a_parameter_whose_gradient_is_never_written_is_refused(kind):
    words = (
        rf"0\.{kind.__name__}\.parameter_gradients does not write dW.*Write self\.dW = \.\.\. in"
    )
    with pytest.raises(InputError, match=words):
        fit(kind())


@pytest.mark.parametrize("kind", [Added, Part])
def test_a_gradient_with_numbers_of_earlier_batches_in_it_is_refused(kind):
    words = rf"0\.{kind.__name__}\.parameter_gradients leaves numbers of earlier batches in dW"
    with pytest.raises(InputError, match=words):
        fit(kind())


def test_a_refusal_changes_nothing():
    layer = Forgotten()
    model = Sequential([layer, Dense(3), Softmax()], input_shape=X.shape[1:])
    model.grads[:] = 7
    before = model.params.copy()
    with pytest.raises(InputError):
        Trainer(model, CrossEntropy(), SGD(0.1)).fit(X, Y, 1)
    assert np.array_equal(model.params, before)
    assert (model.grads == 7).all()
    assert model.step == 0


def test_right_frozen_and_uncopiable_layers_are_accepted():
    assert fit(Gain()).any()
    assert not fit(Forgotten(), frozen=True).any()
    layer = Gain()
    layer.lock = threading.Lock()
    fit(layer)


class Twice(Gain):
    def input_gradient(self, dout):
        raise ZeroDivisionError("in backward")


def test_an_error_in_backward_stays_the_error_of_the_first_step():
    model = Sequential([Dense(4), Twice(), Dense(3), Softmax()], input_shape=X.shape[1:])
    with pytest.raises(ZeroDivisionError, match="in backward"):
        Trainer(model, CrossEntropy(), SGD(0.1)).fit(X, Y, 1)


class Empty(Gain):
    """Has a parameter without numbers."""

    def parameter_shapes(self, input_shape):
        return {"W": input_shape, "none": (0,)}


def test_a_parameter_without_numbers_trains_and_is_checked():
    fit(Empty())
    model = Sequential([Empty(), Dense(3), Softmax()], input_shape=X.shape[1:])
    assert check_gradients(model, CrossEntropy(), X[:5], Y[:5]).ok


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda x: (x, None),
            r"returned \(array.*It is one array.*forward keeps, as self\.x",
        ),
        (lambda x: x.tolist(), r"returned \[\[.*Write np\.array"),
        (lambda x: (row for row in x), r"returned <generator.*it must return out, of shape"),
        (lambda x: np.ma.masked_less(x, 0), r"a masked array of \(\d+, 4\).*Write \.filled\(0\)"),
    ],
)
def test_what_forward_returns_is_an_array(made, words):
    class Own(Layer):
        def forward(self, x, training=True):
            return made(x)

        def input_gradient(self, dout):
            return dout

    with pytest.raises(InputError, match=rf"0\.Own\.forward returned .*{words}|{words}"):
        Sequential([Own(), Dense(3)], input_shape=(4,)).forward(X)


class Rebinds(SGD):
    def update(self, params, grads, rate):
        params = params - rate * grads


class Returns(SGD):
    def update(self, params, grads, rate):
        return params - rate * grads


class Seldom(SGD):
    """Steps with the mean of four gradients."""

    state_names = ("mean",)

    def update(self, params, grads, rate):
        self.slots["mean"] += grads / 4
        if self.t % 4 == 0:
            params -= np.float32(rate) * self.slots["mean"]
            self.slots["mean"][:] = 0


@pytest.mark.parametrize("kind", [Rebinds, Returns])
def test_an_update_that_moves_nothing_is_refused(kind):
    model = Sequential([Dense(3), Softmax()], input_shape=X.shape[1:])
    optimizer = kind(0.1)
    words = rf"{kind.__name__}\.update leaves params as they are.*params -= rate \* grads"
    with pytest.raises(InputError, match=words):
        Trainer(model, CrossEntropy(), optimizer).fit(X, Y, 1)
    assert optimizer.t == 0


def test_an_update_that_moves_now_and_then_is_accepted():
    optimizer = Seldom(0.1)
    model = Sequential([Dense(3), Softmax()], input_shape=X.shape[1:])
    Trainer(model, CrossEntropy(), optimizer).fit(X, Y, 2, 8)
    assert optimizer.t == 10


def test_the_trial_of_an_update_asks_no_schedule():
    """It may count how often it was asked, as that of an iterator does."""

    class Own(SGD):
        pass

    asked = {SGD: [], Own: []}
    for kind, steps in asked.items():
        model = Sequential([Dense(3), Softmax()], input_shape=X.shape[1:])
        optimizer = kind(lambda t, steps=steps: steps.append(t) or 0.1)
        Trainer(model, CrossEntropy(), optimizer).fit(X, Y, 2, 8)
    assert asked[Own] == asked[SGD]
