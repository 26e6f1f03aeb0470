"""Protects the equations in explain_step: a class has its own, and never those of another."""

from types import MethodType

import numpy as np
import pytest

from oracles import OwnAbsoluteError
from tinynn import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    CrossEntropy,
    Dense,
    Flatten,
    Layer,
    MeanSquaredError,
    Optimizer,
    ReLU,
    RMSProp,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    explain_step,
)

UNKNOWN = "(no equation given)"
X = [[1.0, 2.0], [3.0, -1.0]]


def told(layer, loss=None, optimizer=None, y=X):
    """Return the explanation of a step of a Dense, a layer, and a Dense."""
    model = Sequential([Dense(2), layer, Dense(2)], input_shape=(2,))
    return explain_step(model, loss or MeanSquaredError(), optimizer or SGD(0.1), X, y)


def of_layer(layer):
    """Return the equations that are shown for a layer's forward and backward."""
    step = told(layer)
    return step.forward[2].equation, step.backward[2].equation


def test_a_layer_of_ones_own_says_its_own_equations():
    class Double(Layer):
        equations = ("out = 2 x", "dx = 2 dout")

        def forward(self, x, training=True):
            return 2 * x

        def input_gradient(self, dout):
            return 2 * dout

    assert of_layer(Double()) == ("out = 2 x", "dx = 2 dout")


def test_equations_may_depend_on_what_a_layer_was_made_with():
    class Times(Layer):
        def __init__(self, factor):
            self.factor = factor

        @property
        def equations(self):
            return (f"out = {self.factor} x",)

        def forward(self, x, training=True):
            return self.factor * x

        def input_gradient(self, dout):
            return self.factor * dout

    assert of_layer(Times(3)) == ("out = 3 x", UNKNOWN)


def test_a_layer_that_says_nothing_gets_no_equation():
    class Double(Layer):
        def forward(self, x, training=True):
            return 2 * x

        def input_gradient(self, dout):
            return 2 * dout

    assert of_layer(Double()) == (UNKNOWN, UNKNOWN)


def test_a_subclass_that_changes_nothing_is_what_its_parent_is():
    class Rectifier(ReLU):
        """Another name."""

    class Linear(Dense):
        """Another name."""

    assert of_layer(Rectifier()) == ("out = max(x, 0)", "dx = dout where x > 0")
    page = str(told(Linear(2)))
    assert "UPDATE        dW = x.T dout, db = sum(dout),  W <- W - 0.1 dW" in page


class NoisyForward(ReLU):
    def forward(self, x, training=True):
        return super().forward(x, training) + 1


class OtherGradient(ReLU):
    def input_gradient(self, dout):
        return np.where(self.mask, dout, dout * 0.1)


class OtherBackward(ReLU):
    def backward(self, dout):
        return 2 * self.input_gradient(dout)


class Renamed(NoisyForward):
    """Changes nothing of what NoisyForward does."""


class Told(NoisyForward):
    equations = ("out = max(x, 0) + 1", "dx = dout where x > 0")


@pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [
        (NoisyForward, UNKNOWN, "dx = dout where x > 0"),
        (OtherGradient, "out = max(x, 0)", UNKNOWN),
        (OtherBackward, "out = max(x, 0)", UNKNOWN),
        (Renamed, UNKNOWN, "dx = dout where x > 0"),
        (Told, "out = max(x, 0) + 1", "dx = dout where x > 0"),
    ],
)
def test_a_method_that_is_overridden_loses_the_equation_of_the_parent(layer, forward, backward):
    assert of_layer(layer()) == (forward, backward)


def test_a_method_set_on_the_object_loses_its_equation():
    def shifted(self, x, training=True):
        return ReLU.forward(self, x, training) + 1

    layer = ReLU()
    layer.forward = MethodType(shifted, layer)
    assert of_layer(layer) == (UNKNOWN, "dx = dout where x > 0")


def test_a_dense_with_gradients_of_its_own_is_not_said_to_have_those_of_dense():
    class Halved(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout / 2)

    lines = str(told(Halved(2))).splitlines()
    update = next(line for line in lines if line.startswith("UPDATE"))
    assert update.split(maxsplit=1)[1] == (
        "Dense: dW = x.T dout, db = sum(dout);  each array: W <- W - 0.1 dW"
    )


def test_the_equations_of_two_kinds_of_layers_with_parameters_are_both_shown():
    class Shift(Layer):
        equations = ("out = x + s", "dx = dout", "ds = sum(dout)")

        def parameter_shapes(self, input_shape):
            return {"s": input_shape}

        def forward(self, x, training=True):
            return x + self.s

        def parameter_gradients(self, dout):
            self.ds = dout.sum(axis=0)

        def input_gradient(self, dout):
            return dout

    assert (
        "Dense: dW = x.T dout, db = sum(dout);  Shift: ds = sum(dout);  each array: W <- W - 0.1 dW"
    ) in str(told(Shift()))


def test_layers_of_one_class_with_other_equations_are_all_shown():
    model = Sequential([Dense(2), Dense(2, bias=False)], input_shape=(2,))
    text = str(explain_step(model, MeanSquaredError(), SGD(0.1), X, X))
    assert "Dense: dW = x.T dout, db = sum(dout);  Dense: dW = x.T dout;  each array: W <-" in text


def test_a_frozen_batch_norm_shows_what_it_does_by_running_statistics():
    layer = BatchNorm()
    forward, backward = of_layer(layer)
    assert "running" not in forward
    assert "mean(dout)" in backward
    layer = BatchNorm()
    model = Sequential([Dense(2), layer, Dense(2)], input_shape=(2,))
    layer.trainable = False
    step = explain_step(model, MeanSquaredError(), SGD(0.1), X, X)
    assert step.forward[2].equation == "out = gamma (x - running_mean) / std + beta"
    assert step.backward[2].equation == "dx = dout gamma / std"
    assert step.rule == "dW = x.T dout, db = sum(dout),  W <- W - 0.1 dW"  # no dgamma


def test_a_long_equation_pushes_no_other_column():
    class Long(ReLU):
        equations = ("out = the larger one of x and of the number 0", "dx = dout where x > 0")

    lines = str(told(Long())).splitlines()
    shapes = {line.index("(2,2)") for line in lines if "(2,2)" in line and "." in line}
    assert len({lines[i].index("(2,2)") for i in range(2, 5)}) == 1, shapes


class AbsoluteTold(OwnAbsoluteError):
    equations = ("L = mean of |p - y|", "dp = sign(p - y) / (B C)")


class Twice(MeanSquaredError):
    def forward(self, p, y):
        return 2 * super().forward(p, y)

    def backward(self, p, y):
        return 2 * super().backward(p, y)


@pytest.mark.parametrize(
    ("loss", "y", "forward", "backward"),
    [
        (MeanSquaredError(), X, "L = mean of (p - y)^2", "dp = 2 (p - y) / (B C)"),
        (SoftmaxCrossEntropy(), [0, 1], "L = mean of -log softmax(z)[y]",
         "dz = (softmax - onehot(y)) / B"),
        (SoftmaxCrossEntropy(), np.eye(2), "L = mean of -sum y log softmax(z)",
         "dz = (softmax(z) - y) / B"),
        (OwnAbsoluteError(), X, UNKNOWN, UNKNOWN),
        (AbsoluteTold(), X, "L = mean of |p - y|", "dp = sign(p - y) / (B C)"),
        (Twice(), X, UNKNOWN, UNKNOWN),
        (type("Renamed", (MeanSquaredError,), {})(), X, "L = mean of (p - y)^2",
         "dp = 2 (p - y) / (B C)"),
        (type("MeanSquaredError", (OwnAbsoluteError,), {})(), X, UNKNOWN, UNKNOWN),
    ],
)  # fmt: skip
def test_a_loss_says_its_own_equations_for_the_form_of_y(loss, y, forward, backward):
    step = told(ReLU(), loss, y=y)
    assert (step.loss_equation, step.backward[0].equation) == (forward, backward)


def test_cross_entropy_says_its_equations_for_classes_and_for_rows():
    model = Sequential([Dense(2), Softmax()], input_shape=(2,))
    for y, said in (([0, 1], "dp = -onehot(y) / p / B"), (np.eye(2), "dp = -y / p / B")):
        step = explain_step(model, CrossEntropy(), SGD(0.1), X, y)
        assert step.backward[0].equation == said


class Focal(CrossEntropy):
    """States one equation, for both forms of y."""

    equations = ("L = mean of 2 times the surprise", "")

    def forward(self, p, y):
        return 2 * super().forward(p, y)


class FocalUntold(CrossEntropy):
    def forward(self, p, y):
        return 2 * super().forward(p, y)


@pytest.mark.parametrize("y", [[0, 1], np.eye(2)])
def test_a_subclass_that_states_one_equation_has_none_of_its_parents_for_classes(y):
    model = Sequential([Dense(2), Softmax()], input_shape=(2,))
    step = explain_step(model, Focal(), SGD(0.1), X, y)
    assert step.loss_equation == "L = mean of 2 times the surprise"
    assert step.backward[0].equation == UNKNOWN
    untold = explain_step(model, FocalUntold(), SGD(0.1), X, y)
    assert untold.loss_equation == UNKNOWN
    assert untold.backward[0].equation.startswith("dp = -")


class Sign(Optimizer):
    def __init__(self, learning_rate=0.5):
        super().__init__(learning_rate)

    def update(self, params, grads, rate):
        params -= rate * np.sign(grads)


class SignTold(Sign):
    def equations(self, rate):
        return f"Sign {rate:g}", f"W <- W - {rate:g} sign(dW)", f"{rate:g} |grad|_1"


class Plain(SGD):
    def update(self, params, grads, rate):
        params -= rate * grads


@pytest.mark.parametrize(
    ("optimizer", "title", "rule", "formula"),
    [
        (SGD(0.1), "SGD 0.1", "W <- W - 0.1 dW", "0.1 |grad|^2 = "),
        (
            SGD(0.1, 0.9),
            "SGD 0.1, momentum 0.9",
            "velocity <- 0.9 velocity - 0.1 dW,  W <- W + velocity",
            "",
        ),
        (
            Adam(),
            "Adam 0.001",
            "W <- W - 0.001 m / (sqrt(v) + 1e-08),  m and v: first and second moment of dW",
            "",
        ),
        (Sign(), "Sign(learning_rate=0.5)", UNKNOWN, ""),
        (SignTold(), "Sign 0.5", "W <- W - 0.5 sign(dW)", "0.5 |grad|_1 = "),
        (Plain(0.1), "Plain(learning_rate=0.1, momentum=0.0, nesterov=False)", UNKNOWN, ""),
        (
            SGD(0.1, 0.9, nesterov=True),
            "SGD 0.1, Nesterov momentum 0.9",
            "velocity <- 0.9 velocity - 0.1 dW,  W <- W + 0.9 velocity - 0.1 dW",
            "",
        ),
        (
            RMSProp(),
            "RMSProp 0.001",
            "W <- W - 0.001 dW / (sqrt(v) + 1e-08),  v: running mean of dW^2",
            "",
        ),
        (
            AdamW(),
            "AdamW 0.001",
            "W <- W - 0.001 (m / (sqrt(v) + 1e-08) + 0.01 W),  m and v: first and second moment "
            "of dW; the last term only for arrays of two axes or more",
            "",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_optimizer_says_its_own_equation(optimizer, title, rule, formula):
    step = told(ReLU(), optimizer=optimizer)
    assert step.title.split("parameters, ")[1].startswith(f"{title}  ")
    assert step.rule == f"dW = x.T dout, db = sum(dout),  {rule}"
    assert step.formula == formula


@pytest.mark.parametrize(
    ("equations", "said"),
    [
        ("out = 2 x", r"Write \('out = 2 x',\)"),
        (lambda self: ("out = 2 x",), "Write @property above it"),
        (None, 'Forgot "return"'),
        ({"forward": "out = 2 x"}, "must be a tuple of up to 3 texts"),
        (("a", "b", "c", "d"), "up to 3"),
        ((1, 2), "texts"),
    ],
)
def test_invalid_equations_are_refused(equations, said):
    class Odd(ReLU):
        pass

    Odd.equations = equations
    with pytest.raises(ValueError, match=said):
        told(Odd())


def test_every_layer_of_tinynn_says_its_equations():
    for layer in (Flatten(), Dense(2), ReLU(), Softmax()):
        assert len(layer.equations) == (3 if isinstance(layer, Dense) else 2)
