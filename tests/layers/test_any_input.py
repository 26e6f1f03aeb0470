"""Protects layers without weights at any shape and size of numbers: values, shapes, precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinynn import (
    Dropout,
    GaussianNoise,
    InputError,
    RandomFlip,
    RandomShift,
    Rescale,
    Reshape,
    Sequential,
)

FLOATS = st.sampled_from([np.float32, np.float64])


def numbers(dtype, largest=None):
    """Any floats that are not NaN, also infinite ones, or none above `largest`."""
    width = np.dtype(dtype).itemsize * 8
    limits = {} if largest is None else {"min_value": -largest, "max_value": largest}
    return st.floats(width=width, allow_nan=False, **limits)


@st.composite
def batches(draw, shapes, largest=None):
    """Draw a batch (B, ...), also of no samples, in float32 or float64."""
    dtype, size, shape = draw(FLOATS), draw(st.integers(0, 4)), draw(shapes)
    return draw(arrays(dtype, (size, *shape), elements=numbers(dtype, largest)))


ANY = batches(array_shapes(max_dims=3, max_side=4))
IMAGES = st.tuples(st.integers(1, 5), st.integers(1, 5)) | array_shapes(
    min_dims=3, max_dims=3, max_side=4
)
SEEDS = st.integers(0, 99)


def alone(layer, x, seed=0):
    return Sequential([layer], input_shape=x.shape[1:], seed=seed, dtype=x.dtype)


def equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


@pytest.mark.slow
@given(x=ANY, rate=st.floats(0, 0.99), seed=SEEDS)
def test_dropout_drops_numbers_or_scales_them(x, rate, seed):
    x = np.where(np.isinf(x), x.dtype.type(0), x)  # inf times 0 is NaN
    model = alone(Dropout(rate), x, seed)
    with np.errstate(over="ignore"):  # of the largest floats
        out, scaled = model.forward(x), x * x.dtype.type(1 / (1 - rate))
    assert out.dtype == x.dtype
    dropped = model.input_gradient(np.ones_like(x)) == 0
    assert equal(out[~dropped], scaled[~dropped])
    assert not out[dropped].any()
    assert not dropped.any() or rate > 0
    assert equal(model.predict(x), x)


@pytest.mark.slow
@given(x=batches(IMAGES), seed=SEEDS)
def test_a_flip_keeps_the_numbers_of_each_row_and_undoes_itself(x, seed):
    model = alone(RandomFlip(), x, seed)
    out = model.forward(x)
    for image, after in zip(x, out, strict=True):
        assert equal(after, image) or equal(after, image[:, ::-1])
    assert equal(model.input_gradient(out), x)
    assert equal(model.predict(x), x)


@pytest.mark.slow
@given(x=batches(IMAGES), pixels=st.integers(0, 3), seed=SEEDS)
def test_a_shift_keeps_what_stays_inside_and_its_gradient_comes_back(x, pixels, seed):
    if pixels >= min(x.shape[1:3]):
        with pytest.raises(InputError):
            alone(RandomShift(pixels), x)
        return
    model = alone(RandomShift(pixels), x, seed)
    out = model.forward(x)
    assert out.dtype == x.dtype
    assert np.isin(out, np.append(x.ravel(), 0)).all()
    inside = model.input_gradient(np.ones_like(x)).astype(bool)  # where the gradient returns
    assert equal(model.input_gradient(out), np.where(inside, x, x.dtype.type(0)))
    assert equal(model.predict(x), x)


@pytest.mark.slow
@given(x=ANY, std=st.sampled_from([0.0, 1e-30, 1.0, 1e30]), seed=SEEDS)
def test_noise_is_added_to_any_numbers(x, std, seed):
    model = alone(GaussianNoise(std), x, seed)
    noise = model.forward(np.zeros_like(x))
    assert np.isfinite(noise).all()
    assert equal(model.forward(x), x + noise)
    assert equal(model.input_gradient(x), x)
    assert equal(model.predict(x), x)


@pytest.mark.slow
@given(x=ANY, data=st.data())
def test_reshape_keeps_all_numbers_in_their_order(x, data):
    size = int(np.prod(x.shape[1:]))
    first = data.draw(st.sampled_from([n for n in range(1, size + 1) if not size % n]))
    model = alone(Reshape((first, size // first)), x)
    out = model.forward(x)
    assert out.shape == (len(x), first, size // first)
    assert equal(out.ravel(), x.ravel())
    assert equal(model.input_gradient(out), x)


@pytest.mark.slow
@given(
    x=batches(array_shapes(max_dims=3, max_side=4), largest=2.0**60),
    data=st.data(),
)
def test_rescale_is_a_product_and_a_sum_at_any_size_of_numbers(x, data):
    last = data.draw(st.integers(0, x.ndim - 1))  # how many of the last axes have numbers
    shape = x.shape[x.ndim - last :]
    scale, offset = (data.draw(arrays(np.float64, shape, elements=numbers(np.float64, 2.0**60)))
                     for _ in range(2))  # fmt: skip
    if not scale.any():
        with pytest.raises(InputError, match="scale of Rescale is 0"):
            Rescale(scale, offset)
        return
    model = alone(Rescale(scale, offset), x)
    given_scale, given_offset = scale.astype(x.dtype), offset.astype(x.dtype)
    assert equal(model.forward(x), x * given_scale + given_offset)
    assert equal(model.predict(x), x * given_scale + given_offset)
    assert equal(model.input_gradient(x), x * given_scale)
