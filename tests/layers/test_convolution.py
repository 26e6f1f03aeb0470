"""Protects convolution and pooling: PyTorch's numbers, finite differences, ties, memory, shapes."""

import json
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import H
from tinynn import (
    AveragePool2D,
    Conv2D,
    GlobalAveragePool2D,
    InputError,
    MaxPool2D,
    Sequential,
    glorot_uniform,
    he_normal,
)
from tinynn.layers.windows import windows

PATH = Path(__file__).parents[1] / "references/convolution.json"
REFERENCE = json.loads(PATH.read_text(encoding="utf-8"))
POOLS = {"MaxPool2D": MaxPool2D, "AveragePool2D": AveragePool2D}


def numbers(*shape, seed):
    """Return numbers as tests/references/convolution.py makes them."""
    k = np.arange(1, prod(shape) + 1)
    return np.sin(k * (seed + 1) * 0.7548776662466927 + k * k * 0.0101).reshape(shape)


def agrees(array, digest):
    """Whether an array has the shape and the weighted sums that PyTorch's had, to 1e-10."""
    flat = array.ravel()
    k = np.arange(1, flat.size + 1)
    sums = [flat @ np.cos(k), flat @ np.sin(k * 1.7), *flat[:3]]
    assert list(array.shape) == digest["shape"]
    assert np.allclose(sums, [*digest["sums"], *digest["first"]], rtol=1e-10, atol=1e-10)


def built(layer, shape, dtype=np.float64):
    """Return a layer of a model of its own, with the reference's parameters if it has any."""
    Sequential([layer], shape, dtype=dtype)
    if layer.parameters():
        layer.W = numbers(*layer.W.shape, seed=2)
        layer.b = numbers(*layer.b.shape, seed=3)
    return layer


def ids(case):
    return " ".join(map(str, case["arguments"])).replace("'", "")


@pytest.mark.parametrize("case", REFERENCE["Conv2D"], ids=ids)
def test_a_convolution_gives_what_pytorch_gives(case):
    shape, filters, size, stride, padding = case["arguments"]
    layer = built(Conv2D(filters, size, stride, padding), tuple(shape))
    out = layer.forward(numbers(3, *shape, seed=1))
    agrees(out, case["out"])
    agrees(layer.backward(numbers(*out.shape, seed=4)), case["dx"])
    agrees(layer.dW, case["dW"])
    agrees(layer.db, case["db"])


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, case) for kind in POOLS for case in REFERENCE[kind]]
)
def test_a_pool_gives_what_pytorch_gives(kind, case):
    shape, size, stride = case["arguments"]
    layer = built(POOLS[kind](size, stride), tuple(shape))
    out = layer.forward(numbers(3, *shape, seed=1))
    agrees(out, case["out"])
    agrees(layer.backward(numbers(*out.shape, seed=4)), case["dx"])


def plain_convolution(x, layer, stride, frame):
    """The equation of the docstring, number by number."""
    (kh, kw, _, F), (B, H_, W_, _) = layer.W.shape, x.shape
    (top, bottom), (left, right) = frame
    larger = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    P = (H_ + top + bottom - kh) // stride[0] + 1
    Q = (W_ + left + right - kw) // stride[1] + 1
    out = np.zeros((B, P, Q, F))
    for p in range(P):
        for q in range(Q):
            y, z = stride[0] * p, stride[1] * q
            window = larger[:, y : y + kh, z : z + kw]
            for f in range(F):
                out[:, p, q, f] = (window * layer.W[..., f]).sum(axis=(1, 2, 3)) + layer.b[f]
    return out


def check_gradients_of(layer, x):
    """Compare all gradients with differences of sum(out * dout), along two random directions."""
    out = layer.forward(x)
    dout = numbers(*out.shape, seed=5)
    dx = layer.backward(dout)
    assert dx.shape == x.shape
    gradients = {key: getattr(layer, f"d{key}").copy() for key in layer.parameters()}
    for array, gradient in [(x, dx), *((v, gradients[k]) for k, v in layer.parameters().items())]:
        kept = array.copy()
        for seed in (6, 7):
            direction = numbers(*array.shape, seed=seed)
            array[:] = kept + H * direction
            above = np.vdot(layer.forward(x), dout)
            array[:] = kept - H * direction
            below = np.vdot(layer.forward(x), dout)
            array[:] = kept
            size = np.abs(gradient * direction).sum()
            assert abs(np.vdot(gradient, direction) - (above - below) / (2 * H)) < 1e-7 * size


SIDE = st.integers(1, 5)
IMAGES = st.tuples(st.integers(3, 6), st.integers(3, 6), st.integers(1, 4))


@settings(max_examples=25, deadline=None)
@given(
    IMAGES,
    st.integers(1, 3),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from(["same", 0, 1]),
    st.integers(1, 2),
)
def test_a_convolution_of_any_shape_is_its_equation_and_has_its_gradients(
    shape, filters, size, stride, padding, batch
):
    if padding != "same":
        padding = min(padding, min(size) - 1)
    layer = built(Conv2D(filters, size, stride, padding), shape)
    x = numbers(batch, *shape, seed=1)
    frame = ((padding, padding), (padding, padding))
    if padding == "same":
        windows_ = [-(-n // s) for n, s in zip(shape, stride, strict=False)]
        zeros = [max((w - 1) * s + k - n, 0)
                 for n, s, k, w in zip(shape, stride, size, windows_, strict=False)]  # fmt: skip
        frame = tuple((z // 2, z - z // 2) for z in zeros)
    out = layer.forward(x)
    assert np.allclose(out, plain_convolution(x, layer, stride, frame), rtol=0, atol=1e-13)
    assert layer.output_shape(shape) == out.shape[1:]
    check_gradients_of(layer, x)


@settings(max_examples=20, deadline=None)
@given(IMAGES, st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE), st.sampled_from([*POOLS.values()]))
def test_a_pool_of_any_shape_is_its_definition_and_has_its_gradient(shape, size, stride, kind):
    size = tuple(map(min, size, shape))
    layer = built(kind(size, stride), shape)
    # all different, by more than the step of a difference
    x = np.random.default_rng(0).permutation(2 * prod(shape)).reshape(2, *shape) / prod(shape)
    seen = windows(x, size, stride)
    reduced = seen.max(axis=(3, 4)) if kind is MaxPool2D else seen.mean(axis=(3, 4))
    assert np.allclose(layer.forward(x), reduced, rtol=0, atol=1e-14)
    assert layer.output_shape(shape) == reduced.shape[1:]
    check_gradients_of(layer, x)


def test_the_global_average_is_the_mean_of_each_channel():
    layer, x = built(GlobalAveragePool2D(), (4, 5, 3)), numbers(2, 4, 5, 3, seed=1)
    assert np.allclose(layer.forward(x), x.mean(axis=(1, 2)), rtol=0, atol=1e-15)
    check_gradients_of(layer, x)


# ties


def test_at_a_tie_the_first_gets_the_whole_gradient():
    pool = MaxPool2D(2)
    x = np.array([[3, 3, 1, 7], [3, 0, 7, 7]], float).reshape(1, 2, 4, 1)
    pool.forward(x)
    dx = pool.backward(np.array([5.0, 2.0]).reshape(1, 1, 2, 1))
    assert dx[0, :, :, 0].tolist() == [[5, 0, 0, 2], [0, 0, 0, 0]]


def test_a_constant_image_passes_each_gradient_once_where_windows_overlap():
    pool = MaxPool2D(3, stride=1)
    out = pool.forward(np.zeros((2, 5, 5, 3)))
    assert pool.backward(np.ones(out.shape)).sum() == out.size


def test_infinite_and_nan_numbers_are_not_hidden_by_a_maximum():
    x = np.zeros((1, 2, 4, 1))
    x[0, 1, 1], x[0, 0, 2], x[0, 0, 3] = np.nan, -np.inf, -np.inf
    x[0, 1, 2:] = -np.inf
    out = MaxPool2D(2).forward(x).ravel()
    assert np.isnan(out[0])
    assert out[1] == -np.inf


def test_the_number_of_the_winner_fits_also_for_a_window_of_more_than_a_byte():
    x = np.zeros((1, 20, 20, 1))
    x[0, 19, 18] = 1
    pool = MaxPool2D(20)
    pool.forward(x)
    assert np.array_equal(pool.backward(np.ones((1, 1, 1, 1))), x)


# memory orders, dtypes, empty batches, what is kept

LAYERS = [
    lambda: Conv2D(3, 3),
    lambda: Conv2D(3, 3, stride=2, padding=0),
    lambda: Conv2D(2, (1, 2), padding=0),
    lambda: MaxPool2D(2),
    lambda: AveragePool2D((3, 2), stride=1),
    lambda: GlobalAveragePool2D(),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("channels", [1, 6])
def test_the_order_of_an_array_in_memory_changes_no_result(layer, channels):
    layer = built(layer(), (7, 6, channels))
    x = numbers(3, 7, 6, channels, seed=1)
    out = layer.forward(x)
    dout = numbers(*out.shape, seed=4)
    dx = layer.backward(dout)
    gradients = [getattr(layer, f"d{key}").copy() for key in layer.parameters()]
    strange = [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.moveaxis(np.moveaxis(a, -1, 1).copy(), 1, -1),
        lambda a: a[::-1].copy()[::-1],
    ]
    for other in strange:
        again = layer.forward(other(x))
        assert again.flags.c_contiguous
        assert np.allclose(again, out, rtol=0, atol=1e-14)
        dx_again = layer.backward(other(dout))
        assert dx_again.flags.c_contiguous
        assert np.allclose(dx_again, dx, rtol=0, atol=1e-14)
        for key, before in zip(layer.parameters(), gradients, strict=True):
            assert np.allclose(getattr(layer, f"d{key}"), before, rtol=0, atol=1e-13)


@pytest.mark.parametrize("layer", LAYERS)
def test_float32_stays_float32_and_an_empty_batch_works(layer):
    layer = built(layer(), (7, 6, 2), np.float32)
    for samples in (3, 0, 1):
        x = np.ones((samples, 7, 6, 2), np.float32)
        out = layer.forward(x)
        dx = layer.backward(np.ones_like(out))
        assert out.dtype == dx.dtype == np.float32
        assert len(out) == samples
        assert dx.shape == x.shape
    layer.forward(np.ones((0, 7, 6, 2), np.float32))
    layer.backward(np.zeros((0, *out.shape[1:]), np.float32))
    assert not any(getattr(layer, f"d{key}").any() for key in layer.parameters())


def test_a_batch_of_several_blocks_has_the_results_of_its_parts(monkeypatch):
    layer, x = built(Conv2D(3, 3), (7, 6, 2)), numbers(5, 7, 6, 2, seed=1)
    out = layer.forward(x)
    layer.backward(np.ones_like(out))
    dW = layer.dW.copy()
    monkeypatch.setattr("tinynn.layers.convolution.BLOCK", 2 * 7 * 6 * 9 * 2)
    assert np.allclose(layer.forward(x), out, rtol=0, atol=1e-14)
    layer.backward(np.ones_like(out))
    assert np.allclose(layer.dW, dW, rtol=0, atol=1e-12)


def kept_bytes(model):
    """The bytes of all arrays that layers keep besides parameters, gradients and buffers."""
    arrays = {}
    for layer in model.layers:
        for name, value in vars(layer).items():
            if isinstance(value, np.ndarray) and name not in layer._views:
                while isinstance(value.base, np.ndarray):
                    value = value.base
                arrays[id(value)] = value.nbytes
    return sum(arrays.values())


def test_a_convolution_keeps_its_input_and_not_the_rows_of_its_windows():
    model = Sequential([Conv2D(8, 5, padding=0)], input_shape=(12, 12, 4))
    x = np.ones((4, 12, 12, 4), np.float32)
    model.forward(x)
    assert kept_bytes(model) == x.nbytes
    pool = Sequential([MaxPool2D(2)], input_shape=(12, 12, 4))
    pool.forward(x)
    assert kept_bytes(pool) == x.nbytes // 16  # one byte for each window of four numbers


def test_the_caller_may_change_what_forward_returned():
    pool, x = MaxPool2D(2), numbers(2, 4, 4, 3, seed=1)
    out = pool.forward(x)
    expected = pool.backward(np.ones_like(out))
    out[:] = 7
    assert np.array_equal(pool.backward(np.ones_like(out)), expected)


@pytest.mark.parametrize("layer", [MaxPool2D(2), AveragePool2D(2), GlobalAveragePool2D()])
def test_a_pool_in_no_model_takes_whole_numbers(layer):
    x = np.arange(16).reshape(1, 4, 4, 1)
    assert np.allclose(layer.forward(x), layer.forward(x.astype(float)))


@pytest.mark.parametrize("layer", [lambda pair: Conv2D(2, pair, pair), MaxPool2D, AveragePool2D])
def test_a_list_that_is_changed_later_changes_no_layer(layer):
    given = [3, 2]
    layer = layer(given)
    Sequential([layer], input_shape=(6, 6, 1))
    given[0] = 1
    assert layer.forward(np.ones((1, 6, 6, 1))).shape[1:] == layer.output_shape((6, 6, 1))
    assert layer.size == (3, 2)


# initial weights


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [(he_normal, (2 / (15 * 8)) ** 0.5), (glorot_uniform, (2 / (15 * 8 + 15 * 60)) ** 0.5)],
)
def test_initial_kernels_have_the_deviation_of_their_fans(initializer, deviation):
    layer = Conv2D(60, (3, 5), initializer=initializer)
    Sequential([layer], input_shape=(9, 9, 8))
    assert layer.W.shape == (3, 5, 8, 60)
    assert abs(layer.W.std() / deviation - 1) < 0.03
    assert not layer.b.any()


def test_without_a_bias_there_is_none():
    layer = Conv2D(4, 3, bias=False)
    model = Sequential([layer], input_shape=(5, 5, 2))
    assert [*layer.parameters()] == ["W"]
    assert model.params.size == 3 * 3 * 2 * 4
    assert not model.forward(np.zeros((1, 5, 5, 2))).any()


def test_summary_counts_the_multiplications_of_each_layer(capsys):
    Sequential([Conv2D(4, (3, 2), stride=2, padding=0), MaxPool2D(2)], (9, 8, 3)).summary()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    # 4 x 4 windows of 3 x 2 x 3 numbers, each times 4 kernels
    assert lines[2] == ["0.Conv2D", "(4,", "4,", "4)", "76", "1,152"]
    assert lines[-1] == ["total", "76", "1,152"]


# wrong input


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"filters": 0}, "filters of Conv2D must be a whole number of 1 or more, got 0"),
        ({"size": 2.5}, "size of Conv2D must be a whole number of 1 or more, got 2.5"),
        ({"size": (3, 3, 1)}, r"a pair \(rows, columns\), such as 3 or \(3, 5\)"),
        ({"size": (3, 0)}, "size of Conv2D: columns must be a whole number of 1 or more"),
        ({"size": "3"}, r"a pair \(rows, columns\)"),
        ({"size": None}, "size of Conv2D must be"),
        ({"size": np.array([3, 3])}, r"a pair \(rows, columns\)"),
        ({"stride": 0}, "stride of Conv2D must be a whole number of 1 or more, got 0"),
        ({"stride": -1}, "stride of Conv2D must be"),
        ({"padding": "valid"}, 'must be "same" or a whole number.* Write padding=0 for no padding'),
        ({"padding": -1}, "padding of Conv2D must be a whole number of 0 or more"),
        ({"padding": 1.0}, 'must be "same" or a whole number'),
        ({"padding": True}, "padding of Conv2D must be"),
        ({"padding": np.array([1, 1])}, 'must be "same" or a whole number'),
        ({"padding": (1, 1)}, 'must be "same" or a whole number'),
        ({"padding": 3}, "padding alone would make nothing of the image.* at most padding=2"),
        ({"size": (3, 1), "padding": 1}, "padding alone would make nothing"),
        ({"bias": 1}, "bias of Conv2D must be True or False"),
        ({"initializer": np.float32}, "Conv2D expects an initializer, got the class"),
        ({"initializer": "he_normal"}, "Conv2D expects an initializer such as"),
    ],
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises(InputError, match=said):
        Conv2D(**{"filters": 2, "size": 3, **arguments})


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (lambda: Conv2D(2, 3), (28, 28), r"\(H, W, C\)\. Put Reshape\(\(28, 28, 1\)\) before it"),
        (lambda: MaxPool2D(2), (28, 28), r"Put Reshape\(\(28, 28, 1\)\) before it"),
        (lambda: GlobalAveragePool2D(), (5, 4), r"Put Reshape\(\(5, 4, 1\)\) before it"),
        (lambda: Conv2D(2, 3), (784,), r"before Flatten\(\), or put Reshape\(\(28, 28, 1\)\)"),
        (lambda: Conv2D(2, 3), (60, 28, 28, 1), r"input_shape=np\.shape\(x\)\[1:\]"),
        (lambda: Conv2D(2, 5, padding=0), (4, 9, 1), "windows of 5 x 5 .* have only 4 x 9"),
        (lambda: Conv2D(2, 7, padding=1), (4, 9, 1), r"have only 4 x 9 \(6 x 11 with their pad"),
        (lambda: Conv2D(2, 5), (4, 9, 1), "windows of 5 x 5 .* have only 4 x 9"),
        (lambda: AveragePool2D((1, 10)), (4, 9, 1), "windows of 1 x 10 .* have only 4 x 9"),
        (lambda: Conv2D(2, 3), (1, 28, 28), r"np\.moveaxis\(x, 1, -1\).*input_shape=\(28, 28, 1\)"),
        (lambda: Conv2D(2, 3), (3, 32, 32), r"their 3 channels first\?.*np\.moveaxis\(x, 1, -1\)"),
        (lambda: MaxPool2D(2), (1, 28, 28), r"np\.moveaxis\(x, 1, -1\)"),
        (lambda: Conv2D(2, 5), (3, 48, 64), r"48 x 64 .*moveaxis.*input_shape=\(48, 64, 3\)"),
        (lambda: Conv2D(2, 3), (1, 90, 8), "windows of 3 x 3 .* have only 1 x 90"),
    ],
)
def test_samples_that_do_not_fit_are_refused_with_the_remedy(layer, shape, said):
    with pytest.raises(InputError, match=said):
        Sequential([layer()], input_shape=shape)


def test_signals_are_images_of_one_row():
    """(1, 16, 16) is not refused as an image with its channel first: the kernel has one row."""
    model = Sequential([Conv2D(2, (1, 5)), MaxPool2D((1, 2))], input_shape=(1, 16, 16))
    assert model.output_shapes == ((1, 16, 2), (1, 8, 2))
