"""Lesson 8: the limit of the learning rate is 2 / the largest curvature, and steps find it."""

import numpy as np
import pytest

from tinynn import SGD, Adam


def test_the_limit_is_two_over_the_largest_curvature(lesson):
    eight = lesson("08")
    slopes = lambda w: np.array([w[0], 50 * w[1]])  # noqa: E731  of r^2/2 + 25 s^2
    h = 1e-3
    hessian = np.stack([(slopes(h * e) - slopes(-h * e)) / (2 * h) for e in np.eye(2)])
    limit = 2 / np.linalg.eigvalsh(hessian).max()
    assert limit == pytest.approx(0.04)
    assert limit < eight.limit < 1.02 * limit  # rates are 0.7 % apart, and 60 steps grow slowly
    start = 9**2 / 2 + 25 * 1.2**2
    assert (eight.ends[eight.rates < limit] < start).all()
    assert (eight.ends[eight.rates > 1.02 * limit] > start).all()


def test_the_formula_of_the_text_is_what_steps_do(lesson):
    eight = lesson("08")
    np.testing.assert_allclose(eight.ends, eight.formula, rtol=1e-8)
    rate = eight.rates[500]
    r, s = -9.0, 1.2
    for _ in range(eight.STEPS):
        r, s = r - rate * r, s - rate * 50 * s
    assert eight.ends[500] == pytest.approx(r**2 / 2 + 25 * s**2)


def test_momentum_and_adam_are_faster_down_the_valley(lesson):
    eight = lesson("08")
    assert eight.arrivals["momentum"] < 0.5 * eight.arrivals["SGD"]
    assert eight.arrivals["Adam"] < 0.8 * eight.arrivals["SGD"]
    r, velocity, s, speed = -9.0, 0.0, 1.2, 0.0  # the same ball, by hand
    for _ in range(40):
        velocity, speed = 0.8 * velocity - 0.036 * r, 0.8 * speed - 0.036 * 50 * s
        r, s = r + velocity, s + speed
    np.testing.assert_allclose(eight.paths["momentum"][40], [r, s], atol=1e-9)


@pytest.mark.parametrize("name", ["SGD", "momentum", "Adam"])
def test_real_images_have_a_gentle_side_and_a_wall(lesson, name):
    eight = lesson("08")
    losses = eight.scores[name]
    best = losses.argmin()
    assert losses[best] < 1.0
    assert 3 < best < len(losses) - 1
    assert losses[0] > 2
    assert losses[-1] > 2 * losses[best]
    assert (np.diff(losses[: best - 1]) < 0.02).all()


def test_adam_wants_a_smaller_rate_than_plain_descent(lesson):
    eight = lesson("08")
    best = {name: eight.tried[losses.argmin()] for name, losses in eight.scores.items()}
    assert best["Adam"] < best["SGD"] / 4


@pytest.mark.parametrize(("rate", "arrives"), [(0.071, True), (0.073, False)])
def test_the_answer_to_the_first_question(rate, arrives):
    """Longer steps are safe with momentum: up to 2 (1 + 0.8) / 50."""
    w, ball = np.array([-9.0, 1.2]), SGD(rate, momentum=0.8)
    for _ in range(400):
        ball.step(w, w * [1, 50])
    assert (np.abs(w).max() < 1e-6) == arrives


@pytest.mark.parametrize(
    ("optimizer", "notices"),
    [(lambda: SGD(0.036), False), (lambda: SGD(0.036, 0.8), False), (lambda: Adam(0.5), True)],
)
def test_the_answer_to_the_second_question(optimizer, notices):
    """Adam divides parameter by parameter, so the valley's direction matters to it alone."""
    curvatures, turn = np.array([1.0, 50.0]), np.array([[1, -1], [1, 1]]) / 2**0.5
    straight, turned = np.array([-9.0, 1.2]), turn @ [-9.0, 1.2]
    first, second = optimizer(), optimizer()
    for _ in range(20):
        first.step(straight, curvatures * straight)
        second.step(turned, turn @ (curvatures * (turned @ turn)))
    assert (np.abs(turned @ turn - straight).max() > 0.1) == notices
