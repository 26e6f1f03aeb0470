"""Protects the activations: numbers by hand, PyTorch's, and inputs of every size."""

import json
import warnings
from math import erf, exp, inf, nan, pi, sqrt, tanh
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinynn
from tinynn import (
    ELU,
    GELU,
    SGD,
    CrossEntropy,
    Dense,
    InputError,
    LeakyReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    explain_step,
    glorot_uniform,
)
from tinynn.doctor.statistics import dead_units, statistics_of_step
from tinynn.layers.kinks import active_units

REFERENCES = Path(__file__).parent.parent / "references" / "activations.json"
TORCHS = json.loads(REFERENCES.read_text(encoding="utf-8"))
ALL = [LeakyReLU(), ELU(), ELU(0.5), GELU(), GELU(exact=True), Sigmoid(), Tanh()]


def values(layer, *x, dtype=np.float64):
    """Return out and the derivative at each x."""
    out = layer.forward(np.array([x], dtype))
    return out[0].tolist(), layer.backward(np.ones_like(out))[0].tolist()


# By hand


@pytest.mark.parametrize("layer", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_whole_numbers_that_no_model_has_converted_are_taken_as_floats(layer, dtype):
    x = np.array([[0, 1, 3, 100], [-0, 2, 5, 127]], dtype)  # in uint8 -x would be above 0
    x[0, 0] = 200 if dtype == np.uint8 else -3
    out = layer.forward(x)
    assert out.dtype in (np.float32, np.float64)
    assert out == pytest.approx(layer.forward(x.astype(float)), rel=1e-6, abs=1e-7)


def test_leaky_relu_by_hand():
    assert values(LeakyReLU(0.25), -4, 0, 4) == ([-1, 0, 4], [0.25, 0.25, 1])


def test_elu_by_hand_returns_numbers_and_not_booleans():
    out, derivative = values(ELU(2.0), -1, 0, 3)
    assert out == pytest.approx([2 * (exp(-1) - 1), 0, 3], rel=1e-15)
    assert derivative == pytest.approx([2 * exp(-1), 2, 1], rel=1e-15)
    for dtype in (np.float32, np.float64):
        assert ELU().forward(np.ones((2, 3), dtype)).dtype == dtype
        assert ELU().forward(np.full((2, 3), 2, dtype)).tolist() == [[2, 2, 2]] * 2


def test_gelu_of_1_is_that_of_the_normal_distribution():
    """One public library returns 0.542."""
    phi = exp(-0.5) / sqrt(2 * pi)
    Phi = (1 + erf(1 / sqrt(2))) / 2  # 0.8413
    out, derivative = values(GELU(exact=True), 1, -1)
    assert out == pytest.approx([Phi, Phi - 1], rel=1e-14)
    assert derivative == pytest.approx([Phi + phi, 1 - Phi - phi], rel=1e-14)
    assert round(out[0], 4) == 0.8413
    (out, _), _ = values(GELU(), 1, -1)
    assert out == pytest.approx(0.5 * (1 + tanh(sqrt(2 / pi) * 1.044715)), rel=1e-15)
    assert round(out, 4) == 0.8412


def test_both_forms_of_gelu_differ_by_less_than_5e_4():
    x = np.linspace(-8, 8, 4001)[None]
    difference = np.abs(GELU().forward(x) - GELU(exact=True).forward(x)).max()
    assert 4e-4 < difference < 5e-4


def test_the_exact_gelu_keeps_the_digits_far_below_0():
    """Phi(-10) = 7.619853024160527e-24 (tables); 1 + erf would give 0."""
    out, _ = values(GELU(exact=True), -10)
    assert out == pytest.approx([-10 * 7.619853024160527e-24], rel=1e-12)


def test_sigmoid_by_hand():
    out, derivative = values(Sigmoid(), 0, np.log(3), -np.log(3), -700)
    assert out == pytest.approx([1 / 2, 3 / 4, 1 / 4, exp(-700)], rel=1e-14)
    assert derivative == pytest.approx([1 / 4, 3 / 16, 3 / 16, exp(-700)], rel=1e-14)


def test_tanh_by_hand():
    out, derivative = values(Tanh(), 0, np.log(2))  # (2 - 1/2) / (2 + 1/2)
    assert out == pytest.approx([0, 0.6], rel=1e-15)
    assert derivative == pytest.approx([1, 0.64], rel=1e-15)


# PyTorch's


@pytest.mark.parametrize("call", [name for name in TORCHS if name != "x"])
def test_values_and_derivatives_are_pytorchs(call):
    layer = eval(call, vars(tinynn))
    out, derivative = values(layer, *TORCHS["x"])
    assert out == pytest.approx(TORCHS[call]["out"], rel=1e-10, abs=1e-14)
    assert derivative == pytest.approx(TORCHS[call]["dx"], rel=1e-10, abs=1e-14)


# Inputs of every size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("layer", "limits", "derivatives"),
    [
        (GELU(), (0, inf), (0, 1)),
        (GELU(exact=True), (0, inf), (0, 1)),
        (ELU(2.0), (-2, inf), (0, 1)),
        (LeakyReLU(0.5), (-inf, inf), (0.5, 1)),
        (Sigmoid(), (0, 1), (0, 0)),
        (Tanh(), (-1, 1), (0, 0)),
    ],
    ids=repr,
)
def test_at_infinity_out_and_derivative_are_their_limits(layer, limits, derivatives, dtype):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert values(layer, -inf, inf, dtype=dtype) == (list(limits), list(derivatives))
        large = float(np.finfo(dtype).max)
        out, derivative = values(layer, -large, large, dtype=dtype)
    finite = [large / 2 if v == inf else -large / 2 if v == -inf else v for v in limits]
    assert out == [
        v if abs(v) < 3 else v * (1 if limits[0] == -inf and v < 0 else 2) for v in finite
    ]
    assert derivative == list(derivatives)


@pytest.mark.parametrize("layer", ALL, ids=repr)
def test_nan_stays_nan_beside_other_numbers(layer):
    out, _ = values(layer, nan, 1.0)
    assert np.isnan(out).tolist() == [True, False]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("layer", ALL, ids=repr)
@given(data=st.data())
def test_any_numbers_in_any_shape_give_numbers_in_range_without_a_warning(layer, data):
    width = data.draw(st.sampled_from([32, 64]))
    shape = data.draw(array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    numbers = st.floats(allow_nan=False, allow_infinity=True, width=width)
    x = data.draw(arrays(f"f{width // 8}", shape, elements=numbers))
    kept = x.copy()
    with warnings.catch_warnings(), np.errstate(over="raise", invalid="raise", divide="raise"):
        warnings.simplefilter("error")
        out = layer.forward(x)
        dx = layer.backward(np.ones_like(x))
    assert out.shape == dx.shape == x.shape
    assert out.dtype == dx.dtype == x.dtype
    assert np.array_equal(x, kept)
    assert not np.isnan(out).any()
    assert (np.abs(dx) <= 1.13).all()  # GELU's largest derivative is 1.129
    assert (np.abs(out) <= np.maximum(np.abs(x), 1)).all()


# The contract


@pytest.mark.parametrize("slope", [0, 1, -0.1, 2, "0.1", None, nan, True])
def test_leaky_relu_refuses_another_slope(slope):
    with pytest.raises(InputError, match="slope must be above 0 and below 1, got"):
        LeakyReLU(slope)


@pytest.mark.parametrize("alpha", [0, -1, inf, "1", None])
def test_elu_refuses_another_alpha(alpha):
    with pytest.raises(InputError, match="alpha must be a positive number, got"):
        ELU(alpha)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("exact", [False, True])
def test_gelu_of_whole_numbers_is_that_of_floats(exact, dtype):
    gelu, x = GELU(exact), np.array([[0, 1, 3]])
    expected = gelu.forward(x.astype(np.float64))
    assert gelu.forward(x.astype(dtype)).tolist() == expected.tolist()


@pytest.mark.parametrize("exact", [0, 1, "tanh", None])
def test_gelu_refuses_another_form(exact):
    with pytest.raises(InputError, match="exact of GELU must be True or False, got"):
        GELU(exact)


def test_only_layers_whose_derivative_jumps_tell_of_a_kink():
    x = np.array([[-1.0, 2.0]])
    for layer in (LeakyReLU(), ELU(0.5)):
        assert layer.kink_mask(x).tolist() == [[False, True]]
    for layer in (ELU(), GELU(), Sigmoid(), Tanh()):
        assert layer.kink_mask(x) is None


@pytest.mark.parametrize("layer", [LeakyReLU(), ELU(0.5)], ids=repr)
def test_a_number_of_0_is_not_inactive_because_it_has_a_gradient(layer):
    x = np.zeros((1, 2))  # as Dropout before the layer makes them
    assert layer.forward(x).tolist() == [[0, 0]]
    assert layer.backward(np.ones((1, 2))).all()
    assert active_units(layer, x, layer.forward(x)).all()


@pytest.mark.parametrize("layer", ALL, ids=repr)
def test_a_unit_below_0_is_not_dead_and_its_equations_are_shown(layer):
    model = Sequential([Dense(3), layer, Dense(2), Softmax()], input_shape=(2,))
    model.layers[0].b = [-9, -9, 9]
    x, y = np.array([[0.5, -1.0], [1.0, 0.3]]), np.array([0, 1])
    assert all(dead == 0 for dead, _ in dead_units(model, x).values())
    step = statistics_of_step(model, CrossEntropy(), x, y, number=1)
    assert not any(step.inactive.values())
    page = str(explain_step(model, CrossEntropy(), SGD(0.1), x, y))
    assert layer.equations[0] in page
    assert layer.equations[1] in page


def test_a_sigmoid_gives_independent_probabilities():
    assert (Sigmoid.takes, Sigmoid.gives) == ("logits", "independent probabilities")


def test_tanh_after_glorot_keeps_gradients_over_ten_layers_and_sigmoids_vanish():
    """At 0 tanh's derivative is 1 and sigmoid's 1/4: ten layers of it leave a millionth."""
    x = np.random.default_rng(0).normal(size=(32, 64))
    ratios = {}
    for kind in (Tanh, Sigmoid):
        hidden = [layer for _ in range(10) for layer in (Dense(64, glorot_uniform), kind())]
        model = Sequential([*hidden, Dense(2), Softmax()], input_shape=(64,))
        step = statistics_of_step(model, CrossEntropy(), x, np.arange(32) % 2, number=1)
        gradients = [*step.gradient.values()]
        ratios[kind] = gradients[-1] / gradients[0]
    assert ratios[Tanh] > 0.01
    assert ratios[Sigmoid] < 1e-5
