"""Protects what check_gradients checks: the forward and backward that training calls."""

import re

import numpy as np
import pytest

from oracles import InPlaceReLU, numeric_gradient
from tinynn import (
    SGD,
    CrossEntropy,
    Dense,
    Flatten,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    Trainer,
    check_gradients,
)


class OwnTanh(Layer):
    """Right, as users write it: it keeps its own output, which the next layer may change."""

    def forward(self, x, training=True):
        out = np.tanh(x)
        if training:
            self.out = out
        return out

    def input_gradient(self, dout):
        return dout * (1 - self.out**2)


class KeepsInATuple(OwnTanh):
    def forward(self, x, training=True):
        out = np.tanh(x)
        if training:
            self.cache = (x.shape, [out])
        return out

    def input_gradient(self, dout):
        return dout * (1 - self.cache[1][0] ** 2)


class Halve(Layer):
    """Right by itself, but it writes into what it is given."""

    def forward(self, x, training=True):
        x *= 0.5
        return x

    def input_gradient(self, dout):
        return dout * 0.5


class HalveGradient(Layer):
    """Writes into dout, which does no harm, because nobody needs it any more."""

    def forward(self, x, training=True):
        return x * 0.5

    def input_gradient(self, dout):
        dout *= 0.5
        return dout


class KeepsDout(Layer):
    """Adds 0, and returns an array as dx that it still needs for its own parameter."""

    def parameter_shapes(self, input_shape):
        return {"shift": input_shape}

    def forward(self, x, training=True):
        return x + self.shift

    def backward(self, dout):
        self.dshift = dout.sum(axis=0)
        return dout

    def parameter_gradients(self, dout):
        self.dshift = dout.sum(axis=0)

    def input_gradient(self, dout):
        return dout


X = np.random.default_rng(0).normal(size=(5, 3))
Y = np.arange(5) % 2


def trained_gradient(model, loss, x, y):
    """Return the gradient that a step of training would use."""
    p = model.forward(x)
    loss.forward(p, y)
    model.backward(loss.backward(p, y))
    return model.grads.copy()


def is_right(layers, kind=Sequential, loss=None):
    """Return whether training would use the right gradient, found without check_gradients."""
    loss = loss or SoftmaxCrossEntropy()
    model = kind(layers, input_shape=(3,), dtype=np.float64)
    found = trained_gradient(model, loss, X, Y)
    numeric = numeric_gradient(lambda: loss.forward(model.forward(X), Y), model.params, 1e-6)
    return np.allclose(found, numeric, rtol=1e-5, atol=1e-8)


def report_of(layers, kind=Sequential, loss=None):
    return check_gradients(kind(layers, input_shape=(3,)), loss or SoftmaxCrossEntropy(), X, Y)


HARM = [
    (
        lambda: [Dense(4), OwnTanh(), Halve(), Dense(2)],
        "1.OwnTanh.x",
        "2.Halve",
        "1.OwnTanh",
        "out",
    ),
    (
        lambda: [Dense(4), OwnTanh(), Flatten(), Halve(), Dense(2)],
        "1.OwnTanh.x",
        "3.Halve",
        "1.",
        "out",
    ),
    (
        lambda: [Dense(4), KeepsInATuple(), Halve(), Dense(2)],
        "1.KeepsInATuple.x",
        "2.Halve",
        "1.KeepsInATuple",
        "cache",
    ),
]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(("layers", "culprit", "by", "keeper", "kept_as"), HARM)
def test_a_layer_that_writes_into_what_another_keeps_is_found_and_both_are_named(
    layers, culprit, by, keeper, kept_as
):
    assert not is_right(layers())
    report = report_of(layers())
    assert not report.ok
    assert report.culprit.name == culprit
    line = Halve.forward.__code__.co_firstlineno
    assert re.search(
        rf"forward of {by} \(test_walk\.py:{line}\) changes in place an array that {keeper}\S* "
        rf"keeps as {kept_as}, and needs in backward\. Write x = x \* m there, not x \*= m, or "
        r"begin with x = x\.copy\(\)\.",
        report.diagnosis,
    )
    assert "each layer alone, on copies of all arrays, is right" in report.diagnosis
    assert report.diagnosis in str(report)


class SquaresInPlace(Layer):
    """x * x; on the way back it writes into the x that it was given."""

    def forward(self, x, training=True):
        self.x = x
        return x * x

    def input_gradient(self, dout):
        self.x *= 2
        return dout * self.x


def test_below_the_first_parameters_too_whoever_writes_is_named():
    # A step of training ends at the first parameters: only model.input_gradient comes this far.
    report = report_of([OwnTanh(), SquaresInPlace(), Dense(2)])
    assert report.culprit.name == "0.OwnTanh.x"
    assert "input_gradient of 1.SquaresInPlace" in report.diagnosis
    assert "an array that 0.OwnTanh keeps as out" in report.diagnosis


def test_the_line_that_is_advised_repairs_it():
    class Mended(Halve):
        def forward(self, x, training=True):
            x = x * 0.5
            return x

    assert report_of([Dense(4), OwnTanh(), Mended(), Dense(2)]).ok


class Clips(Layer):
    """Writes into x by way of a function of NumPy's that is written in Python."""

    def forward(self, x, training=True):
        return np.clip(x, -1, 1, out=x)

    def input_gradient(self, dout):
        return dout


def trained(layers):
    model = Sequential(layers, input_shape=(3,))
    run = Trainer(model, SoftmaxCrossEntropy(), SGD(0.1))
    return run.fit(X.astype(np.float32), Y, epochs=1)


@pytest.mark.parametrize(
    ("make", "name", "line"),
    [
        (lambda: [Halve(), Dense(2)], "0.Halve", "x *= 0.5"),
        (lambda: [Flatten(), Halve(), Dense(2)], "1.Halve", "x *= 0.5"),
        (lambda: [Clips(), Dense(2)], "0.Clips", "return np.clip(x, -1, 1, out=x)"),
    ],
)
@pytest.mark.parametrize(
    "way",
    [
        report_of,
        trained,
        lambda layers: Sequential(layers, (3,)).predict(X.astype(np.float32)),
        lambda layers: Sequential(layers, (3,), dtype=np.float64).forward(X),
    ],
)
def test_a_layer_that_writes_into_the_data_is_named_with_its_line(make, name, line, way):
    before = X.copy()
    with pytest.raises(ValueError) as error:
        way(make())
    assert re.match(
        rf"{name}\.forward \(test_walk\.py:\d+: {re.escape(line)}\) writes into its x, ",
        str(error.value),
    )
    assert "x = x * m there" in str(error.value)
    assert np.array_equal(X, before)


class Bare(Sequential):
    """Its forward hands the data to the first layer as they are, which may then be changed."""

    def forward(self, x, training=True):
        for layer in self.layers:
            x = layer.forward(x, training)
        self._last_output_shape = x.shape
        return x


def test_the_checker_keeps_its_data_where_a_model_of_ones_own_would_change_them():
    assert report_of([Halve(), Dense(2)], kind=Bare).ok


class OwnMistake(OwnTanh):
    def forward(self, x, training=True):
        raise ValueError("a mistake of its own")


def test_another_error_of_a_layer_stays_as_it_is():
    with pytest.raises(ValueError, match=r"^a mistake of its own$"):
        report_of([OwnMistake(), Dense(2)])


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [Dense(4), InPlaceReLU(), Dense(2)],
        lambda: [Dense(4), ReLU(), Halve(), Dense(2)],
        lambda: [Dense(4), Halve(), OwnTanh(), Dense(2)],
        lambda: [Dense(4), OwnTanh(), HalveGradient(), Dense(2)],
        lambda: [Dense(4), OwnTanh(), Dense(2), Halve()],
        lambda: [Dense(4), HalveGradient(), KeepsDout(), OwnTanh(), Dense(2)],
        lambda: [Dense(4), InPlaceReLU(), Dense(3), InPlaceReLU(), Dense(2)],
    ],
)
def test_a_layer_that_works_in_place_without_harm_is_right(layers):
    assert is_right(layers())
    report = report_of(layers())
    assert report.ok, report


def test_large_networks_too():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 100)), np.arange(4)
    model = Sequential([Dense(100), OwnTanh(), Halve(), Dense(10)], input_shape=(100,))
    report = check_gradients(model, SoftmaxCrossEntropy(), x, y)
    assert report.culprit.name == "1.OwnTanh.x"
    assert "2.Halve" in report.diagnosis


class WritesIntoP(SoftmaxCrossEntropy):
    def backward(self, p, y):
        p[...] = super().backward(p, y)
        return p


class SpoilsP(MeanSquaredError):
    """Its forward overwrites the numbers that its backward reads."""

    def forward(self, p, y):
        p -= y
        return float((p**2).mean())

    def backward(self, p, y):
        return 2 * (p - y) / p.size


def test_a_loss_that_writes_into_what_the_last_layer_keeps_is_named():
    assert not is_right([Dense(2), OwnTanh()], loss=WritesIntoP())
    report = report_of([Dense(2), OwnTanh()], loss=WritesIntoP())
    assert report.culprit.name == "1.OwnTanh.x"
    assert "backward of WritesIntoP" in report.diagnosis
    assert "begin with p = p.copy()" in report.diagnosis


def test_a_loss_that_overwrites_its_own_p_is_named():
    y = np.random.default_rng(1).normal(size=(5, 2))
    model = Sequential([Dense(2)], input_shape=(3,))
    report = check_gradients(model, SpoilsP(), X, y)
    assert report.culprit.name == "loss.p"
    assert "forward of SpoilsP" in report.diagnosis


# Models of one's own


class Residual(Sequential):
    """Right: adds its input to its output."""

    def forward(self, x, training=True):
        return super().forward(x, training) + np.asarray(x)

    def input_gradient(self, dp):
        return super().input_gradient(dp) + dp


class DoublesBackward(Residual):
    def backward(self, dp):
        super().backward(2 * dp)


class ForgetsItsInput(Residual):
    def input_gradient(self, dp):
        return super().input_gradient(dp) - dp


class SkipsALayer(Sequential):
    def backward(self, dp):
        self.layers[2].parameter_gradients(dp)
        self.layers[0].parameter_gradients(self.layers[2].input_gradient(dp))


def square():
    return [Dense(3), OwnTanh(), Dense(3)]


def test_a_right_model_of_ones_own_passes():
    assert is_right(square(), Residual)
    assert report_of(square(), Residual).ok


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(
    ("kind", "culprit", "method"),
    [
        (DoublesBackward, "2.Dense.W", DoublesBackward.backward),
        (ForgetsItsInput, "0.Dense.x", ForgetsItsInput.input_gradient),
        (SkipsALayer, "0.Dense.W", SkipsALayer.backward),
    ],
)
def test_a_wrong_model_of_ones_own_is_blamed_and_not_its_layers(kind, culprit, method):
    report = report_of(square(), kind)
    assert report.culprit.name == culprit
    line = method.__code__.co_firstlineno
    assert f"{kind.__name__}.{method.__name__} (test_walk.py:{line})" in report.diagnosis
    assert "but not its layer" in report.diagnosis


@pytest.mark.slow
def test_a_wrong_layer_in_a_model_of_ones_own_is_blamed_itself():
    class Flipped(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(-dout)

    report = report_of([Dense(3), OwnTanh(), Flipped(3)], Residual)
    assert report.culprit.name == "2.Flipped.W"
    assert "by parameter_gradients" in report.diagnosis
    assert "Only its sign is wrong." in report.diagnosis


# The halves of backward


class OtherHalf(Dense):
    """Its backward is right, but input_gradient alone is not."""

    def backward(self, dout):
        self.parameter_gradients(dout)
        return dout @ self.W.T

    def input_gradient(self, dout):
        return -dout @ self.W.T


@pytest.mark.slow
def test_where_backward_is_right_and_input_gradient_alone_is_not_it_is_named():
    report = report_of([Dense(4), OwnTanh(), OtherHalf(2)])
    assert report.culprit.name == "2.OtherHalf.x"
    line = OtherHalf.input_gradient.__code__.co_firstlineno
    assert f"by input_gradient (test_walk.py:{line})" in report.diagnosis
    assert "Only its sign is wrong." in report.diagnosis


class CountsCalls(Dense):
    def __init__(self, units):
        super().__init__(units)
        self.calls = []

    def parameter_gradients(self, dout):
        self.calls.append("parameter_gradients")
        super().parameter_gradients(dout)


def test_the_checker_leaves_no_trace_on_the_model():
    model = Sequential([CountsCalls(4), Softmax()], input_shape=(3,))
    before = [dict(vars(layer)) for layer in model.layers]
    assert check_gradients(model, CrossEntropy(), X, Y).ok
    assert [dict(vars(layer)) for layer in model.layers] == before
    assert model.layers[0].calls == []
