"""Lesson 1: gradient descent arrives where least squares does."""

import numpy as np
import pytest

from tinynn import SGD, Dense, MeanSquaredError, Sequential


def descend(x, y, rate, steps):
    """Run gradient descent from where the lesson begins; return the line that it reaches."""
    neuron = Dense(1)
    model = Sequential([neuron], input_shape=(1,), dtype=np.float64)
    neuron.W, neuron.b = [[-0.8]], [-0.6]
    loss, optimizer = MeanSquaredError(), SGD(rate)
    for _ in range(steps):
        model.backward(loss.backward(model.forward(x), y))
        optimizer.step(model.params, model.grads)
    return neuron.W.item(), neuron.b.item()


def test_gradient_descent_arrives_where_least_squares_does(lesson):
    one = lesson("01")
    slope, height = np.polyfit(one.x[:, 0], one.y[:, 0], 1)  # another routine than the lesson's
    assert one.w == pytest.approx(slope, abs=1e-5)
    assert one.b == pytest.approx(height, abs=1e-5)
    assert one.path[0] == (-0.8, -0.6)
    assert all(a > b for a, b in zip(one.losses[:20], one.losses[1:21], strict=True))


def test_the_gradients_of_the_text_are_those_that_tinynn_takes(lesson):
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
    best = np.polyfit(one.x[:, 0], one.y[:, 0], 1)
    assert descend(one.x, one.y, 0.9, 300) == pytest.approx(best, abs=1e-5)
    assert np.linalg.norm(descend(one.x, one.y, 1.1, 300) - best) > 1e6


def test_the_answer_to_the_second_question(lesson):
    """It moves up, to the outlier: squared, one error of 9 counts as much as 81 errors of 1."""
    one = lesson("01")
    x, y = one.x, 0.7 * one.x + 0.3  # without noise
    y[0] = 10
    w, b = descend(x, y, 0.1, 600)
    far = x[0, 0] - x.mean()
    leverage = 1 / 40 + far**2 / np.sum((x - x.mean()) ** 2)  # the share that the line goes along
    goes_up = w * x[0, 0] + b - (0.7 * x[0, 0] + 0.3)
    assert goes_up == pytest.approx(leverage * (10 - (0.7 * x[0, 0] + 0.3)), abs=1e-5)
    assert goes_up > 0.2
    before, after = 0.7 * x + 0.3 - y, w * x + b - y
    assert np.mean(after**2) < np.mean(before**2)
    assert np.mean(np.abs(after)) > np.mean(np.abs(before))  # not squared, it would not pay


def test_the_picture_shows_the_way_that_theory_says(lesson):
    """Each step multiplies the distance to the minimum, in (w, b), by 1 - rate * curvature."""
    one = lesson("01")
    data, valley = one.drawn
    x, y = one.x[:, 0], one.y[:, 0]
    columns = np.stack([x, np.ones(40)], axis=1)
    factor = np.eye(2) - 0.1 * 2 * columns.T @ columns / 40
    best = np.polyfit(x, y, 1)
    way = [np.array([-0.8, -0.6])]
    for _ in range(299):
        way.append(best + factor @ (way[-1] - best))

    np.testing.assert_array_equal(data.curves["data"], np.stack([x, y], axis=1))
    for steps in (0, 10, 299):
        ends, heights = data.curves[f"after {steps} steps"].T
        assert ends.tolist() == [-1, 1]
        np.testing.assert_allclose(heights, np.polyval(way[steps], ends), atol=1e-9)

    np.testing.assert_allclose(valley.curves["gradient descent"], way, atol=1e-9)
    np.testing.assert_allclose(valley.curves["least squares"], [best], atol=1e-9)
    for level, ring in zip(one.rings.levels, one.rings.get_paths(), strict=True):
        losses = np.mean((ring.vertices @ columns.T - y) ** 2, axis=1)
        np.testing.assert_allclose(losses, level, atol=0.01)
