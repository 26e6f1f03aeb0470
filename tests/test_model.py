"""Protects Sequential: views of one vector, the right gradient, and clear errors."""

import copy
import json
import math
import pickle
import threading

import numpy as np
import pytest

from oracles import Scale, numeric_gradient, real_network, worst_error
from tinynn import (
    SGD,
    Adam,
    CrossEntropy,
    Dense,
    Flatten,
    InputError,
    Layer,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    SoftmaxCrossEntropy,
    check_gradients,
    glorot_uniform,
    he_normal,
    load_model,
    save_model,
    zeros,
)


class Spy(Layer):
    """Passes everything on, and counts the calls."""

    def __init__(self):
        self.asked = []

    def forward(self, x, training=True):
        return x

    def parameter_gradients(self, dout):
        self.asked.append("parameter_gradients")

    def input_gradient(self, dout):
        self.asked.append("input_gradient")
        return dout


class SpyDense(Dense):
    def input_gradient(self, dout):
        raise AssertionError("nobody needs dx under the lowest parameters")


def small(seed=0, dtype=np.float32):
    layers = [Flatten(), Dense(5), ReLU(), Dense(4), ReLU(), Dense(3), Softmax()]
    return Sequential(layers, input_shape=(2, 3), seed=seed, dtype=dtype)


def batch(size=8, shape=(2, 3), classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(size, *shape)), rng.integers(0, classes, size)


def train(model, steps=20, loss=None, x=None, y=None):
    """The loop by hand; returns the losses."""
    loss, optimizer = loss or CrossEntropy(), Adam(0.02)
    x, y = batch() if x is None else (x, y)
    losses = []
    for _ in range(steps):
        p = model.forward(x)
        losses.append(loss.forward(p, y))
        model.backward(loss.backward(p, y))
        optimizer.step(model.params, model.grads)
    return losses


def assert_views(model):
    """Every W, dW ... has its own place in params or grads, one after the other, without gaps."""
    start = 0
    for layer in model.layers:
        for key, view in layer.parameters().items():
            assert view is getattr(layer, key)
            for array, vector in ((view, model.params), (getattr(layer, f"d{key}"), model.grads)):
                offset = array.ctypes.data - vector.ctypes.data
                assert offset == start * vector.itemsize
                assert array.dtype == vector.dtype
                assert array.flags.c_contiguous
            start += view.size
    assert model.params.shape == model.grads.shape == (start,)
    assert model.params.flags.c_contiguous
    assert model.grads.flags.c_contiguous


def switches(model, x):
    """Return which units of all ReLUs are active, computed here."""
    active, out = [], x
    for layer in model.layers:
        if isinstance(layer, ReLU):
            active.append((out > 0).ravel())
        out = layer.forward(out, training=False)
    return np.concatenate(active) if active else np.zeros(0)


# The vectors and their views


def test_the_real_network_has_567434_parameters_in_one_piece():
    model = real_network(Softmax())
    # 784*512+512 = 401,920   512*256+256 = 131,328   256*128+128 = 32,896   128*10+10 = 1,290
    assert model.params.size == model.grads.size == 567_434
    assert model.params.dtype == model.grads.dtype == np.float32
    assert model.params.flags.c_contiguous
    assert not np.shares_memory(model.params, model.grads)
    assert_views(model)


def test_named_parameters_are_the_views_in_layer_order():
    model = small()
    named = model.named_parameters()
    assert {name: view.shape for name, view in named.items()} == {
        "1.Dense.W": (6, 5),
        "1.Dense.b": (5,),
        "3.Dense.W": (5, 4),
        "3.Dense.b": (4,),
        "5.Dense.W": (4, 3),
        "5.Dense.b": (3,),
    }
    assert list(named) == [f"{i}.Dense.{key}" for i in (1, 3, 5) for key in "Wb"]
    assert all(
        named[f"{i}.Dense.{key}"] is getattr(model.layers[i], key)
        for i in (1, 3, 5)
        for key in "Wb"
    )


def saved_and_loaded(model, tmp_path):
    save_model(model, tmp_path / "model.npz")
    return load_model(tmp_path / "model.npz")


COPIES = {
    "save and load": saved_and_loaded,
    "copy.copy": lambda model, tmp_path: copy.copy(model),
    "deepcopy": lambda model, tmp_path: copy.deepcopy(model),
    "deepcopy twice": lambda model, tmp_path: copy.deepcopy(copy.deepcopy(model)),
    "deepcopy in a list": lambda model, tmp_path: copy.deepcopy([model.layers[1], model])[1],
    "pickle": lambda model, tmp_path: pickle.loads(pickle.dumps(model)),
    "astype": lambda model, tmp_path: model.astype(np.float32),
    "astype there and back": lambda model, tmp_path: model.astype(float).astype(np.float32),
}


@pytest.mark.first_cases(4)
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_equal_and_apart_and_trains_as_the_original_does(way, tmp_path):
    model = small()
    train(model, steps=3)
    params, grads = model.params.copy(), model.grads.copy()
    twin = COPIES[way](model, tmp_path)
    assert_views(twin)
    assert np.array_equal(twin.params, params)
    losses = train(twin)
    assert losses[-1] < losses[0]
    assert not np.array_equal(twin.params, params)
    assert_views(twin)
    # the original was not touched, still works, and goes the same way
    assert np.array_equal(model.params, params)
    assert np.array_equal(model.grads, grads)
    assert_views(model)
    assert train(model) == losses
    assert np.array_equal(model.params, twin.params)


def test_a_pickle_holds_each_number_once():
    model = Sequential([Dense(100)], input_shape=(100,))
    assert len(pickle.dumps(model)) < 2.1 * model.params.nbytes  # parameters and gradients


@pytest.mark.parametrize("way", ["copy.copy", "deepcopy", "astype"])
def test_a_copy_takes_a_pending_backward_along(way, tmp_path):
    model, (x, y) = small(), batch()
    dp = CrossEntropy().backward(model.forward(x), y)
    twin = COPIES[way](model, tmp_path)
    twin.forward(np.zeros((2, 2, 3)))  # must not disturb the original
    twin = COPIES[way](model, tmp_path)
    for m in (model, twin):
        m.backward(dp)
    assert np.count_nonzero(model.grads)
    assert np.array_equal(model.grads, twin.grads)


def assign_to_w(model):
    model.layers[1].W = np.arange(30).reshape(6, 5)
    assert model.params[:30].tolist() == list(range(30))


def assign_a_list_to_b(model):
    model.layers[1].b = [1, 2, 3, 4, 5]
    assert model.params[30:35].tolist() == [1, 2, 3, 4, 5]


def assign_to_dw(model):
    model.layers[1].dW = np.arange(30.0).reshape(6, 5)
    assert model.grads[:30].tolist() == list(range(30))


def change_w_in_place(model):
    before = model.params[:30].copy()
    model.layers[1].W += 1
    model.layers[1].W[0, 0] = 7
    assert model.params[1:30].tolist() == (before[1:] + 1).tolist()
    assert model.params[0] == 7


def step_by_hand(model):
    model.grads = np.ones(model.grads.size)
    before = model.params.copy()
    model.params -= 0.5 * model.grads
    assert np.array_equal(model.params, before - np.float32(0.5))


def assign_to_params(model):
    model.params = np.full(model.params.size, 3.0)
    assert (model.layers[5].W == 3).all()


def assign_through_named_parameters(model):
    model.named_parameters()["3.Dense.b"][:] = 4
    assert model.layers[3].b.tolist() == [4] * 4


def forward_backward_step(model):
    train(model, steps=1)


@pytest.mark.parametrize(
    "change",
    [
        assign_to_w,
        assign_a_list_to_b,
        assign_to_dw,
        change_w_in_place,
        step_by_hand,
        assign_to_params,
        assign_through_named_parameters,
        forward_backward_step,
    ],
)
def test_views_survive(change):
    model = small()
    params, grads, w, dw = model.params, model.grads, model.layers[1].W, model.layers[1].dW
    change(model)
    assert model.params is params
    assert model.grads is grads
    assert model.layers[1].W is w
    assert model.layers[1].dW is dw
    assert_views(model)
    model.params = small(seed=3).params  # so that training can start from sane weights
    losses = train(model)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["params", "grads"])
def test_a_misshapen_vector_is_refused(name):
    model = small()
    size = model.params.size
    before = getattr(model, name).copy()
    with pytest.raises(ValueError, match=rf"{name} has shape \({size},\), .* has \({size - 1},\)"):
        setattr(model, name, np.ones(size - 1))
    with pytest.raises(ValueError, match=rf"{name} has shape \({size},\), .* has \(\)"):
        setattr(model, name, 0)
    assert np.array_equal(getattr(model, name), before)


def test_a_model_without_parameters_has_empty_vectors_and_runs():
    model = Sequential([Flatten(), Softmax()], input_shape=(2, 2))
    p = model.forward(np.zeros((3, 2, 2)))
    model.backward(np.ones_like(p))
    assert model.params.size == model.grads.size == 0
    assert model.input_gradient(np.ones_like(p)).shape == (3, 2, 2)


# Numbers


def test_forward_and_backward_by_hand():
    first, second = Dense(2), Dense(1)
    model = Sequential([first, ReLU(), second], input_shape=(2,), dtype=np.float64)
    first.W, first.b = [[1, -1], [2, 1]], [0, 1]
    second.W, second.b = [[3], [4]], [5]
    # h = [1*1 + 1*2 + 0, -1*1 + 1*1 + 1] = [3, 1], open;  out = 3*3 + 1*4 + 5 = 18
    # second sample: h = [-3, 0+1 ...]: x = [1, -2] gives [1 - 4, -1 - 2 + 1] = [-3, -2], shut
    assert model.forward([[1, 1], [1, -2]]).tolist() == [[18], [5]]
    model.backward([[1], [10]])
    assert second.dW.tolist() == [[3], [1]]  # only the first sample has h > 0
    assert second.db.tolist() == [11]
    assert first.dW.tolist() == [[3, 4], [3, 4]]  # x.T @ [3, 4] of the first sample
    assert first.db.tolist() == [3, 4]
    assert model.input_gradient([[1], [10]]).tolist() == [[3 - 4, 6 + 4], [0, 0]]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("loss", [CrossEntropy(), SoftmaxCrossEntropy(), MeanSquaredError()])
def test_the_gradient_of_a_small_network_agrees_with_finite_differences_at_every_entry(loss, size):
    model = small(dtype=np.float64)
    train(model, steps=3, loss=loss, x=batch(3, seed=9)[0], y=np.eye(3))  # so that it has a past
    model.params += np.random.default_rng(5).normal(0, 0.3, model.params.size)  # biases too
    x, y = batch(size)
    if isinstance(loss, MeanSquaredError):
        y = np.random.default_rng(1).normal(size=(size, 3))
    here = switches(model, x)

    def f():
        if not np.array_equal(switches(model, x), here):
            return np.nan  # a step over a kink, where there is no derivative to compare with
        return loss.forward(model.forward(x, training=False), y)

    dp = loss.backward(model.forward(x), y)
    model.backward(dp)
    pairs = [(model.input_gradient(dp), numeric_gradient(f, x))]
    for layer in model.layers:
        for key, view in layer.parameters().items():
            pairs.append((getattr(layer, f"d{key}"), numeric_gradient(f, view)))
    assert len(pairs) == 7  # three of W, three of b, and x
    for analytic, numeric in pairs:
        kept = ~np.isnan(numeric)
        assert worst_error(analytic[kept], numeric[kept]) < 1e-6
    skipped = sum(np.isnan(numeric).sum() for _, numeric in pairs)
    assert skipped <= 0.01 * (model.params.size + x.size)


def test_the_gradient_of_the_real_network_agrees_with_finite_differences_along_directions():
    model, loss, h = real_network(Softmax(), dtype=np.float64), CrossEntropy(), 1e-4
    rng = np.random.default_rng(0)
    x, y = rng.uniform(size=(4, 28, 28)), rng.integers(0, 10, 4)
    model.backward(loss.backward(model.forward(x), y))
    gradients = {
        f"{layer.name}.{key}": getattr(layer, f"d{key}").copy()
        for layer in model.layers
        for key in layer.parameters()
    }
    skipped = 0
    for name, array in model.named_parameters().items():
        analytic, numeric, kept = [], [], array.copy()
        for _ in range(4):
            direction = rng.normal(size=array.shape)
            direction /= math.sqrt((direction**2).sum())
            values, opened = [], []
            for step in (h, -h):
                array[...] = kept + step * direction
                values.append(loss.forward(model.forward(x, training=False), y))
                opened.append(switches(model, x))
            array[...] = kept
            if np.array_equal(*opened):
                analytic.append((gradients[name] * direction).sum())
                numeric.append((values[0] - values[1]) / (2 * h))
            else:
                skipped += 1
        assert worst_error(np.array(analytic), np.array(numeric)) < 1e-6, name
    # a direction moves all units at once, so one of the 32 may well meet a kink; not many
    assert skipped <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [np.uint8, np.float32, np.float64, int, bool])
def test_the_models_precision_holds_all_the_way_whatever_x_is(dtype, given):
    model = small(dtype=dtype)
    x = batch()[0].astype(given) if given != np.uint8 else np.ones((8, 2, 3), np.uint8)
    p = model.forward(x)
    dx = model.input_gradient(np.ones(p.shape))
    model.backward(np.ones(p.shape))
    assert {a.dtype for a in (p, dx, model.grads, model.predict(x))} == {np.dtype(dtype)}
    remembered = [v for layer in model.layers for v in vars(layer).values()]
    floats = {v.dtype for v in remembered if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    assert floats == {np.dtype(dtype)}


def test_x_and_dp_are_left_as_they_are():
    model, (x, _) = small(dtype=np.float64), batch()
    dp = np.ones((8, 3))
    x.flags.writeable = dp.flags.writeable = False  # writing to them is an error now
    model.forward(x)
    model.backward(dp)
    model.input_gradient(dp)
    model.predict(x)


def test_the_caller_may_change_what_forward_returns():
    model, (x, y) = small(), batch()
    dp = CrossEntropy().backward(model.forward(x), y)
    model.backward(dp)
    grads = model.grads.copy()
    model.forward(x)[...] = 99
    model.backward(dp)
    assert np.array_equal(model.grads, grads)


# Seeds


@pytest.mark.usefixtures("weights_as_drawn")
def test_weights_are_drawn_from_the_seed_as_the_design_says():
    model = small(seed=7)
    rng = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(0,)))
    for i, shape in ((1, (6, 5)), (3, (5, 4)), (5, (4, 3))):
        W = rng.normal(0, math.sqrt(2 / shape[0]), shape)
        assert np.array_equal(model.layers[i].W, W.astype(np.float32))
        assert not model.layers[i].b.any()


def test_the_seed_alone_decides_the_weights():
    params = small(seed=1).params
    np.random.seed(3)  # noqa: NPY002 - the global state must not matter
    assert np.array_equal(small(seed=1).params, params)
    assert np.array_equal(small(seed=np.int64(1)).params, params)
    assert not np.array_equal(small(seed=2).params, params)


@pytest.mark.usefixtures("weights_as_drawn")
def test_both_precisions_start_as_one_network():
    assert np.array_equal(small().params, small(dtype=np.float64).params.astype(np.float32))
    assert not np.array_equal(small().params, small(dtype=np.float64).params)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None])
def test_a_seed_other_than_a_whole_number_from_0_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        small(seed=seed)


# How far backward goes


def test_backward_stops_at_the_first_layer_with_parameters():
    spy, above = Spy(), Spy()
    model = Sequential([spy, SpyDense(3), above, Dense(2)], input_shape=(4,))
    model.forward(np.ones((5, 4)))
    model.backward(np.ones((5, 2)))
    assert spy.asked == []
    assert above.asked == ["parameter_gradients", "input_gradient"]
    assert model.layers[1].db.any()


def test_input_gradient_goes_back_to_the_input_and_leaves_grads_alone():
    spy = Spy()
    model = Sequential([spy, Dense(3), ReLU(), Dense(2)], input_shape=(4,))
    model.forward(np.ones((5, 4)))
    model.grads = np.arange(model.grads.size)
    model.input_gradient(np.ones((5, 2)))
    assert spy.asked == ["input_gradient"]
    assert model.grads.tolist() == list(range(model.grads.size))


def test_gradients_are_overwritten_by_each_backward():
    model, (x, y) = small(), batch()
    dp = CrossEntropy().backward(model.forward(x), y)
    model.backward(dp)
    once = model.grads.copy()
    model.backward(dp)
    assert np.array_equal(model.grads, once)
    model.grads = np.full(model.grads.size, np.nan)
    model.backward(dp)
    assert np.array_equal(model.grads, once)


# predict


@pytest.mark.parametrize("batch_size", [1, 3, 4, 8, 9, 1024])
def test_predict_in_batches_is_one_pass(batch_size):
    model, (x, _) = small(), batch(8)
    p = model.predict(x, batch_size)
    assert p.shape == (8, 3)
    # BLAS may sum in another order for another number of rows: a few roundings of float32
    assert p == pytest.approx(model.forward(x), rel=1e-6)


def test_predict_of_no_rows_is_no_rows():
    p = small().predict(np.zeros((0, 2, 3)))
    assert p.shape == (0, 3)
    assert p.dtype == np.float32


def test_predict_leaves_a_pending_backward_valid():
    model, (x, y) = small(), batch()
    dp = CrossEntropy().backward(model.forward(x), y)
    model.backward(dp)
    grads = model.grads.copy()
    model.forward(x)
    model.predict(batch(5, seed=4)[0])
    model.forward(batch(3, seed=5)[0], training=False)
    model.backward(dp)
    assert np.array_equal(model.grads, grads)


def test_threads_that_predict_disturb_neither_training_nor_each_other():
    rounds, predictors = 20, 3
    (x, y), others = batch(), [batch(size, seed=size)[0] for size in (3, 5, 8)]
    loss = CrossEntropy()

    def run(meet):
        model, optimizer, grads = small(), SGD(0.1), []
        for _ in range(rounds):
            dp = loss.backward(model.forward(x), y)
            meet(model)  # the others predict now, between forward and backward
            model.backward(dp)
            meet(model)  # they are done before any weight changes
            grads.append(model.grads.copy())
            optimizer.step(model.params, model.grads)
        return grads

    alone_predictions = [[] for _ in others]

    def note(model):
        for predictions, other in zip(alone_predictions, others, strict=True):
            predictions.append(model.predict(other, 2))

    alone = run(note)
    barrier = threading.Barrier(predictors + 1, timeout=30)
    predictions = [[] for _ in others]
    shared = []

    def predict(i):
        for _ in range(rounds):
            barrier.wait()
            for _ in range(5):
                latest = shared[-1].predict(others[i], 2)
            predictions[i].append(latest)
            barrier.wait()

    def meet(model):
        shared.append(model)
        barrier.wait()

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(predictors)]
    for thread in threads:
        thread.start()
    together = run(meet)
    for thread in threads:
        thread.join()
    assert np.array_equal(alone, together)
    for i in range(predictors):
        assert np.array_equal(predictions[i], alone_predictions[i][::2])


# summary, config


def test_summary_prints_each_layer_and_the_total(capsys):
    real_network(Softmax()).summary()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["layer", "output", "shape", "parameters", "multiplications"]
    assert lines[1] == ["input", "(28,", "28)"]
    assert lines[2:-1] == [
        ["0.Flatten", "(784,)", "0", "0"],
        ["1.Dense", "(512,)", "401,920", "401,408"],
        ["2.ReLU", "(512,)", "0", "0"],
        ["3.Dense", "(256,)", "131,328", "131,072"],
        ["4.ReLU", "(256,)", "0", "0"],
        ["5.Dense", "(128,)", "32,896", "32,768"],
        ["6.ReLU", "(128,)", "0", "0"],
        ["7.Dense", "(10,)", "1,290", "1,280"],
        ["8.Softmax", "(10,)", "0", "0"],
    ]
    assert lines[-1] == ["total", "567,434", "566,528"]


def test_summary_keeps_its_columns_apart_for_long_names(capsys):
    class ScaleEveryFeatureByItself(Scale):
        pass

    Sequential([ScaleEveryFeatureByItself()], input_shape=(3,)).summary()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0.ScaleEveryFeatureByItself", "(3,)", "3", "-"] in rows


def test_config_is_json_and_complete():
    model = Sequential(
        [Dense(np.int64(4), glorot_uniform), ReLU(), Dense(2, zeros)], [3], 5, np.float64
    )
    config = model.config()
    assert json.loads(json.dumps(config)) == config
    assert config == {
        "layers": [
            {
                "layer": "Dense",
                "config": {"units": 4, "initializer": {"function": "glorot_uniform"}, "bias": True},
            },
            {"layer": "ReLU", "config": {}},
            {
                "layer": "Dense",
                "config": {"units": 2, "initializer": {"function": "zeros"}, "bias": True},
            },
        ],
        "input_shape": [3],
        "seed": 5,
        "dtype": "float64",
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_from_config_rebuilds_the_same_untrained_model(dtype):
    model = small(seed=4, dtype=dtype)
    initial = model.params.copy()
    train(model, steps=2)
    twin = Sequential.from_config(model.config())
    assert twin.config() == model.config()
    assert twin.params.dtype == dtype
    assert np.array_equal(twin.params, initial)
    assert twin.layers[1].initializer is he_normal


@pytest.mark.usefixtures("weights_as_drawn")
def test_from_config_asks_for_what_it_does_not_know():
    def ones(shape, rng):
        return np.ones(shape)

    config = Sequential([Scale(2.0), Dense(2, ones)], input_shape=(3,)).config()
    with pytest.raises(ValueError, match=r"names 'Scale'.*layers=\[Scale\]"):
        Sequential.from_config(config)
    with pytest.raises(ValueError, match=r"names 'ones'.*layers=\[ones\]"):
        Sequential.from_config(config, layers=[Scale])
    model = Sequential.from_config(config, layers=[Scale, ones])
    assert model.layers[0].factor.tolist() == [2, 2, 2]
    assert model.layers[1].W.tolist() == [[1, 1]] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda config: {},
            "the configuration lacks layers and input_shape and seed and dtype. Give",
        ),
        (lambda config: None, "the configuration must be a dictionary, got None"),
        (json.dumps, r"must be a dictionary, got '{.*If this is its JSON, give json.loads\(...\)"),
        (lambda config: [config], r"the configuration must be a dictionary, got \[{"),
        (lambda config: config["layers"][0], "the configuration lacks layers and input_shape"),
        (lambda config: {**config, "layers": None}, "layers must be a list, got None"),
        (lambda config: {**config, "layers": {}}, "layers must be a list, got {}"),
        (
            lambda config: {**config, "layers": [Dense(2)]},
            r"layers\[0\] must be a dictionary, got De",
        ),
        (lambda config: {**config, "layers": [{"layer": "ReLU"}]}, r"layers\[0\] lacks config"),
        (
            lambda config: {**config, "layers": [{"layer": "ReLU", "config": None}]},
            r"the config of layers\[0\] must be a dictionary, got None",
        ),
    ],
)
def test_what_is_no_configuration_is_refused_with_what_it_lacks(change, said):
    config = Sequential([Dense(2)], input_shape=(3,)).config()
    with pytest.raises(InputError, match=f"from_config: .*{said}"):
        Sequential.from_config(change(config))


def test_a_configuration_that_json_cannot_hold_names_the_layer():
    model = Sequential([ReLU(), Scale(np.float32(1))], input_shape=(2,))
    assert model.config()["layers"][1]["config"] == {"start": 1.0}
    vars(model.layers[1])["start"] = {1, 2}
    with pytest.raises(ValueError, match=r"1\.Scale: .* cannot be written to a file"):
        model.config()


def test_repr_shows_how_the_model_was_made():
    assert repr(Sequential([ReLU()], input_shape=(2,), seed=3)) == (
        "Sequential([ReLU()], input_shape=(2,), seed=3)"
    )


# A learner's own layer


def own():
    return Sequential([Scale(0.5), Dense(3), Softmax()], input_shape=(4,))


def test_a_layer_of_ones_own_trains():
    model, (x, y) = own(), batch(shape=(4,))
    losses = train(model, x=x, y=y)
    assert losses[-1] < 0.9 * losses[0]
    assert (model.layers[0].factor != 0.5).all()
    assert_views(model)


def test_a_layer_of_ones_own_is_saved_and_loaded(tmp_path):
    model, (x, y) = own(), batch(shape=(4,))
    train(model, x=x, y=y)
    save_model(model, tmp_path / "own.npz")
    twin = load_model(tmp_path / "own.npz", layers=(Scale,))
    assert_views(twin)
    assert twin.layers[0].start == 0.5
    assert np.array_equal(twin.layers[0].factor, model.layers[0].factor)
    assert np.array_equal(twin.predict(x), model.predict(x))


def test_the_gradients_of_a_layer_of_ones_own_are_checked():
    x, y = batch(shape=(4,))
    report = check_gradients(own(), CrossEntropy(), x, y)
    assert report.ok
    assert [row.name for row in report.rows] == [
        "loss.p",
        "2.Softmax.x",
        "1.Dense.W",
        "1.Dense.b",
        "1.Dense.x",
        "0.Scale.factor",
        "0.Scale.x",
    ]
    # and here by the test's own differences
    model, loss = own().astype(np.float64), CrossEntropy()
    model.backward(loss.backward(model.forward(x), y))
    numeric = numeric_gradient(lambda: loss.forward(model.forward(x), y), model.layers[0].factor)
    model.backward(loss.backward(model.forward(x), y))
    assert worst_error(model.layers[0].dfactor, numeric) < 1e-6


# Errors


def fits_nothing(shape, rng):
    return np.zeros((1, 1))


FAILURES = {
    "a misfit": (
        lambda layers: Sequential(layers, (2, 2)),
        r"0\.Dense gets samples of shape \(2, 2\)",
    ),
    "no layer": (lambda layers: Sequential([*layers, ReLU], (3,)), r"Write ReLU\(\)\."),
    "no shape": (
        lambda layers: Sequential(layers, 3),
        "input_shape must be the shape of one sample",
    ),
    "no precision": (
        lambda layers: Sequential(layers, (3,), dtype=np.float16),
        "dtype must be float32 or float64",
    ),
    "no seed": (lambda layers: Sequential(layers, (3,), seed=-1), "seed|non-negative"),
    "no weights": (
        lambda layers: Sequential([*layers, Dense(2, initializer=fits_nothing)], (3,)),
        r"2\.Dense was asked for shape \(3, 2\), but returned shape \(1, 1\)",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_layers_can_be_used_again_after_a_failed_construction(failure):
    build, text = FAILURES[failure]
    layers = [Dense(3), ReLU()]
    with pytest.raises(ValueError, match=text):
        build(layers)
    model = Sequential(layers, input_shape=(3,), seed=1)
    fresh = Sequential([Dense(3), ReLU()], input_shape=(3,), seed=1)
    assert np.array_equal(model.params, fresh.params)
    assert_views(model)


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ([], "needs one layer or more, got none"),
        ([Dense(2), None], r"layers\[1\] is not a layer, got None\."),
        ([[Dense(2)]], r"layers\[0\] is not a layer, got \["),
        ([Dense], r"layers\[0\] is not a layer, got <class .*>\. Write Dense\(\)\."),
        ([relu := ReLU(), Dense(2), relu], r"layers\[0\] and layers\[2\] are the same ReLU object"),
        (small().layers, r"layers\[0\] is part of another model already \(as 0\.Flatten\)"),
        ([Flatten(), small().layers[3]], r"layers\[1\] is part of another .*\(as 3\.Dense\)"),
        (Dense(2), "layers"),
    ],
)
def test_layers_that_cannot_make_a_model_are_refused(layers, text):
    with pytest.raises(ValueError, match=text):
        Sequential(layers, input_shape=(2,))


@pytest.mark.parametrize("shape", [5, (2, 0), (-1,), (2.0,), "ab", None, (True,), ("2",)])
def test_an_invalid_input_shape_is_refused(shape):
    with pytest.raises(ValueError) as error:
        Sequential([ReLU()], input_shape=shape)
    assert f"such as (28, 28) or (2,), got {shape!r}." in str(error.value)


@pytest.mark.parametrize("method", ["output_shape", "parameter_shapes", "buffer_shapes"])
def test_a_layer_whose_shape_holds_true_is_refused(method):
    class Own(ReLU):
        pass

    shape = (True,) if method == "output_shape" else {"w": (3, True)}
    setattr(Own, method, lambda self, input_shape: shape)
    with pytest.raises(InputError, match=rf"0\.Own\.{method} returned .*True"):
        Sequential([Own()], input_shape=(3,))


@pytest.mark.parametrize("shape", [[2, 3], (np.int64(2), 3), np.zeros((9, 2, 3)).shape[1:]])
def test_an_input_shape_may_be_a_list_or_of_numpy_integers(shape):
    model = Sequential([Flatten(), Dense(1)], input_shape=shape)
    assert model.input_shape == (2, 3)
    assert repr(model.input_shape) == "(2, 3)"


@pytest.mark.parametrize("dtype", [np.float16, int, complex, ">f4"])
def test_a_dtype_other_than_the_two_is_refused(dtype):
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got "):
        Sequential([ReLU()], input_shape=(2,), dtype=dtype)
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got "):
        small().astype(dtype)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((2, 3)), "expects a batch (B, 2, 3), got one sample (2, 3). Write model."),
        (
            np.zeros((5, 6)),
            "x has samples of (6,). Are these flat? Write np.reshape(x, (-1, 2, 3))",
        ),
        (np.zeros((5, 3, 2)), "x has samples of (3, 2)"),
        (np.zeros((5, 2, 3, 1)), "x has samples of (2, 3, 1)"),
        (1.0, "x has samples of ()"),
        (np.full((5, 2, 3), "a"), "{} expects numbers, got an array of <U1."),
        (np.full((5, 2, 3), None), "{} expects numbers, got an array of object."),
        (np.ones((5, 2, 3), complex), "{} expects numbers, got an array of complex128."),
    ],
)
@pytest.mark.parametrize("method", ["forward", "predict"])
def test_a_batch_that_does_not_fit_is_refused_by_name(method, x, text):
    model = small()
    with pytest.raises(ValueError) as error:
        getattr(model, method)(x)
    assert text.format(method) in str(error.value)


def test_a_refused_batch_leaves_a_pending_backward_valid():
    model, (x, y) = small(), batch()
    dp = CrossEntropy().backward(model.forward(x), y)
    model.backward(dp)
    grads = model.grads.copy()
    with pytest.raises(ValueError, match="x has 7 columns"):
        model.forward(np.zeros((5, 7)))
    model.backward(dp)
    assert np.array_equal(model.grads, grads)


def test_the_remedy_for_one_sample_works():
    model = small()
    x = np.ones((2, 3))
    assert model.predict(np.asarray(x)[None])[0].shape == (3,)
    with pytest.raises(ValueError, match=r"Write model\.predict\(np\.asarray\(x\)\[None\]\)\[0\]"):
        model.predict(x)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, True])
def test_an_invalid_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be a whole .*got {batch_size}"):
        small().predict(np.zeros((4, 2, 3)), batch_size)


@pytest.mark.parametrize("method", ["backward", "input_gradient"])
def test_a_gradient_before_any_forward_is_refused(method):
    model = small()
    model.predict(np.zeros((4, 2, 3)))  # which remembers nothing
    with pytest.raises(ValueError) as error:
        getattr(model, method)(np.zeros((4, 3)))
    assert str(error.value).startswith(f"{method} was called before forward(x), but it needs")


@pytest.mark.parametrize("method", ["backward", "input_gradient"])
@pytest.mark.parametrize("shape", [(), (3,), (4,), (1, 3), (4, 1), (3, 4), (8, 3), (4, 3, 1)])
def test_a_gradient_that_does_not_fit_is_refused_and_changes_nothing(method, shape):
    model = small()
    model.forward(np.zeros((8, 2, 3)))
    model.forward(np.zeros((4, 2, 3)))
    model.grads = np.arange(model.grads.size)
    with pytest.raises(ValueError) as error:
        getattr(model, method)(np.zeros(shape))
    assert str(error.value) == (
        f"{method}: forward returned an array of shape (4, 3), so its gradient has that shape "
        f"too, but dp is {shape}."
    )
    assert model.grads.tolist() == list(range(model.grads.size))


def test_predict_never_broadcasts_what_a_layer_returns():
    class Total(Layer):  # forgets to say its output_shape, (1,)
        def forward(self, x, training=True):
            return x.sum(axis=1, keepdims=True)

        def input_gradient(self, dout):
            return dout

    model = Sequential([Total()], input_shape=(3,))
    with pytest.raises(ValueError, match=r"0\.Total"):
        model.predict(np.ones((2, 3)))


def test_layers_may_be_any_iterable():
    model = Sequential((Dense(units) for units in (4, 2)), input_shape=(3,))
    assert [layer.name for layer in model.layers] == ["0.Dense", "1.Dense"]
    assert model.params.size == 3 * 4 + 4 + 4 * 2 + 2
