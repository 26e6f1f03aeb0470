"""Protects BatchNorm and LayerNorm: PyTorch's numbers, extreme inputs, and what fit refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import H, numeric_gradient, worst_error
from tinynn import (
    SGD,
    Adam,
    BatchNorm,
    Checkpoint,
    CrossEntropy,
    Dense,
    EarlyStopping,
    InputError,
    LayerNorm,
    MeanSquaredError,
    ReLU,
    Sequential,
    Softmax,
    Trainer,
    TrainingDiverged,
    check_gradients,
    compare_models,
    explain_step,
    load_model,
    save_model,
)
from tinynn.layers import normalisation
from tinynn.layers.normalisation import channel_sums

PATH = Path(__file__).parents[1] / "references/normalisation.json"
CASES = json.loads(PATH.read_text(encoding="utf-8"))
KINDS = {"BatchNorm": BatchNorm, "LayerNorm": LayerNorm}


def built(layer, shape, dtype=np.float64, gamma=None, beta=None):
    Sequential([layer], input_shape=shape, dtype=dtype)
    if gamma is not None:
        layer.gamma, layer.beta = gamma, beta
    return layer


def agree(ours, theirs):
    return np.allclose(ours, theirs, rtol=1e-10, atol=1e-12)


# PyTorch


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_pytorch(name):
    case = CASES[name]
    x = np.array(case["steps"][0]["x"])
    layer = built(KINDS[case["layer"]](**case["arguments"]), x.shape[1:])
    layer.gamma, layer.beta = case["gamma"], case["beta"]
    for i, step in enumerate(case["steps"]):
        layer.trainable = not (case["frozen"] and i == len(case["steps"]) - 1)
        assert agree(layer.forward(np.array(step["x"])), step["out"])
        assert agree(layer.backward(np.array(step["dout"])), step["dx"])
        for key in step.keys() - {"x", "dout", "out", "dx"}:
            assert agree(getattr(layer, key), step[key]), key
    assert agree(layer.forward(x, training=False), case["predicted"])


# By hand, and by finite differences


def test_batch_norm_by_hand():
    layer = built(BatchNorm(momentum=0.5, epsilon=1e-12), (1,), gamma=[2], beta=[1])
    out = layer.forward(np.array([[1.0], [3.0]]))  # mean 2, var 1; out = 2 (x - 2) + 1
    assert out == pytest.approx(np.array([[-1.0], [3.0]]))
    # 0.5 * 0 + 0.5 * 2, and 0.5 * 1 + 0.5 * 1 * 2 / (2 - 1)
    assert (layer.running_mean, layer.running_var) == (pytest.approx([1]), pytest.approx([1.5]))
    layer.backward(np.array([[5.0], [7.0]]))
    assert (layer.dgamma, layer.dbeta) == (pytest.approx([-5 + 7]), pytest.approx([12]))


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("shape", [(4, 3), (2, 2, 3, 2), (1, 3, 2)])
def test_backward_agrees_with_finite_differences(kind, shape, trainable):
    rng = np.random.default_rng(0)
    layer = built(kind(), shape[1:], gamma=rng.normal(size=shape[-1]), beta=[1.0] * shape[-1])
    layer.forward(rng.normal(1, 2, shape))  # for running statistics that are not 0 and 1
    layer.trainable = trainable
    x, dout = rng.normal(size=shape), rng.normal(size=shape)

    def f():
        return float((layer.forward(x) * dout).sum())

    f()
    dx = layer.backward(dout)
    assert worst_error(dx, numeric_gradient(f, x, H), 1e-4) < 1e-6
    for key, view in layer.parameters().items():
        gradient = getattr(layer, f"d{key}")
        assert worst_error(gradient, numeric_gradient(f, view, H), 1e-4) < 1e-6, key


def test_frozen_it_uses_running_statistics_and_leaves_them():
    layer = built(BatchNorm(), (3,))
    x = np.random.default_rng(0).normal(5, 2, (8, 3))
    layer.forward(x)
    layer.trainable = False
    before = layer.running_mean.copy(), layer.running_var.copy()
    assert np.array_equal(layer.forward(x), layer.forward(x, training=False))
    assert np.array_equal(layer.forward(x[:1]), layer.forward(x[:1], training=False))
    assert np.array_equal(before, (layer.running_mean, layer.running_var))


def test_an_empty_batch_leaves_running_statistics():
    layer = built(BatchNorm(), (2, 3))
    assert layer.forward(np.zeros((0, 2, 3))).shape == (0, 2, 3)
    assert layer.backward(np.zeros((0, 2, 3))).shape == (0, 2, 3)
    assert (layer.running_mean.tolist(), layer.running_var.tolist()) == ([0] * 3, [1] * 3)


# Extreme inputs


def exact(x, axes, epsilon=1e-5):
    x = x.astype(np.float64)
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(np.square(x - mean).mean(axis=axes, keepdims=True) + epsilon)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from([(2, 3), (64, 5), (3, 4, 5, 2), (1, 7, 3)]),
    scale=st.sampled_from([1e-15, 1e-3, 1.0, 1e5, 1e15]),
    mean=st.sampled_from([0.0, 30.0, 1e5]),
    kind=st.sampled_from([BatchNorm, LayerNorm]),
    seed=st.integers(0, 99),
)
def test_any_scale_is_normalised_in_float32(shape, scale, mean, kind, seed):
    x = np.random.default_rng(seed).normal(mean * scale, scale, shape).astype(np.float32)
    layer = built(kind(), shape[1:], np.float32)
    axes = tuple(range(len(shape) - 1)) if kind is BatchNorm else (-1,)
    out = layer.forward(x)
    assert out.dtype == np.float32
    assert np.abs(out - exact(x, axes)).max() < 2e-5
    dx = layer.backward(np.ones_like(out))
    assert dx.dtype == np.float32
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("shape", [(64, 3), (8, 28, 28, 3)])
def test_a_mean_of_10000_with_a_deviation_of_a_tenth_is_normalised_in_float32(shape):
    x = np.random.default_rng(0).normal(1e4, 0.1, shape).astype(np.float32)
    layer = built(BatchNorm(), shape[1:], np.float32)
    assert np.abs(layer.forward(x) - exact(x, tuple(range(x.ndim - 1)))).max() < 1e-5


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("value", [0, 1 / 3, -1e6])
def test_constant_numbers_give_beta(kind, value):
    layer = built(kind(), (3,), np.float32, gamma=[1, 2, 3], beta=[4, 5, 6])
    out = layer.forward(np.full((5, 3), value, np.float32))
    assert np.array_equal(out, np.tile([4, 5, 6], (5, 1)))
    assert np.isfinite(layer.backward(np.ones_like(out))).all()


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
def test_numpy_numbers_as_arguments_keep_float32(kind):
    layer = built(kind(epsilon=np.float64(1e-5)), (3,), np.float32)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    for layer.trainable in (True, False):
        assert layer.forward(x).dtype == layer.backward(x).dtype == np.float32


# What is refused


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4)])
def test_one_number_for_each_channel_is_refused_in_training_only(shape):
    model = Sequential([BatchNorm()], input_shape=shape)
    x = np.ones((1, *shape))
    with pytest.raises(InputError, match=r"0\.BatchNorm gets a batch of shape \(1, .*no variance"):
        model.forward(x)
    assert not model.buffers[:4].any()
    assert model.predict(x).shape == x.shape
    model.layers[0].trainable = False
    assert model.forward(x).shape == x.shape


def test_images_of_several_places_need_one_sample():
    model = Sequential([BatchNorm()], input_shape=(2, 2, 4))
    assert model.layers[0].least_samples() == 1
    assert model.forward(np.ones((1, 2, 2, 4))).shape == (1, 2, 2, 4)


def trainer(*layers):
    model = Sequential([*layers, Dense(3), Softmax()], input_shape=(4,), seed=1)
    return Trainer(model, CrossEntropy(), Adam(0.01))


def data(n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)).astype(np.float32), np.arange(n) % 3


def test_a_last_batch_of_one_sample_is_refused_before_the_first_step():
    one = trainer(Dense(5), BatchNorm(), ReLU())
    before = one.model.params.copy()
    with pytest.raises(InputError) as error:
        one.fit(*data(65), epochs=1)
    assert str(error.value) == (
        "1.BatchNorm needs 2 samples or more in each training batch, but 65 samples in batches of "
        "32 leave 1 for the last one. Write batch_size=31, or leave 1 out: x[:64], y[:64]."
    )
    assert np.array_equal(one.model.params, before)
    one.fit(*data(65), epochs=1, batch_size=31)
    one.fit(*data(64), epochs=1)


def test_batches_of_one_sample_and_a_single_sample_are_refused():
    with pytest.raises(InputError, match=r"but batch_size is 1\. Write batch_size=2\."):
        trainer(BatchNorm()).fit(*data(6), epochs=1, batch_size=1)
    with pytest.raises(InputError, match=r"but x has 1 in all"):
        trainer(BatchNorm()).fit(*data(1), epochs=1)


def test_a_frozen_batch_norm_and_a_layer_norm_take_one_sample():
    frozen = BatchNorm()
    frozen.trainable = False
    x, y = data(65)
    history = trainer(frozen).fit(x / 10, y, epochs=1)
    assert np.isfinite(history["loss"]).all()
    one = trainer(Dense(4), LayerNorm(), Dense(2))
    one.fit(x[:3] / 10, y[:3], epochs=1, batch_size=1)
    assert one.step == 3


def test_a_layer_of_ones_own_says_how_many_samples_it_needs():
    class Pairs(ReLU):
        def least_samples(self):
            return 5

    with pytest.raises(InputError, match=r"Pairs needs 5 samples .* Write batch_size=7, or"):
        trainer(Pairs()).fit(*data(28), epochs=1, batch_size=8)
    trainer(Pairs()).fit(*data(28), epochs=1, batch_size=7)

    class Wrong(ReLU):
        def least_samples(self):
            return "two"

    with pytest.raises(InputError, match=r"0\.Wrong\.least_samples\(\) must be a whole number"):
        trainer(Wrong()).fit(*data(28), epochs=1)


@pytest.mark.parametrize(("kind", "shape"), [(BatchNorm, ()), (LayerNorm, ()), (LayerNorm, (1,))])
def test_samples_without_numbers_to_normalise_are_refused(kind, shape):
    with pytest.raises(InputError, match=rf"0\.{kind.__name__} gets samples of shape"):
        Sequential([kind()], input_shape=shape)


@pytest.mark.parametrize(
    ("arguments", "said"), [({"momentum": 1}, "momentum"), ({"epsilon": 0}, "epsilon")]
)
def test_arguments_out_of_range_are_refused(arguments, said):
    with pytest.raises(InputError, match=said):
        BatchNorm(**arguments)


# Together with the rest


def test_files_and_comparisons_keep_the_running_statistics(tmp_path):
    one = trainer(Dense(5), BatchNorm(), ReLU())
    one.fit(*data(60), epochs=2, callbacks=[EarlyStopping(monitor="loss")])
    save_model(one.model, tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.layers[1].running_var.any()
    assert compare_models(one.model, loaded).identical
    loaded.layers[1].running_var[2] += 1
    assert "1.BatchNorm.running_var: 1 of 5 values" in str(compare_models(one.model, loaded))


def test_a_resumed_training_ends_with_the_same_running_statistics(tmp_path):
    path, ends = tmp_path / "run.npz", []
    for epochs in (2, 4):
        one = trainer(Dense(5), BatchNorm(), ReLU())
        one.fit(*data(60), epochs=epochs, callbacks=[Checkpoint(path, if_exists="replace")])
        ends.append(one.model.buffers.tobytes())
        if epochs == 2:
            path.rename(tmp_path / "half.npz")
    resumed = trainer(Dense(5), BatchNorm(), ReLU())
    resumed.fit(
        *data(60), epochs=4, resume_from=tmp_path / "half.npz",
        callbacks=[Checkpoint(tmp_path / "half.npz")],
    )  # fmt: skip
    assert ends[0] != ends[1] == resumed.model.buffers.tobytes()


def test_a_variance_that_overflows_ends_the_training_with_its_name():
    """The output is beta then, and looks harmless."""
    model = Sequential([BatchNorm(), Dense(1)], input_shape=(4,))
    x = data(60)[0] * np.float32(1e25)
    with pytest.raises(TrainingDiverged, match=r"0\.BatchNorm\.running_var"):
        Trainer(model, MeanSquaredError(), SGD(0.01)).fit(x, np.ones((60, 1)), 2)


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("shift", [0, 30, 1e3, 1e4])
@pytest.mark.parametrize("norm", [BatchNorm, LayerNorm])
def test_a_bias_before_a_norm_has_a_gradient_of_rounding_that_is_not_called_wrong(norm, shift):
    """Its true gradient is 0 for BatchNorm: relative errors mean nothing there."""
    layers = [Dense(5), norm(), ReLU(), Dense(4), norm(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,), seed=2)
    x, y = data(9)
    report = check_gradients(model, CrossEntropy(), x + shift, y)
    assert report.ok, report


def test_explain_step_shows_the_equations():
    layers = [Dense(2), BatchNorm(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(4,), seed=2)
    page = str(explain_step(model, CrossEntropy(), SGD(0.1), *data(4)))
    assert "out = gamma (x - mean) / std + beta" in page
    assert "BatchNorm: dgamma = sum(dout normalised), dbeta = sum(dout)" in page


# Backward shares its sums


class Clipped(BatchNorm):
    """A subclass that gives input_gradient another dout than parameter_gradients gets."""

    def input_gradient(self, dout):
        return super().input_gradient(np.clip(dout, -0.1, 0.1))


@pytest.mark.parametrize("kind", [BatchNorm, Clipped])
def test_backward_is_its_two_halves_also_in_a_subclass_and_with_one_array_for_each_dout(kind):
    rng = np.random.default_rng(0)
    layer, alone = (built(kind(), (3, 2), gamma=[2, 3], beta=[0, 0]) for _ in range(2))
    dout = np.empty((4, 3, 2))
    for _ in range(2):  # the second time, x and the numbers of dout are others
        x, dout[:] = rng.normal(size=(2, *dout.shape))
        layer.forward(x), alone.forward(x)
        alone.parameter_gradients(dout)
        assert np.array_equal(layer.backward(dout), alone.input_gradient(dout))
        assert np.array_equal([layer.dgamma, layer.dbeta], [alone.dgamma, alone.dbeta])
        dout *= 2
        assert np.array_equal(layer.input_gradient(dout), alone.input_gradient(dout))


def test_backward_takes_each_sum_once(monkeypatch):
    layer, taken = built(BatchNorm(), (3,)), []

    def counted(rows, factor, channels):
        taken.append(factor is None)
        return channel_sums(rows, factor, channels)

    layer.forward(np.eye(4, 3))
    monkeypatch.setattr(normalisation, "channel_sums", counted)
    layer.backward(np.eye(4, 3))
    assert sorted(taken) == [False, True]
