"""Protects what the checker says of activations: right ones pass, usual mistakes are named."""

from math import erf

import numpy as np
import pytest

from tinynn import (
    ELU,
    GELU,
    CrossEntropy,
    Dense,
    Layer,
    LeakyReLU,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    check_gradients,
)


class Keeping:
    """Keeps x, as a learner's layer may."""

    def forward(self, x, training=True):
        self.given = x
        return super().forward(x, training)


class SigmoidOfX(Keeping, Sigmoid):
    def input_gradient(self, dout):
        return dout * self.given * (1 - self.given)


class TanhOfX(Keeping, Tanh):
    def input_gradient(self, dout):
        return dout * (1 - self.given**2)


class GELUWithoutDensity(Keeping, GELU):
    def input_gradient(self, dout):
        return dout * 0.5 * (1 + np.vectorize(erf)(self.given / np.sqrt(2)))


class SwishWithoutProduct(Layer):
    """One that tinynn does not have: out = x sigmoid(x)."""

    def forward(self, x, training=True):
        self.share = 1 / (1 + np.exp(-x))
        return x * self.share

    def input_gradient(self, dout):
        return dout * self.share


class LeakyInverted(LeakyReLU):
    def input_gradient(self, dout):
        return np.where(self.mask, self.slope * dout, dout)


class LeakyAsReLU(LeakyReLU):
    def input_gradient(self, dout):
        return dout * self.mask


class ELUWithoutAlphaAdded(Keeping, ELU):
    def input_gradient(self, dout):
        return dout * np.where(self.given > 0, 1, self.alpha * np.expm1(self.given))


class ELUAsReLU(Keeping, ELU):
    def input_gradient(self, dout):
        return dout * (self.given > 0)


class ELUAsLine(Keeping, ELU):
    def input_gradient(self, dout):
        return dout * 1


class ELUWithoutAlpha(Keeping, ELU):
    def input_gradient(self, dout):
        return dout * np.where(self.given > 0, 1, np.exp(self.given))


class ELUInverted(Keeping, ELU):
    def input_gradient(self, dout):
        return dout * np.where(self.given > 0, self.alpha * np.exp(self.given), 1)


def report_on(layer, units=8):
    rng = np.random.default_rng(0)
    model = Sequential([Dense(units), layer, Dense(3), Softmax()], input_shape=(4,), seed=1)
    return check_gradients(model, CrossEntropy(), rng.normal(size=(5, 4)), [0, 1, 2, 0, 1])


# All entries, and directions: 16,003 parameters.
SIZES = [8, pytest.param(2000, marks=pytest.mark.slow)]
PLANTED = [
    (SigmoidOfX(), "computed from x instead of out: dout * (out * (1 - out)) agrees"),
    (TanhOfX(), "computed from x instead of out: dout * (1 - out**2) agrees"),
    (GELUWithoutDensity(exact=True), "the term x s'(x) is missing"),
    (SwishWithoutProduct(), "the term x s'(x) is missing"),
    (LeakyInverted(), "The mask is inverted: the derivative is 1 where x is above 0, and 0.01"),
    (LeakyAsReLU(), "Wrong only where x is 0 or less: the derivative there is another one."),
    (ELUWithoutAlphaAdded(0.7), "It is dout * out there"),
    (
        ELUAsReLU(),
        "It is 0 there, as for ReLU: the derivative is out + alpha, here with alpha = 1.",
    ),
    (ELUAsLine(0.5), "It is dout there: the derivative is out + alpha, here with alpha = 0.5."),
    (ELUWithoutAlpha(0.7), "without alpha: the derivative is alpha exp(x), here with alpha = 0.7."),
    (ELUInverted(), "The mask is inverted"),
]


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("units", SIZES)
@pytest.mark.parametrize(("layer", "said"), PLANTED, ids=[type(x).__name__ for x, _ in PLANTED])
def test_a_usual_mistake_of_an_activation_is_named(layer, said, units):
    report = report_on(type(layer)(**layer.config()), units)
    assert report.culprit.name == f"1.{type(layer).__name__}.x"
    (line,) = [one for one in report.diagnosis.splitlines() if one.startswith("PATTERN")]
    assert said in line


RIGHT = [LeakyReLU(), LeakyReLU(0.3), ELU(), ELU(0.5), GELU(), GELU(exact=True), Sigmoid(), Tanh()]


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("units", SIZES)
@pytest.mark.parametrize("layer", RIGHT, ids=repr)
def test_a_right_activation_passes(layer, units):
    report = report_on(type(layer)(**layer.config()), units)
    assert report.ok, report
    assert not report.diagnosis


@pytest.mark.slow
@pytest.mark.parametrize("layer", RIGHT, ids=repr)
def test_a_factor_in_an_activation_is_called_a_factor_and_no_mistake_of_its_formula(layer):
    kind = type(layer)

    class Doubled(kind):
        def input_gradient(self, dout):
            return 2 * super().input_gradient(dout)

    assert "It is 2 times the right gradient" in report_on(Doubled(**layer.config())).diagnosis


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ReLU, Sigmoid, Tanh])
def test_what_is_no_usual_mistake_of_an_activation_is_not_said_to_be_one(kind):
    class Odd(Keeping, kind):
        def input_gradient(self, dout):
            return super().input_gradient(dout) + 0.1 * dout * np.cos(self.given)

    said = report_on(Odd()).diagnosis
    assert "agrees with the differences" not in said
    assert "inverted" not in said
    assert "s'(x)" not in said
