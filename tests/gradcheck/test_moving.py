"""Protects the answers to mistakes in a layer that flips or shifts images: each is planted."""

import numpy as np
import pytest

from tinynn import (
    Dense,
    Flatten,
    MeanSquaredError,
    RandomFlip,
    RandomShift,
    Sequential,
    check_gradients,
)


class FlipNotUndone(RandomFlip):
    def input_gradient(self, dout):
        return dout.copy()


class FlipDrawnAgain(RandomFlip):
    def input_gradient(self, dout):
        self.flipped = ~self.flipped
        return super().input_gradient(dout)


class ShiftNotUndone(RandomShift):
    def input_gradient(self, dout):
        return dout.copy()


class ShiftedOn(RandomShift):
    def input_gradient(self, dout):
        return self._shift(dout, self.shifts)


class ShiftDrawnAgain(RandomShift):
    def input_gradient(self, dout):
        return self._shift(dout, self.shifts[::-1])


def report_of(layer, channels=(), units=9):
    """Check a layer above another one, so that the model's backward needs its dx."""
    layers = [layer, Flatten(), Dense(units)]
    model = Sequential(layers, input_shape=(4, 3, *channels), seed=3)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, *model.input_shape)), rng.normal(size=(6, units))
    return check_gradients(model, MeanSquaredError(), x, y)


@pytest.mark.first_cases(2)
@pytest.mark.parametrize(
    "units", [pytest.param(9, marks=pytest.mark.slow), 1000], ids=["entries", "directions"]
)
@pytest.mark.parametrize("channels", [(), (2,)])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (FlipNotUndone(), "It is dout as it was: forward flips some images, so backward must flip"),
        (FlipDrawnAgain(), "It is dout with other images flipped or shifted: forward flips some"),
        (ShiftNotUndone(2), "It is dout as it was: forward shifts images, so backward must shift"),
        (ShiftedOn(2), "It is dout, moved as forward moves x: forward shifts images, so backward"),
        (ShiftDrawnAgain(2), "It is dout with other images flipped or shifted: forward shifts"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_the_mistake_is_named(wrong, said, channels, units):
    report = report_of(type(wrong)(**wrong.config()), channels, units)
    assert report.culprit.name == f"0.{type(wrong).__name__}.x"
    assert f"PATTERN  {said}" in report.diagnosis, report


@pytest.mark.parametrize("right", [RandomFlip(), RandomShift(2)], ids=repr)
def test_the_right_layer_passes(right):
    assert report_of(type(right)(**right.config())).ok
