"""Protects the answers to mistakes in a Dropout of one's own: each is planted, and named."""

import numpy as np
import pytest

from tinynn import (
    CrossEntropy,
    Dense,
    Dropout,
    LeakyReLU,
    ReLU,
    Sequential,
    Softmax,
    check_gradients,
)

RATE = 0.4


class Unmasked(Dropout):
    def input_gradient(self, dout):
        return dout.copy()


class OnlyScaled(Dropout):
    def input_gradient(self, dout):
        return dout / (1 - self.rate)


class Unscaled(Dropout):
    def input_gradient(self, dout):
        return dout * (self.factor > 0)


class DrawnAgain(Dropout):
    def forward(self, x, training=True):
        self.rng = self.stream()
        self.factor = (self.rng.random(x.shape) >= self.rate) / (1 - self.rate)
        return x * self.factor

    def input_gradient(self, dout):
        return dout * (self.rng.random(dout.shape) >= self.rate) / (1 - self.rate)


FEW, MANY = (8, 20), (150, 80)  # for each entry, and along directions


@pytest.mark.first_cases(2)
@pytest.mark.parametrize(
    ("wrong", "pattern"),
    [
        (Unmasked, "PATTERN  The mask is not applied: forward keeps"),
        (OnlyScaled, "PATTERN  The mask is not applied: forward keeps"),
        (Unscaled, "PATTERN  The factor 1 / (1 - rate) is missing: forward keeps"),
        (DrawnAgain, "PATTERN  The mask is another one: forward keeps"),
    ],
)
@pytest.mark.parametrize(
    ("before", "units"),
    [([], MANY), ([], FEW), ([ReLU], FEW)],
    ids=["directions", "entries", "entries, after ReLU"],
)
def test_the_mistake_is_named(wrong, pattern, before, units):
    first, second = (Dense(n) for n in units)
    layers = [first, *[one() for one in before], wrong(RATE), second, Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,))
    x = np.random.default_rng(0).normal(size=(6, 4))
    report = check_gradients(model, CrossEntropy(), x, np.arange(6) % 3)
    assert report.culprit.name == f"{1 + len(before)}.{wrong.__name__}.x"
    assert pattern in report.diagnosis, report


@pytest.mark.slow
@pytest.mark.parametrize("kink", [ReLU, LeakyReLU])
@pytest.mark.parametrize("units", [FEW, MANY], ids=["entries", "directions"])
def test_a_right_dropout_before_a_kink_passes_and_a_wrong_one_does_not(kink, units):
    x = np.random.default_rng(0).normal(size=(6, 4))
    for dropout in (Dropout, Unscaled):
        first, second = (Dense(n) for n in units)
        layers = [first, dropout(RATE), kink(), second, Dense(3), Softmax()]
        model = Sequential(layers, input_shape=(4,))
        report = check_gradients(model, CrossEntropy(), x, np.arange(6) % 3)
        assert report.skipped <= report.most_skipped
        assert report.ok is (dropout is Dropout), report
        assert report.moved is None
    assert report.culprit.name == "1.Unscaled.x"


@pytest.mark.slow
def test_a_wrong_relu_above_dropout_is_found():
    class Halved(ReLU):
        def input_gradient(self, dout):
            return dout * self.mask / 2

    model = Sequential([Dense(8), Dropout(RATE), Halved(), Dense(3), Softmax()], input_shape=(4,))
    x = np.random.default_rng(0).normal(size=(6, 4))
    report = check_gradients(model, CrossEntropy(), x, np.arange(6) % 3)
    assert report.culprit.name == "2.Halved.x"


@pytest.mark.slow
def test_a_wrong_relu_is_not_taken_for_a_wrong_dropout():
    class Open(ReLU):
        def input_gradient(self, dout):
            return dout.copy()

    model = Sequential([Dense(8), Open(), Dense(3), Softmax()], input_shape=(4,))
    x = np.random.default_rng(0).normal(size=(6, 4))
    report = check_gradients(model, CrossEntropy(), x, np.arange(6) % 3)
    assert "Wrong only where x is 0 or less" in report.diagnosis
