"""Lesson 13: with a constant rate the noise of the batches stays; if the rate falls, it ends."""

from math import cos, pi, sqrt

import numpy as np
import pytest

EXACT = {"large": 0.42, "small": 0.27, "cosine": 0.155}  # roots of E[w^2] after 100 steps


def rates(name):
    """Return the 100 learning rates of the valley, by the equations of the text."""
    if name == "cosine":
        return [0.3 * (1 + cos(pi * s / 100)) / 2 for s in range(100)]
    return [{"large": 0.3, "small": 0.03}[name]] * 100


def walk(rates, n=20_000):
    """Return the root mean square of n values of w at the end: other noise, and no formula."""
    rng, w = np.random.default_rng(7), np.full(n, 5.0)
    for rate in rates:
        w -= rate * (w + rng.normal(size=n))
    return sqrt(np.mean(w**2))


def test_the_schedules_have_the_rates_of_the_text(lesson):
    for name, schedule in lesson("13").schedules.items():
        assert [schedule(t) for t in range(1, 101)] == pytest.approx(rates(name))


@pytest.mark.parametrize("name", ["large", "small", "cosine"])
def test_the_formula_of_the_text_is_what_walks_do(lesson, name):
    thirteen = lesson("13")
    distances = thirteen.exact[name]
    assert walk(rates(name)) == pytest.approx(distances[-1], rel=0.03)
    assert distances[-1] == pytest.approx(EXACT[name], rel=0.01)
    measured = np.sqrt(np.mean(thirteen.paths[name] ** 2, axis=1))
    np.testing.assert_allclose(measured, distances, rtol=0.08)


def test_a_constant_rate_stays_at_its_distance_and_a_small_one_has_not_arrived(lesson):
    exact = lesson("13").exact
    limit = sqrt(0.3 / 1.7)
    np.testing.assert_allclose(exact["large"][-60:], limit, rtol=1e-4)
    assert exact["small"][-1] > 2 * sqrt(0.03 / 1.97)
    assert exact["cosine"][-1] < 0.7 * min(exact["large"][-1], exact["small"][-1])


def test_the_last_epochs_jump_with_a_constant_rate_and_agree_with_a_falling_one(lesson):
    thirteen = lesson("13")
    constant, cosine = (thirteen.results[name][:, -4:] for name in ("constant", "cosine"))
    assert constant.shape == cosine.shape == (5, 4)
    jumps = [runs.std(axis=1, ddof=1).mean() for runs in (constant, cosine)]
    assert jumps[0] > 1.4 * jumps[1]
    assert constant.std() > 1.4 * cosine.std()  # of all twenty: over epochs and over seeds
    assert cosine[:, -1].mean() > constant[:, -1].mean() + 0.004


def test_the_picture_shows_the_rates_the_distances_and_all_five_seeds(lesson):
    thirteen = lesson("13")
    over_time, valley, constant, cosine = thirteen.drawn
    for line, name in zip(over_time.axes.lines, thirteen.schedules, strict=True):
        assert line.get_ydata() == pytest.approx(rates(name))
        assert valley.curves[name][-1, 1] == pytest.approx(EXACT[name], rel=0.08)
        assert valley.curves[name][0].tolist() == [0, 5]
    for panel, name in ((constant, "constant"), (cosine, "cosine")):
        shown = [line.get_ydata() for line in panel.axes.lines]
        np.testing.assert_array_equal(shown, thirteen.results[name])
        low, high = panel.axes.get_ylim()
        assert low < thirteen.results[name][:, -4:].min()
        assert high > thirteen.results[name].max()


def test_the_answer_to_the_first_question(lesson):
    """By hand: t w_t = (t - 1) w_(t-1) - noise, so 100 w is minus the sum of 100 noises."""
    thirteen = lesson("13")
    w, noises = 5.0, np.random.default_rng(3).normal(size=100)
    for t, noise in enumerate(noises, 1):
        w -= (w + noise) / t
    assert w == pytest.approx(-noises.mean())
    distances = thirteen.distances(lambda t: 1 / t)
    assert distances[-1] == pytest.approx(0.1)
    assert walk([1 / t for t in range(1, 101)]) == pytest.approx(0.1, rel=0.03)


def test_the_answer_to_the_second_question(lesson):
    """It still jumps, 0.9 % over epochs, where the falling rate has 0.2 %, and ends in between."""
    thirteen = lesson("13")
    small = np.array([thirteen.accuracies(0.001, seed)[-4:] for seed in range(5)])
    constant, cosine = (thirteen.results[name][:, -4:] for name in ("constant", "cosine"))
    assert small.std(axis=1).mean() > 1.3 * cosine.std(axis=1).mean()
    assert constant.mean() + 0.005 < small.mean() < cosine.mean() - 0.005
