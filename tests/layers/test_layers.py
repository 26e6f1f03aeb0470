"""Protects every layer: numbers by hand, gradients by finite differences, and the contract."""

from inspect import signature

import numpy as np
import pytest

import tinynn.layers
from oracles import H, numeric_gradient, worst_error
from tinynn import Dense, Flatten, Layer, ReLU, Sequential, Softmax, glorot_uniform, zeros
from tinynn.layers import LAYERS

CLASSES = [
    thing
    for thing in vars(tinynn.layers).values()
    if isinstance(thing, type) and issubclass(thing, Layer) and thing is not Layer
]


class Center(Layer):
    """A layer with a buffer: subtracts the batch's mean, and keeps a running one."""

    def buffer_shapes(self, input_shape):
        return {"running_mean": input_shape}

    def forward(self, x, training=True):
        if not training:
            return x - self.running_mean
        mean = x.mean(axis=0) if len(x) else self.running_mean
        self.running_mean += (mean - self.running_mean) / 10
        return x - mean

    def input_gradient(self, dout):
        return dout - dout.mean(axis=0)


TINYNNS = list(CLASSES)
CLASSES += [Center]


def build(layer, input_shape, dtype=np.float64):
    """Give the layer random parameters: a bias of 0 would hide mistakes."""
    model = Sequential([layer], input_shape, dtype=dtype)
    model.params = np.random.default_rng(1).normal(size=model.params.size)
    return layer


SAMPLES = [(2, 3), (6,), (5, 6, 2)]  # of several dimensions, flat, images: whichever it takes


def new(cls):
    """Make a layer of any class: each required argument is 3, a half, or a shape that fits."""
    required = [p.name for p in signature(cls).parameters.values() if p.default is p.empty]
    for value in (3, 0.5, (3, 2)):
        try:
            return cls(**dict.fromkeys(required, value))
        except ValueError as error:
            refused = error
    raise refused


def build_any(cls, dtype=np.float64):
    """Build a layer of any class, and return it with the shape of a sample that it takes."""
    for shape in SAMPLES:
        try:
            return build(new(cls), shape, dtype), shape
        except ValueError as error:
            refused = error
    raise refused


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def check_backward(layer, x):
    """Compare dx and every parameter's gradient with differences of sum(out * dout).

    A layer that draws random numbers draws the same ones each time: no step is counted here.
    """
    dout = normal(*layer.forward(x).shape, seed=2)

    def f():
        return float((layer.forward(x) * dout).sum())

    layer.forward(normal(*x.shape, seed=3))  # what it remembers of another batch must not count
    layer.backward(dout)
    layer.forward(x)
    dx = layer.backward(dout)
    gradients = {key: getattr(layer, f"d{key}").copy() for key in layer.parameters()}
    least = 1e-4  # what differences can tell of numbers about 1
    numeric_dx = numeric_gradient(f, x)
    kept = np.ones(x.shape, bool)
    if layer.kink_mask(x) is not None and layer.kink_mask(x).shape == x.shape:
        kept = layer.kink_mask(x - H) == layer.kink_mask(x + H)  # no derivative across a kink
    assert (~kept).mean() <= 0.01
    assert worst_error(dx[kept], numeric_dx[kept], least) < 1e-6
    for key, view in layer.parameters().items():
        assert worst_error(gradients[key], numeric_gradient(f, view), least) < 1e-6, key


# Flatten


def test_flatten_lays_each_sample_out_row_by_row():
    x = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert Flatten().forward(x).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_flatten_backward_restores_the_shape():
    flatten = Flatten()
    flatten.forward(np.zeros((2, 2, 2)))
    dx = flatten.backward(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]))
    assert dx.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_flatten_takes_samples_of_any_shape_and_empty_batches(shape, batch):
    flatten = build(Flatten(), shape)
    x = np.zeros((batch, *shape))
    out = flatten.forward(x)
    assert out.shape == (batch, *flatten.output_shape(shape))
    assert flatten.backward(out).shape == x.shape


# Dense


def by_hand(dtype=np.float64):
    layer = build(Dense(2), (3,), dtype)
    layer.W = [[1, 2], [3, 4], [5, 6]]
    layer.b = [10, 20]
    return layer, np.array([[1, 0, 2], [-1, 1, 0]], dtype)


def test_dense_forward_by_hand():
    layer, x = by_hand()
    # row 0: 1*1 + 0*3 + 2*5 + 10 = 21,   1*2 + 0*4 + 2*6 + 20 = 34
    # row 1: -1*1 + 1*3 + 0*5 + 10 = 12,  -1*2 + 1*4 + 0*6 + 20 = 22
    assert layer.forward(x).tolist() == [[21, 34], [12, 22]]


def test_dense_backward_by_hand():
    layer, x = by_hand()
    layer.forward(x)
    dx = layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    # dW = x.T @ dout, x.T = [[1, -1], [0, 1], [2, 0]]
    assert layer.dW.tolist() == [[1 - 3, 2 - 4], [3, 4], [2, 4]]
    assert layer.db.tolist() == [1 + 3, 2 + 4]
    # dx = dout @ W.T, W.T = [[1, 3, 5], [2, 4, 6]]
    assert dx.tolist() == [[1 + 4, 3 + 8, 5 + 12], [3 + 8, 9 + 16, 15 + 24]]


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(("inputs", "units"), [(1, 1), (4, 3), (3, 4), (5, 5)])
def test_dense_backward_agrees_with_finite_differences(inputs, units, batch):
    check_backward(build(Dense(units), (inputs,)), normal(batch, inputs))


def test_dense_gradients_are_overwritten_not_added_up():
    layer, x = by_hand()
    layer.forward(x)
    layer.backward(np.ones((2, 2)))
    layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert layer.db.tolist() == [4, 6]
    assert layer.dW.tolist() == [[-2, -2], [3, 4], [2, 4]]


def test_the_two_halves_of_denses_backward_are_independent():
    layer, x = by_hand()
    layer.forward(x)
    layer.dW, layer.db = np.full((3, 2), 7), [7, 7]
    dx = layer.input_gradient(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert dx.tolist() == [[5, 11, 17], [11, 25, 39]]
    assert (layer.dW == 7).all()
    assert layer.db.tolist() == [7, 7]
    assert layer.parameter_gradients(np.array([[1.0, 2.0], [3.0, 4.0]])) is None
    assert layer.db.tolist() == [4, 6]


def test_dense_starts_with_drawn_weights_and_zero_biases():
    layer = Dense(4, initializer=glorot_uniform)
    Sequential([layer], input_shape=(6,))
    assert abs(layer.W).max() <= np.sqrt(6 / (6 + 4))
    assert np.count_nonzero(layer.W) == 24
    assert layer.b.tolist() == [0, 0, 0, 0]


def test_dense_hands_its_initializer_the_shape():
    seen = []
    Sequential(
        [Dense(4, initializer=lambda shape, rng: seen.append(shape) or zeros(shape, rng))], (6,)
    )
    assert seen == [(6, 4)]


@pytest.mark.parametrize("units", [0, -1, 2.0, "3", None, True, [3]])
def test_dense_refuses_an_invalid_number_of_units(units):
    with pytest.raises(ValueError) as error:
        Dense(units)
    assert str(error.value) == (
        f"units of Dense must be a whole number of 1 or more, got {units!r}."
    )


def test_dense_refuses_an_initializer_that_is_not_a_function():
    with pytest.raises(ValueError, match=r"an initializer such as tinynn\.he_normal, got 'he'"):
        Dense(3, initializer="he")


def test_dense_without_flatten_before_it_says_where_and_what_to_do():
    with pytest.raises(ValueError) as error:
        Sequential([ReLU(), Dense(3)], input_shape=(28, 28))
    assert str(error.value) == (
        "1.Dense gets samples of shape (28, 28) but needs flat ones, (784,). "
        "Put Flatten() before it."
    )


def test_dense_takes_numpy_integers_as_units():
    layer = build(Dense(np.int64(2)), (3,))
    assert layer.W.shape == (3, 2)
    assert repr(layer.output_shape((3,))) == "(2,)"  # shown to people in summary and in errors


def test_dense_without_a_bias_by_hand():
    layer = build(Dense(2, bias=False), (3,))
    layer.W = [[1, 2], [3, 4], [5, 6]]
    assert layer.forward(np.array([[1.0, 0, 2]])).tolist() == [[11, 14]]
    assert layer.backward(np.array([[1.0, 2.0]])).tolist() == [[5, 11, 17]]
    assert layer.dW.tolist() == [[1, 2], [0, 0], [2, 4]]
    assert list(layer.parameters()) == ["W"]
    for name in ("b", "db"):
        with pytest.raises(AttributeError, match=rf"0\.Dense has no {name}"):
            getattr(layer, name)


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_dense_without_a_bias_agrees_with_finite_differences(batch):
    layer = build(Dense(3, bias=False), (4,))
    assert layer.forward(np.zeros((batch, 4))).shape == (batch, 3)
    if batch:
        check_backward(layer, normal(batch, 4))


@pytest.mark.parametrize("bias", [0, 1, None, "no", 0.5, zeros])
def test_dense_refuses_another_bias(bias):
    with pytest.raises(ValueError, match=r"bias of Dense must be True or False, got"):
        Dense(3, bias=bias)


def test_denses_equations_name_the_bias_only_if_there_is_one():
    assert Dense(2).equations == ("out = x W + b", "dx = dout W.T", "dW = x.T dout, db = sum(dout)")
    assert Dense(2, bias=False).equations == ("out = x W", "dx = dout W.T", "dW = x.T dout")


# ReLU


def test_relu_by_hand():
    relu = ReLU()
    assert relu.forward(np.array([[-1.5, 0.0, 2.5]])).tolist() == [[0, 0, 2.5]]
    assert relu.backward(np.array([[5.0, 6.0, 7.0]])).tolist() == [[0, 0, 7]]


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (5, 40), (3, 2, 4)])
def test_relu_backward_agrees_with_finite_differences(shape):
    check_backward(build(ReLU(), shape[1:]), normal(*shape))


def test_relu_gradient_at_zero_is_zero():
    relu = ReLU()
    relu.forward(np.array([[0.0, -0.0]]))
    assert relu.backward(np.array([[1.0, 1.0]])).tolist() == [[0, 0]]


def test_relu_keeps_nan():
    out = ReLU().forward(np.array([[np.nan, -1.0, 1.0]]))
    assert np.isnan(out).tolist() == [[True, False, False]]


def test_relu_of_infinities():
    assert ReLU().forward(np.array([[-np.inf, np.inf]])).tolist() == [[0, np.inf]]


def test_relu_lets_the_smallest_positive_number_pass():
    relu, tiny = ReLU(), np.array([[np.finfo(np.float32).tiny]], np.float32)
    assert np.array_equal(relu.forward(tiny), tiny)
    assert relu.backward(np.ones((1, 1), np.float32)).tolist() == [[1]]


# Softmax


def test_softmax_forward_by_hand():
    # exp(ln 1), exp(ln 3), exp(ln 4), divided by their sum 8
    out = Softmax().forward(np.log([[1.0, 3.0, 4.0]]))
    assert out == pytest.approx(np.array([[0.125, 0.375, 0.5]]), rel=1e-14)


def test_softmax_backward_by_hand():
    softmax = Softmax()
    softmax.forward(np.log([[1.0, 3.0]]))  # out = [1/4, 3/4]
    # dout . out = 2/4 + 4*3/4 = 3.5;  dx = out * (dout - 3.5) = [-1.5/4, 0.5*3/4]
    assert softmax.backward(np.array([[2.0, 4.0]])) == pytest.approx(np.array([[-0.375, 0.375]]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 3), (5, 10), (2, 3, 4)])
def test_softmax_backward_agrees_with_finite_differences(shape):
    if shape == (1, 1):  # one class is always 1, its gradient 0: nothing to divide an error by
        softmax = Softmax()
        softmax.forward(np.ones(shape))
        assert softmax.backward(np.ones(shape)).tolist() == [[0]]
    else:
        check_backward(build(Softmax(), shape[1:]), normal(*shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_floors_at_1e_30_and_changes_no_sum(dtype):
    out = Softmax().forward(np.array([[0, 1e4, -1e4], [69, 0, 0]], dtype))
    assert out[0].tolist() == [dtype(1e-30), 1, dtype(1e-30)]
    assert out[1, 1] == pytest.approx(np.exp(-69.0), rel=1e-4)  # 1.08e-30, just above the floor
    assert out.sum(axis=1).tolist() == [1, 1]
    assert out.dtype == dtype


# The contract, for every layer that there is


def test_the_table_holds_every_layer_by_its_name():
    assert {cls.__name__: cls for cls in TINYNNS} == LAYERS
    assert {Flatten, Dense, ReLU, Softmax} <= set(TINYNNS)


@pytest.mark.parametrize("cls", CLASSES)
def test_output_shape_is_what_forward_returns(cls):
    layer, shape = build_any(cls)
    for batch in (0, 1, 5):
        x = normal(batch, *shape)
        assert layer.forward(x).shape == (batch, *layer.output_shape(shape))


@pytest.mark.parametrize("cls", CLASSES)
def test_parameter_shapes_are_those_of_the_parameters_and_their_gradients(cls):
    layer, shape = build_any(cls)
    shapes = layer.parameter_shapes(shape)
    assert {key: view.shape for key, view in layer.parameters().items()} == shapes
    assert {key: getattr(layer, f"d{key}").shape for key in shapes} == shapes


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("cls", CLASSES)
def test_backward_agrees_with_finite_differences(cls, batch):
    layer, shape = build_any(cls)
    check_backward(layer, normal(batch, *shape))


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("cls", CLASSES)
def test_forward_without_training_stores_nothing(cls, pending):
    layer, shape = build_any(cls)
    if pending:
        layer.forward(normal(2, *shape))
    before = dict(vars(layer))
    copies = {k: v.copy() for k, v in before.items() if isinstance(v, np.ndarray)}
    layer.forward(normal(4, *shape, seed=5), training=False)
    assert vars(layer).keys() == before.keys()
    assert all(vars(layer)[key] is value for key, value in before.items())
    assert all(np.array_equal(before[key], value) for key, value in copies.items())


@pytest.mark.parametrize("cls", CLASSES)
def test_forward_without_training_is_a_function_of_x_alone(cls):
    """Except for layers with random numbers or buffers, it is also the same as in training."""
    layer, shape = build_any(cls)
    x = normal(3, *shape)
    out = layer.forward(x, training=False)
    in_training = layer.forward(x)
    layer._streams.go_to(5)
    if not layer.buffers() and np.array_equal(layer.forward(x), in_training):
        assert np.array_equal(out, in_training)
        assert np.array_equal(out, layer.forward(x, training=False))
    elif not layer.buffers():
        assert np.array_equal(out, layer.forward(x, training=False))


@pytest.mark.parametrize("cls", CLASSES)
def test_only_training_writes_buffers(cls):
    layer, shape = build_any(cls)
    before = {name: view.copy() for name, view in layer.buffers().items()}
    layer.forward(normal(3, *shape), training=False)
    for name, view in before.items():
        assert np.array_equal(layer.buffers()[name], view), name


@pytest.mark.parametrize("cls", CLASSES)
def test_the_caller_may_change_returned_arrays(cls):
    layer, shape = build_any(cls)
    x, dout = normal(3, *shape), normal(3, *layer.output_shape(shape), seed=1)
    layer.forward(x.copy())
    expected = layer.backward(dout.copy()).copy()
    gradients = {key: getattr(layer, f"d{key}").copy() for key in layer.parameters()}
    layer.forward(x.copy())[...] = 99
    layer.backward(dout.copy())[...] = 99
    assert np.array_equal(layer.backward(dout.copy()), expected)
    for key, gradient in gradients.items():
        assert np.array_equal(getattr(layer, f"d{key}"), gradient)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", CLASSES)
def test_dx_has_the_shape_of_x_and_both_keep_the_dtype(cls, dtype):
    layer, shape = build_any(cls, dtype)
    x = normal(3, *shape, dtype=dtype)
    out = layer.forward(x)
    dx = layer.backward(normal(*out.shape, dtype=dtype))
    assert dx.shape == x.shape
    assert out.dtype == dx.dtype == dtype
    for key, view in layer.parameters().items():
        assert view.dtype == getattr(layer, f"d{key}").dtype == dtype


@pytest.mark.parametrize("cls", CLASSES)
def test_inputs_are_never_modified(cls):
    layer, shape = build_any(cls)
    x, dout = normal(3, *shape), normal(3, *layer.output_shape(shape), seed=1)
    x.flags.writeable = dout.flags.writeable = False  # writing to them is an error now
    layer.forward(x)
    layer.forward(x, training=False)
    layer.backward(dout)


@pytest.mark.parametrize("cls", CLASSES)
def test_config_rebuilds_a_twin(cls):
    layer, shape = build_any(cls)
    twin = build(cls(**layer.config()), shape)
    x = normal(3, *shape)
    assert twin.config() == layer.config()
    assert list(layer.config()) == list(signature(cls).parameters)
    assert np.array_equal(twin.forward(x), layer.forward(x))


@pytest.mark.parametrize("cls", CLASSES)
def test_a_layer_is_named_by_its_place_once_it_has_one(cls):
    layer, (_, shape) = new(cls), build_any(cls)
    assert layer.name == cls.__name__
    Sequential([ReLU(), layer], shape)
    assert layer.name == f"1.{cls.__name__}"


def test_a_misshapen_assignment_names_the_parameter():
    layer, _ = by_hand()
    with pytest.raises(ValueError, match=r"0\.Dense\.W has shape \(3, 2\), .* has \(2, 3\)"):
        layer.W = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"0\.Dense\.db has shape \(2,\), .* has \(1, 2\)"):
        layer.db = np.ones((1, 2))
    assert layer.W.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_a_transposed_assignment_to_itself_is_right():
    layer = build(Dense(2), (2,))
    layer.W = [[1, 2], [3, 4]]
    layer.W = layer.W.T
    assert layer.W.tolist() == [[1, 3], [2, 4]]
