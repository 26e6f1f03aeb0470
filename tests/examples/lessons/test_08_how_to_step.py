"""Lesson 8: the limit of the learning rate is 2 / the largest curvature, and steps find it."""

import re

import numpy as np
import pytest

from tinynn import SGD, Adam


def test_the_limit_is_two_over_the_largest_curvature(lesson):
    eight = lesson("08")
    gradient = lambda w: np.array([w[0], 50 * w[1]])  # noqa: E731  of r^2/2 + 25 s^2
    h = 1e-3
    hessian = np.stack([(gradient(h * e) - gradient(-h * e)) / (2 * h) for e in np.eye(2)])
    limit = 2 / np.linalg.eigvalsh(hessian).max()
    assert limit == pytest.approx(0.04)
    assert limit < eight.limit < 1.02 * limit  # rates are 1.4 % apart, and 60 steps grow slowly
    start = 9**2 / 2 + 25 * 1.2**2
    assert (eight.ends[eight.rates < limit] < start).all()
    assert (eight.ends[eight.rates > 1.02 * limit] > start).all()


def test_the_formula_of_the_text_is_what_steps_do(lesson):
    eight = lesson("08")
    np.testing.assert_allclose(eight.ends, eight.formula, rtol=1e-8)
    rate = eight.rates[400]
    r, s = -9.0, 1.2
    for _ in range(eight.STEPS):
        r, s = r - rate * r, s - rate * 50 * s
    assert eight.ends[400] == pytest.approx(r**2 / 2 + 25 * s**2)


def loss_after(rate, steps):
    """Return L after steps of gradient descent, by the formula of the text."""
    r, s = (1 - rate) ** steps * -9.0, (1 - 50 * rate) ** steps * 1.2
    return r**2 / 2 + 25 * s**2


def test_the_three_verdicts_are_right(lesson):
    printed = re.findall(r"rate (\S+): L = (\S+)", lesson("08").text)
    verdicts = ("too small", "right", "too large")
    rates, losses = (
        {verdict: float(row[i]) for verdict, row in zip(verdicts, printed, strict=True)}
        for i in (0, 1)
    )
    for verdict, rate in rates.items():
        assert losses[verdict] == pytest.approx(loss_after(rate, 60), rel=0.005)
    start, best = loss_after(0, 0), 2 / (1 + 50)  # at which both brackets are of one size
    assert losses["right"] == min(losses.values()) < start / 100
    assert rates["right"] == pytest.approx(best, rel=0.1)
    assert rates["too small"] < best / 10
    assert start > losses["too small"] > start / 10  # on its way, and not there yet
    assert rates["too large"] > 2 / 50
    assert losses["too large"] > start


def test_momentum_and_adam_are_faster_down_the_valley(lesson):
    eight = lesson("08")
    assert eight.arrivals["momentum"] < 0.5 * eight.arrivals["SGD"]
    assert eight.arrivals["Adam"] < 0.8 * eight.arrivals["SGD"]
    r, velocity, s, speed = -9.0, 0.0, 1.2, 0.0  # momentum, by hand
    for _ in range(40):
        velocity, speed = 0.8 * velocity - 0.036 * r, 0.8 * speed - 0.036 * 50 * s
        r, s = r + velocity, s + speed
    np.testing.assert_allclose(eight.paths["momentum"][40], [r, s], atol=1e-9)


@pytest.mark.parametrize("name", ["SGD", "momentum", "Adam"])
def test_real_losses_fall_slowly_up_to_the_best_rate_and_then_rise_steeply(lesson, name):
    eight = lesson("08")
    losses = eight.losses[name]
    best = losses.argmin()
    assert losses[best] < 1.0
    assert 3 < best < len(losses) - 1
    assert losses[0] > 2
    assert losses[-1] > 2 * losses[best]
    assert (np.diff(losses[: best - 1]) < 0.02).all()


def test_adam_needs_a_smaller_rate_than_plain_descent(lesson):
    eight = lesson("08")
    best = {name: eight.tried[losses.argmin()] for name, losses in eight.losses.items()}
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
    """The valley's direction matters only for Adam, because it divides each parameter alone."""
    curvatures, turn = np.array([1.0, 50.0]), np.array([[1, -1], [1, 1]]) / 2**0.5
    straight, turned = np.array([-9.0, 1.2]), turn @ [-9.0, 1.2]
    first, second = optimizer(), optimizer()
    for _ in range(20):
        first.step(straight, curvatures * straight)
        second.step(turned, turn @ (curvatures * (turned @ turn)))
    assert (np.abs(turned @ turn - straight).max() > 0.1) == notices


def walks(steps):
    """Return the three paths down (steps + 1, 2), each by its equations in the text."""
    curvatures, start = np.array([1.0, 50.0]), np.array([-9.0, 1.2])
    ways = {"SGD": [start], "momentum": [start], "Adam": [start]}
    velocity, m, v = np.zeros(2), np.zeros(2), np.zeros(2)
    for t in range(1, steps + 1):
        sgd, momentum, adam = (way[-1] for way in ways.values())
        ways["SGD"].append(sgd - 0.036 * curvatures * sgd)
        velocity = 0.8 * velocity - 0.036 * curvatures * momentum
        ways["momentum"].append(momentum + velocity)
        gradient = curvatures * adam
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        step = 0.5 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        ways["Adam"].append(adam - step)
    return {name: np.array(way) for name, way in ways.items()}


def test_the_picture_shows_three_paths_down_the_valley(lesson):
    eight = lesson("08")
    valley = eight.drawn[0]
    for name, way in walks(400).items():
        (label,) = (label for label in valley.curves if label.startswith(name))
        np.testing.assert_allclose(valley.curves[label], way[:61], atol=1e-6)
        high = (way**2 @ [1, 50]) / 2 >= 0.001
        assert eight.arrivals[name] == np.flatnonzero(high)[-1] + 1
    assert valley.curves["the bottom"].tolist() == [[0, 0]]
    rings = valley.axes.collections[0]
    for level, ring in zip(rings.levels, rings.get_paths(), strict=True):
        np.testing.assert_allclose(ring.vertices**2 @ [0.5, 25], level, atol=0.1)


def test_the_picture_shows_the_limit_and_the_losses_on_real_images(lesson):
    eight = lesson("08")
    exact, real = eight.drawn[1:]
    assert (exact.axes.get_xscale(), exact.axes.get_yscale()) == ("log", "log")
    for name in ("after 60 steps", "by the formula"):
        rates, losses = exact.curves[name].T
        assert (rates[0], rates[-1]) == pytest.approx((1e-4, 0.1))
        np.testing.assert_allclose(losses, loss_after(rates, 60), rtol=1e-8)
    assert exact.curves["at the start"][:, 1] == pytest.approx(loss_after(0, 0))
    assert exact.curves["2 / largest curvature"][:, 0] == pytest.approx(2 / 50)

    assert real.axes.get_xscale() == "log"
    assert real.curves["guessing, ln 10"][:, 1] == pytest.approx(np.log(10))
    for name, losses in eight.losses.items():
        rates, shown = real.curves[name].T
        np.testing.assert_allclose(rates, 10 ** np.linspace(-5, 0, 16))
        np.testing.assert_array_equal(shown, losses)
