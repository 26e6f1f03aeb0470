"""Protects the first weights: the papers' standard deviation, and only the seed decides."""

from math import sqrt

import numpy as np
import pytest

from tinynn import glorot_uniform, he_normal, zeros
from tinynn.initializers import INITIALIZERS

SHAPE = (300, 700)
VARIANCES = {he_normal: 2 / 300, glorot_uniform: 2 / (300 + 700)}


def draw(initializer, shape=SHAPE, seed=0):
    return initializer(shape, np.random.default_rng(seed))


@pytest.mark.parametrize("initializer", VARIANCES)
def test_variance_is_the_papers(initializer):
    # The variance of n draws has a relative standard error of sqrt(2 / n) (less for uniform ones),
    # here sqrt(2 / 210,000) = 0.3 %: five of these are 1.5 %. Fan_out for fan_in is over 100 % off.
    W = draw(initializer)
    assert W.var() == pytest.approx(VARIANCES[initializer], rel=0.016)


@pytest.mark.parametrize("initializer", VARIANCES)
def test_mean_is_zero(initializer):
    standard_error = sqrt(VARIANCES[initializer] / (300 * 700))
    assert abs(draw(initializer).mean()) < 5 * standard_error


def test_glorot_uniform_fills_its_bounds_evenly():
    limit = sqrt(6 / (300 + 700))
    W = draw(glorot_uniform)
    assert abs(W).max() <= limit
    # of 210,000 draws the largest is short of the limit by about limit / 210,000
    assert abs(W).max() > 0.999 * limit
    # half of them lie in the inner half; the standard error of that share is 0.11 %
    assert np.mean(abs(W) < limit / 2) == pytest.approx(0.5, abs=0.006)


def test_he_normal_has_the_tails_of_a_normal():
    # 4.55 % of a normal lie beyond two standard deviations, with a standard error of 0.05 % here
    share = np.mean(abs(draw(he_normal)) > 2 * sqrt(2 / 300))
    assert share == pytest.approx(0.0455, abs=0.0025)


def test_zeros_is_all_zeros():
    assert draw(zeros, (2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("initializer", INITIALIZERS.values())
def test_the_array_is_float64_of_the_shape(initializer):
    W = draw(initializer, (5, 7))
    assert W.shape == (5, 7)
    assert W.dtype == np.float64


@pytest.mark.parametrize("initializer", VARIANCES)
def test_the_generator_alone_decides(initializer):
    W = draw(initializer, seed=1)
    np.random.seed(5)  # noqa: NPY002 - the global state must not matter
    assert np.array_equal(draw(initializer, seed=1), W)
    assert not np.array_equal(draw(initializer, seed=2), W)


@pytest.mark.parametrize("initializer", VARIANCES)
def test_a_second_draw_goes_on_where_the_first_ended(initializer):
    rng = np.random.default_rng(0)
    assert not np.array_equal(initializer((3, 4), rng), initializer((3, 4), rng))


def test_each_initializer_is_found_by_its_name():
    assert set(INITIALIZERS) == {"zeros", "glorot_uniform", "he_normal"}
    assert all(INITIALIZERS[f.__name__] is f for f in (zeros, glorot_uniform, he_normal))


def test_glorot_counts_the_patches_of_a_convolution_on_both_sides():
    """fan_in = 3 * 3 * 16, fan_out = 3 * 3 * 32: sqrt(6 / (144 + 288)) = 0.1179."""
    W = glorot_uniform((3, 3, 16, 32), np.random.default_rng(0))
    assert 0.117 < abs(W).max() <= np.sqrt(6 / (144 + 288))
