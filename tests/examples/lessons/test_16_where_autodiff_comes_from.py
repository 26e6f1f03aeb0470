"""Lesson 16: a tape's gradients are those of evening 2 and of tinynn; what it costs is measured."""

import ast
from pathlib import Path

import numpy as np
import pytest

from oracles import numeric_gradient

LESSON = Path(__file__).parents[3] / "examples/lessons/16_where_autodiff_comes_from.py"


@pytest.fixture
def sixteen(lesson):
    found = lesson("16")
    found.tape.clear()
    return found


def test_the_tape_is_forty_lines():
    text = LESSON.read_text(encoding="utf-8")
    parts = {"Value", "summed_to", "backward"}
    nodes = [node for node in ast.parse(text).body if getattr(node, "name", "") in parts]
    lines = [text.splitlines()[node.lineno - 1 : node.end_lineno] for node in nodes]
    assert 30 < sum(bool(line.strip()) for part in lines for line in part) <= 40


def test_it_gives_the_numbers_of_evening_2(sixteen):
    """Whose loss and gradients are written out here, as they are there, for its seed 44."""
    x, y, rng = sixteen.x, sixteen.y, np.random.default_rng(44)
    W1, b1, W2, b2 = rng.normal(size=(2, 2)), np.zeros(2), rng.normal(size=(2, 2)), np.zeros(2)
    parameters = [sixteen.Value(array) for array in (W1, b1, W2, b2)]
    result = sixteen.loss_on_tape(x, y, parameters)
    sixteen.backward(result)
    h = np.maximum(x @ W1 + b1, 0)
    e = np.exp(h @ W2 + b2)
    p = e / e.sum(axis=1, keepdims=True)
    dz = (p - y) / 4
    da = dz @ W2.T * (h > 0)
    assert result.array.item() == pytest.approx(-np.sum(y * np.log(p)) / 4, rel=1e-12)
    assert f"evening 2: loss {result.array.item():.4f}" in sixteen.text
    by_hand = x.T @ da, da.sum(axis=0), h.T @ dz, dz.sum(axis=0)
    for value, gradient in zip(parameters, by_hand, strict=True):
        np.testing.assert_allclose(value.gradient, gradient, rtol=1e-12, atol=1e-15)


def test_it_gives_the_numbers_of_tinynn(sixteen):
    for model in (sixteen.two, sixteen.network(2, 5, 7, 2)):
        ours, parameters = sixteen.by_tape(model, sixteen.x, sixteen.y)
        theirs, grads = sixteen.by_layers(model, sixteen.x, sixteen.y)
        taped = np.concatenate([value.gradient.ravel() for value in parameters])
        assert ours == pytest.approx(theirs, rel=1e-12)
        np.testing.assert_allclose(taped, grads, rtol=1e-10, atol=1e-15)


def test_each_operation_agrees_with_finite_differences(sixteen):
    Value, rng = sixteen.Value, np.random.default_rng(0)
    a, b, row = rng.random((3, 4)) + 0.5, rng.random((4, 2)), rng.random(4) - 0.5

    def of(*values):
        x, y, z = values
        return ((((x + z).relu() @ y).exp() + Value(1.0)).log() * x.sum(axis=1)).sum()

    def number():
        sixteen.tape.clear()
        return of(*map(Value, (a, b, row))).array.item()

    values = [*map(Value, (a, b, row))]
    sixteen.tape.clear()
    sixteen.backward(of(*values))
    for array, value in zip((a, b, row), values, strict=True):
        np.testing.assert_allclose(value.gradient, numeric_gradient(number, array), rtol=1e-6)


def test_a_step_takes_longer_but_not_by_much(sixteen):
    """On any machine, and beside other programs: in places, by a factor of three."""
    layers, tape = sixteen.times.values()
    ratios = np.divide(tape, layers)
    assert (ratios < 20).all()
    assert ratios[-1] > 1  # it computes one product in three for nobody


def test_the_answer_to_the_first_question(sixteen):
    a = sixteen.Value(3.0)
    sixteen.backward(a * a + a)
    assert a.gradient == 7

    class Forgets(sixteen.Value):
        """Whose gradient is set where backward adds to it: what was there counts as 0."""

        gradient = property(lambda self: self.kept, lambda self, new: self.forget(new))
        kept = 0.0

        def forget(self, new):
            self.kept = new - self.kept

    a = Forgets(3.0)
    sixteen.backward(a * a + a)
    assert a.kept == 3


def test_the_answer_to_the_second_question(sixteen):
    for at, right in ((1.0, 1 / (1 + np.exp(-1.0))), (1000.0, np.nan)):
        a = sixteen.Value(at)
        with np.errstate(all="ignore"):
            sixteen.backward((a.exp() + sixteen.Value(1.0)).log())
        assert a.gradient == pytest.approx(right, nan_ok=True)


def test_the_likely_mistake(sixteen):
    """Whoever leaves the tape gets no error, and no gradient."""
    a = sixteen.Value(2.0)
    sixteen.backward(sixteen.Value(np.exp(a.array)) * sixteen.Value(3.0))
    assert a.gradient == 0


def test_the_picture_shows_the_tape_and_the_times(sixteen):
    drawn, curves = sixteen.drawn
    words = [text.get_text().strip() for text in drawn.axes.texts if text.get_text().strip()]
    assert " ".join(words) == "matmul add relu matmul add exp sum log mul sum add sum mul"
    assert len(drawn.axes.texts) == 13 + 13  # as many arrows; z is used twice, and x W1 has none
    for name, taken in sixteen.times.items():
        assert curves.curves[name].tolist() == [
            list(pair) for pair in zip(sixteen.units, taken, strict=True)
        ]
