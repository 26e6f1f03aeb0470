"""Lesson 4: Softmax, then CrossEntropy, gives p - y; squared error learns little from mistakes."""

from decimal import Decimal, getcontext

import numpy as np
import pytest

from tinynn import CrossEntropy, SoftmaxCrossEntropy


def p_minus_y(z, y):
    """Return (p - y) / N, computed with Python's decimals: 60 digits, no overflow."""
    getcontext().prec = 60
    rows = []
    for logits, answers in zip(z.tolist(), y.tolist(), strict=True):
        e = [Decimal(logit).exp() for logit in logits]
        rows.append(
            [float((a / sum(e) - Decimal(b)) / len(z)) for a, b in zip(e, answers, strict=True)]
        )
    return np.array(rows)


def test_both_ways_are_p_minus_y(lesson):
    four = lesson("04")
    right = p_minus_y(four.z, four.y)
    assert np.abs(right).max() > 0.01
    for found in (four.in_parts, four.in_one, four.on_paper):
        np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", [1, 10, 50, 80, 100, 1000])
def test_both_ways_are_p_minus_y_at_any_gap_in_either_precision(lesson, gap, dtype):
    four = lesson("04")
    z = np.array([[-gap, 0], [gap, 0], [0.5, -0.25]], dtype)
    y = np.array([[1, 0], [1, 0], [0, 1]], dtype)
    right = p_minus_y(z, y)
    tolerance = 8 * float(np.finfo(dtype).eps)
    for found in (four.gradient(CrossEntropy(), z, y), SoftmaxCrossEntropy().backward(z, y)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, right, rtol=tolerance, atol=tolerance)


def test_a_gap_of_1000_needs_the_floor_in_softmax(lesson):
    four = lesson("04")
    assert four.far_parts == pytest.approx(np.array([[-1, 1]]), abs=1e-6)
    assert four.far_one == pytest.approx(np.array([[-1, 1]]), abs=1e-6)
    assert four.far_parts.dtype == np.float32
    assert "[nan nan]" in four.text  # without a floor
    assert np.all(four.dz == four.far_parts)  # the last of the three is what tinynn does


def test_sure_and_wrong_the_gradient_is_1_or_a_ten_thousandth(lesson):
    """By finite differences of the losses with respect to the gap; the other logit is 0."""
    four = lesson("04")
    at = np.flatnonzero(four.gaps == -10).item()
    h = 1e-4

    def derivative_of(loss):
        return abs(loss(-10 + h) - loss(-10 - h)) / (2 * h)

    cross_entropy = derivative_of(lambda gap: np.log1p(np.exp(-gap)))
    squared = derivative_of(lambda gap: (1 / (1 + np.exp(gap))) ** 2)
    assert cross_entropy == pytest.approx(1, rel=1e-3)
    assert squared == pytest.approx(1e-4, rel=0.15)
    assert four.sizes["cross-entropy"][at] == pytest.approx(cross_entropy, rel=1e-6)
    assert four.sizes["squared error"][at] == pytest.approx(squared, rel=1e-4)


def test_squared_error_takes_thousands_of_steps_out_of_a_mistake(lesson):
    """Far down a step widens the gap by 4 exp(gap), so from -10 it takes about exp(10) / 4."""
    four = lesson("04")
    steps = {name: np.argmax(np.array(path) > 0) for name, path in four.paths.items()}
    assert steps["cross-entropy"] in (5, 6, 7)
    assert steps["squared error"] == pytest.approx(np.exp(10) / 4, rel=0.05)


def test_the_answer_to_the_first_question(lesson):
    """(1 - p)^2 - 2 p (1 - p) = 0 at p = 1/3: a gradient of 8/27, at a gap of -ln 2."""
    four = lesson("04")
    sizes = four.sizes["squared error"]
    assert max(sizes) == pytest.approx(8 / 27, rel=0.01)
    assert four.gaps[np.argmax(sizes)] == pytest.approx(-np.log(2), abs=0.25)


def test_the_answer_to_the_second_question(lesson):
    """It is -log of the floor; the gradient is p - y, which the floor does not change."""
    four = lesson("04")
    p = four.Softmax().forward(four.z32)
    assert CrossEntropy().forward(p, [0]) == pytest.approx(30 * np.log(10), rel=1e-6)
    assert f"{30 * np.log(10):.2f}" == "69.08"
    assert SoftmaxCrossEntropy().forward(four.z32, [0]) == pytest.approx(1000)


def test_the_picture_shows_the_gradients_of_the_text(lesson):
    """1 - p and 2 p (1 - p)^2, with p = 1 / (1 + exp(-gap))."""
    panel = lesson("04").drawn[0]
    assert panel.axes.get_yscale() == "log"
    assert panel.curves["a gap of -10"][:, 0].tolist() == [-10, -10]
    for name, gradient in (
        ("cross-entropy", lambda p: 1 - p),
        ("squared error", lambda p: 2 * p * (1 - p) ** 2),
    ):
        gaps, sizes = panel.curves[name].T
        assert (gaps[0], gaps[-1]) == (-15, 15)
        np.testing.assert_allclose(sizes, gradient(1 / (1 + np.exp(-gaps))), rtol=1e-6)


def test_the_picture_shows_the_way_out_of_a_mistake(lesson):
    """A step moves the two logits against each other, so the gap grows by twice the gradient."""
    panel = lesson("04").drawn[1]
    assert panel.axes.get_xscale() == "log"
    assert panel.curves["both equally likely"][:, 1].tolist() == [0, 0]
    for name, share in (
        ("cross-entropy", lambda p: 1),
        ("squared error", lambda p: 2 * p * (1 - p)),
    ):
        gap, way = -10.0, []
        for step in range(1, 8000):
            p = 1 / (1 + np.exp(-gap))
            gap += 2 * share(p) * (1 - p)
            way.append((step, gap))
        np.testing.assert_allclose(panel.curves[name], way, rtol=1e-6, atol=1e-6)
