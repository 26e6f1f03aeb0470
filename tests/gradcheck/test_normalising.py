"""Protects the patterns of layers that normalise: each usual mistake is planted, and named."""

import numpy as np
import pytest

from tinynn import (
    BatchNorm,
    CrossEntropy,
    Dense,
    Flatten,
    LayerNorm,
    ReLU,
    Sequential,
    Softmax,
    check_gradients,
)


def images(norm):
    """A network with the layer on images: two places of two channels."""
    layers = [norm(), ReLU(), Flatten(), Dense(3), Softmax()]
    return Sequential(layers, input_shape=(1, 2, 2), seed=1)


def flat(norm):
    layers = [Dense(4), norm(), ReLU(), Dense(3), Softmax()]
    return Sequential(layers, input_shape=(4,), seed=1)


def checked(build, norm):
    model = build(norm)
    rng = np.random.default_rng(0)
    model.params += rng.normal(0, 0.2, model.params.size)
    x = rng.normal(2, 3, size=(5, *model.input_shape))
    return check_gradients(model, CrossEntropy(), x, np.arange(5) % 3)


def normalised(layer, dout):
    if isinstance(layer, LayerNorm):
        return layer.normalised
    return (layer.centred.reshape(dout.shape) - layer.rest) / layer.std


def mistakes(base):
    axes = -1 if base is LayerNorm else None

    class Constant(base):
        def input_gradient(self, dout):
            return dout * self.gamma / self.std

    class ConstantMean(base):
        def input_gradient(self, dout):
            g, n = dout * self.gamma, normalised(self, dout)
            over = axes if axes is not None else tuple(range(dout.ndim - 1))
            return (g - n * (g * n).mean(axis=over, keepdims=True)) / self.std

    class ConstantVariance(base):
        def input_gradient(self, dout):
            g = dout * self.gamma
            over = axes if axes is not None else tuple(range(dout.ndim - 1))
            return (g - g.mean(axis=over, keepdims=True)) / self.std

    class Means(base):
        def parameter_gradients(self, dout):
            over = tuple(range(dout.ndim - 1))
            self.dgamma = (dout * normalised(self, dout)).mean(axis=over)
            self.dbeta = dout.mean(axis=over)

    class WithX(base):
        def forward(self, x, training=True):
            if training:
                self.x = x
            return super().forward(x, training)

        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.dgamma = (dout * self.x).sum(axis=tuple(range(dout.ndim - 1)))

    return {
        Constant: ["x", "if the mean and the variance were constant, but depend on each x"],
        ConstantMean: ["x", "if the mean were constant, but depends on each x"],
        ConstantVariance: ["x", "if the variance were constant, but depends on each x"],
        Means: ["gamma", "It is a mean, and should be a sum: gamma"],
        WithX: ["gamma", "It is computed with x instead of the normalised x"],
    }


CASES = [
    pytest.param(build, kind, *said, id=f"{build.__name__}-{base.__name__}-{kind.__name__}")
    for base in (BatchNorm, LayerNorm)
    for build in (flat, images)
    for kind, said in mistakes(base).items()
    if not (build is images and base is LayerNorm)  # a row of two numbers has no gradient
]


@pytest.mark.slow
@pytest.mark.parametrize(("build", "kind", "key", "said"), CASES)
def test_a_usual_mistake_is_named(build, kind, key, said):
    report = checked(build, kind)
    assert not report.ok
    assert report.culprit.name.endswith(f"{kind.__name__}.{key}")
    assert said in report.diagnosis
    if kind.__name__ == "Means":
        assert "It is a mean, and should be a sum: beta" in report.diagnosis


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("base", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("build", [flat, images])
def test_the_right_layer_passes(build, base):
    report = checked(build, base)
    assert report.ok, report


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("wrong", [True, False])
@pytest.mark.parametrize("build", [flat, images])
def test_a_frozen_layer_with_the_backward_of_batch_statistics_is_named(build, wrong):
    class AsUsual(BatchNorm):
        def input_gradient(self, dout):
            self.of_batch = self.of_batch or wrong
            return super().input_gradient(dout)

    model = build(AsUsual)
    layer = next(layer for layer in model.layers if isinstance(layer, AsUsual))
    rng = np.random.default_rng(0)
    layer.gamma, layer.running_var = rng.uniform(1, 2, (2, len(layer.gamma)))
    layer.running_mean, layer.beta = rng.normal(size=(2, len(layer.gamma)))
    layer.trainable = False
    x = rng.normal(2, 3, size=(5, *model.input_shape))
    report = check_gradients(model, CrossEntropy(), x, np.arange(5) % 3)
    assert report.ok is not wrong, report
    assert ("running statistics of a frozen BatchNorm" in report.diagnosis) is wrong


def test_a_wrong_dense_is_not_taken_for_a_layer_that_normalises():
    class MeanOfDb(Dense):
        def parameter_gradients(self, dout):
            super().parameter_gradients(dout)
            self.db = dout.mean(axis=0)

    model = Sequential([MeanOfDb(3), Softmax()], input_shape=(3,), seed=1)
    x = np.random.default_rng(0).normal(size=(5, 3))
    said = check_gradients(model, CrossEntropy(), x, np.arange(5) % 3).diagnosis
    assert "Too small by the factor 5, the batch size." in said
