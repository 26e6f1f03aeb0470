"""Lesson 7: the factor by which a layer changes the standard deviation, and what keeps it at 1."""

from functools import partial
from math import log, sqrt

import numpy as np
import pytest

from tinynn import (
    SGD,
    Dense,
    Flatten,
    Layer,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    datasets,
    glorot_uniform,
    he_normal,
)


def by_hand(x, std, activation, derivative, depth=20, units=512):
    """Return the deviations of z and of dz by depth, in NumPy only; the last dz is random."""
    rng = np.random.default_rng(5)
    rows, weights, derivatives, forward = x.reshape(len(x), -1), [], [], []
    for _ in range(depth):
        weights.append(rng.normal(0, std, size=(rows.shape[1], units)))
        z = rows @ weights[-1]
        forward.append(sqrt(np.mean(z**2)))
        derivatives.append(derivative(z))
        rows = activation(z)
    dz, backward = rng.normal(size=rows.shape) * derivatives.pop(), []
    backward.append(sqrt(np.mean(dz**2)))
    while derivatives:
        dz = dz @ weights.pop().T * derivatives.pop()
        backward.append(sqrt(np.mean(dz**2)))
    return forward, backward[::-1]


def normal(std, shape, rng):
    return rng.normal(0, std, shape)


def factor(deviations):
    """Return the mean factor from one to the next, by a line through the logarithms."""
    return np.exp(np.polyfit(np.arange(len(deviations)), np.log(deviations), 1)[0])


def test_each_layer_changes_the_standard_deviation_by_the_factor_of_the_formula(lesson):
    """Var(W) * fan_in / 2, here with the numbers put in: 512 / 2 = 16^2."""
    expected = {"too small": 0.32, "glorot_uniform": sqrt(0.5), "he_normal": 1, "too large": 3.2}
    seven = lesson("07")
    for name, by_formula in expected.items():
        forward, backward = seven.measured[name]
        assert len(forward) == len(backward) == 20
        assert factor(forward) == pytest.approx(by_formula, rel=0.05)
        assert 1 / factor(backward) == pytest.approx(by_formula, rel=0.05)
        assert seven.factors[name] == pytest.approx([by_formula] * 3, rel=0.05)


@pytest.mark.parametrize("std", [0.02, 1 / 16])
def test_a_few_lines_of_numpy_find_the_same_factor(lesson, std):
    seven = lesson("07")
    name = "too small" if std == 0.02 else "he_normal"
    forward, backward = by_hand(seven.x, std, lambda z: z.clip(0), lambda z: z > 0)
    assert factor(forward) == pytest.approx(factor(seven.measured[name][0]), rel=0.05)
    assert factor(backward) == pytest.approx(factor(seven.measured[name][1]), rel=0.05)


def test_the_initializers_have_the_standard_deviation_that_the_formula_is_given(lesson):
    for initializer, std in lesson("07").initializers.values():
        weights = initializer((512, 512), np.random.default_rng(3))
        assert weights.std() == pytest.approx(std, rel=0.02)


def test_the_layer_of_ones_own_is_right_and_needs_glorots_weights(lesson):
    """Glorot loses a factor of about 6 in 100 layers, He grows by 150 to 250, over eight seeds."""
    seven = lesson("07")
    assert seven.report.ok
    assert any("Tanh" in row.name for row in seven.report.rows)
    step = 1e-6
    z = np.linspace(-2, 2, 9)[None]
    layer = seven.Tanh()
    layer.forward(z)
    derivatives = (np.tanh(z + step) - np.tanh(z - step)) / (2 * step)
    assert np.allclose(layer.input_gradient(np.ones_like(z)), derivatives, atol=1e-8)
    glorot, he = (seven.tanh[name][1] for name in ("glorot_uniform", "he_normal"))
    assert 0.05 < glorot[0] / glorot[-1] < 0.5
    assert he[0] / he[-1] > 50


def test_the_picture_shows_which_initializer_keeps_the_standard_deviation(lesson):
    """The panels share the legend beneath them, so a line is known by its colour."""
    seven = lesson("07")
    (legend,) = seven.figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    named = {line.get_color(): name for line, name in zip(legend.get_lines(), names, strict=True)}
    curves = [
        {named[line.get_color()]: line.get_xydata() for line in panel.axes.lines}
        for panel in seven.drawn
    ]
    there, back, own = curves
    assert all(panel.axes.get_yscale() == "log" for panel in seven.drawn)
    for name, by_formula in zip(seven.measured, (0.32, sqrt(0.5), 1, 3.2), strict=True):
        for panel, growth in ((there, by_formula), (back, 1 / by_formula)):
            layers, deviations = panel[name].T
            assert layers.tolist() == list(range(1, 21))
            assert factor(deviations) == pytest.approx(growth, rel=0.05)
        np.testing.assert_array_equal(there[name][:, 1], seven.measured[name][0])
        np.testing.assert_array_equal(back[name][:, 1], seven.measured[name][1])
    assert set(own) == {"glorot_uniform", "he_normal"}
    for name, curve in own.items():
        assert curve[:, 0].tolist() == list(range(1, 101))
        assert curve[-1, 1] == 1
        assert (curve[0, 1] < 1) == (name == "glorot_uniform")  # it vanishes, and He's grows
        deviations = seven.tanh[name][1]
        np.testing.assert_allclose(curve[:, 1] * deviations[-1], deviations)


def test_the_answer_to_the_first_question(lesson):
    """Half of the squares stay, half become a hundredth: 1.01 / 2. Var(W) = 2 / (1.01 fan_in)."""

    class Leaky(Layer):
        def forward(self, x, training=True):
            self.derivative = np.where(x > 0, 1, 0.1)
            return x * self.derivative

        def input_gradient(self, dout):
            return dout * self.derivative

    for variance, expected in ((2 / 1.01 / 512, 1), (1 / 512, sqrt(1.01 / 2))):
        forward, backward = lesson("07").standard_deviations(
            partial(normal, sqrt(variance)), Leaky, depth=20, units=512
        )
        assert factor(forward) == pytest.approx(expected, rel=0.05)
        assert 1 / factor(backward) == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
@pytest.mark.outcome
def test_the_answer_to_the_second_question():
    """Where z vanishes, all ten logits are nearly 0 for each image: a guess, ln 10."""
    (images, labels), _ = datasets.load_sample()
    x, y = images[:100] / 255, labels[:100]
    after = {}
    for name, initializer in (
        ("too small", partial(normal, 0.02)),
        ("glorot_uniform", glorot_uniform),
        ("he_normal", he_normal),
    ):
        hidden = [layer for _ in range(20) for layer in (Dense(128, initializer), ReLU())]
        model = Sequential([Flatten(), *hidden, Dense(10, initializer)], input_shape=(28, 28))
        loss, optimizer = SoftmaxCrossEntropy(), SGD(0.01)
        for _ in range(100):
            model.backward(loss.backward(model.forward(x), y))
            optimizer.step(model.params, model.grads)
        after[name] = loss.forward(model.predict(x), y)
    assert after["too small"] == pytest.approx(log(10), abs=0.02)
    assert after["glorot_uniform"] == pytest.approx(log(10), abs=0.02)
    assert after["he_normal"] < 2
