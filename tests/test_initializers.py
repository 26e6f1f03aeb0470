"""Protects the first weights: the papers' standard deviation, and only the seed decides."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from tinynn import (
    Dense,
    InputError,
    constant,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    normal,
    orthogonal,
    zeros,
)
from tinynn.initializers import INITIALIZERS

SHAPE = (300, 700)
VARIANCES = {
    he_normal: 2 / 300,
    he_uniform: 2 / 300,
    glorot_uniform: 2 / (300 + 700),
    glorot_normal: 2 / (300 + 700),
    lecun_normal: 1 / 300,
    orthogonal: 1 / 700,  # each of 300 rows has length 1
    normal(0.03): 0.03**2,
}
KINDS = [*(thing for thing in INITIALIZERS.values() if not isinstance(thing, type))]
KINDS += [normal(0.5), constant(3)]


def name(initializer):
    """Return a test's name for an initializer, without an address that differs by process."""
    return getattr(initializer, "__name__", repr(initializer))


def draw(initializer, shape=SHAPE, seed=0):
    return initializer(shape, np.random.default_rng(seed))


@pytest.mark.parametrize("initializer", VARIANCES, ids=name)
def test_variance_is_the_papers(initializer):
    # The variance of n draws has a relative standard error of sqrt(2 / n) (less for uniform ones),
    # here sqrt(2 / 210,000) = 0.3 %: five of these are 1.5 %. Fan_out for fan_in is over 100 % off.
    W = draw(initializer)
    assert W.var() == pytest.approx(VARIANCES[initializer], rel=0.016)


@pytest.mark.parametrize("initializer", VARIANCES, ids=name)
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


@pytest.mark.parametrize("initializer", KINDS, ids=name)
def test_the_array_is_float64_of_the_shape(initializer):
    W = draw(initializer, (5, 7))
    assert W.shape == (5, 7)
    assert W.dtype == np.float64


@pytest.mark.parametrize("initializer", VARIANCES, ids=name)
def test_the_generator_alone_decides(initializer):
    W = draw(initializer, seed=1)
    np.random.seed(5)  # noqa: NPY002 - the global state must not matter
    assert np.array_equal(draw(initializer, seed=1), W)
    assert not np.array_equal(draw(initializer, seed=2), W)


@pytest.mark.parametrize("initializer", VARIANCES, ids=name)
def test_a_second_draw_goes_on_where_the_first_ended(initializer):
    rng = np.random.default_rng(0)
    assert not np.array_equal(initializer((3, 4), rng), initializer((3, 4), rng))


def test_each_initializer_is_found_by_its_name():
    assert set(INITIALIZERS) == {
        *("zeros", "glorot_uniform", "he_normal", "he_uniform", "glorot_normal", "lecun_normal"),
        *("orthogonal", "normal", "constant"),
    }
    assert all(INITIALIZERS[f.__name__] is f for f in (zeros, he_normal, orthogonal, normal))


def test_glorot_counts_the_patches_of_a_convolution_on_both_sides():
    """fan_in = 3 * 3 * 16, fan_out = 3 * 3 * 32: sqrt(6 / (144 + 288)) = 0.1179."""
    W = glorot_uniform((3, 3, 16, 32), np.random.default_rng(0))
    assert 0.117 < abs(W).max() <= np.sqrt(6 / (144 + 288))


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (he_normal, 2 / 1800),
        (he_uniform, 2 / 1800),
        (lecun_normal, 1 / 1800),
        (glorot_normal, 2 / (1800 + 900)),
        (glorot_uniform, 2 / (1800 + 900)),
    ],
)
def test_a_kernel_of_a_convolution_counts_its_patch(initializer, variance):
    """(height, width, channels, filters): fan_in = 3 * 3 * 200 and fan_out = 3 * 3 * 100.

    180,000 draws: five standard errors of the variance, sqrt(2 / n) each, are 1.7 %.
    """
    W = draw(initializer, (3, 3, 200, 100))
    assert W.var() == pytest.approx(variance, rel=0.017)


def test_he_uniform_fills_its_bounds():
    limit = sqrt(6 / 300)
    assert 0.999 * limit < abs(draw(he_uniform)).max() <= limit


@pytest.mark.parametrize("initializer", [glorot_normal, lecun_normal, normal(0.5)], ids=name)
def test_a_normal_is_drawn_whole_and_not_cut_off(initializer):
    W = draw(initializer)
    share = np.mean(abs(W) > 2 * W.std())
    assert share == pytest.approx(0.0455, abs=0.0025)


@pytest.mark.parametrize(
    "shape", [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1), (3, 3, 2, 4), (2, 2, 1, 9)]
)
def test_orthogonal_is_orthogonal_whichever_side_is_longer(shape):
    W = draw(orthogonal, shape)
    assert W.shape == shape
    W = W.reshape(-1, shape[-1])
    short = W.T @ W if len(W) >= shape[-1] else W @ W.T
    assert abs(short - np.eye(min(W.shape))).max() < 1e-14


@pytest.mark.slow
def test_orthogonal_is_uniform_over_all_rotations_and_reflections():
    """The first entry of a uniform one (3, 3) is that of a random direction: uniform in [-1, 1].

    Its mean is 0 and its variance 1/3; without the sign of R's diagonal the first entry of Q has
    the sign that LAPACK chooses. Of 4,000 draws the mean has a standard error of 0.009, and half of
    the determinants are 1, with a standard error of 0.008.
    """
    rng = np.random.default_rng(0)
    Qs = np.array([orthogonal((3, 3), rng) for _ in range(4000)])
    assert abs(Qs.mean(axis=0)).max() < 0.045
    assert Qs.var(axis=0) == pytest.approx(np.full((3, 3), 1 / 3), abs=0.025)
    assert np.mean(abs(Qs[:, 0, 0]) < 0.5) == pytest.approx(0.5, abs=0.04)
    assert np.mean(np.linalg.det(Qs) > 0) == pytest.approx(0.5, abs=0.04)


def test_through_square_orthogonal_layers_no_length_changes():
    rng = np.random.default_rng(0)
    x = out = rng.normal(size=(4, 50))
    for _ in range(30):
        out = out @ orthogonal((50, 50), rng)
    assert np.linalg.norm(out, axis=1) == pytest.approx(np.linalg.norm(x, axis=1), rel=1e-12)


def test_normal_and_constant_by_hand():
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    assert np.array_equal(normal(std=0.5)((4, 3), rng), 0.5 * twin.standard_normal((4, 3)))
    assert constant(-1)((2, 2), rng).tolist() == [[-1, -1], [-1, -1]]


@pytest.mark.parametrize("std", [0, -1, np.inf, np.nan, "1", None, True])
def test_normal_refuses_another_std(std):
    with pytest.raises(InputError, match=r"std must be a positive number, got"):
        normal(std)


@pytest.mark.parametrize("value", [np.inf, np.nan, "1", None, [1]])
def test_constant_refuses_another_value(value):
    with pytest.raises(InputError, match=r"value must be a finite number, got"):
        constant(value)


def test_a_class_instead_of_an_initializer_is_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"got the class normal\. Write normal\(\.\.\.\)"):
        Dense(3, normal)


@given(
    st.sampled_from(KINDS), array_shapes(min_dims=2, max_dims=4, max_side=7), st.integers(0, 2**32)
)
def test_weights_of_any_shape_are_finite_and_only_the_seed_decides(initializer, shape, seed):
    W, again = (initializer(shape, np.random.default_rng(seed)) for _ in range(2))
    assert (W.dtype, W.shape) == (np.float64, shape)
    assert np.isfinite(W).all()
    assert np.array_equal(W, again)
    if initializer is orthogonal:
        rows = W.reshape(-1, shape[-1])
        rows = rows if len(rows) <= shape[-1] else rows.T
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-12)
