"""Lesson 1: gradient descent arrives where least squares does."""

import numpy as np
import pytest


def test_gradient_descent_arrives_where_least_squares_does(lesson):
    one = lesson("01")
    slope, height = np.polyfit(one.x[:, 0], one.y[:, 0], 1)  # another routine than the lesson's
    assert one.w == pytest.approx(slope, abs=1e-5)
    assert one.b == pytest.approx(height, abs=1e-5)
    assert one.path[0] == (-0.8, -0.6)
    assert all(a > b for a, b in zip(one.losses[:20], one.losses[1:21], strict=True))


def test_the_slopes_of_the_text_are_those_that_tinynn_takes(lesson):
    one = lesson("01")
    (w, b), (w_next, b_next) = one.path[:2]
    error = w * one.x + b - one.y
    assert w_next == pytest.approx(w - 0.1 * np.mean(2 * error * one.x))
    assert b_next == pytest.approx(b - 0.1 * np.mean(2 * error))


def test_the_answer_to_the_first_question(lesson):
    """Steps grow beyond 2 divided by the steepest curvature, which here is a little over 2."""
    one = lesson("01")
    columns = np.hstack([one.x, np.ones_like(one.x)])
    steepest = np.linalg.eigvalsh(2 * columns.T @ columns / len(one.x)).max()
    assert 0.9 < 2 / steepest < 1.1
