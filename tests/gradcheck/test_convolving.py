"""Protects the patterns of convolution and pooling: each usual mistake is planted, and named."""

import numpy as np
import pytest

from tinynn import (
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    InputError,
    Layer,
    MaxPool2D,
    ReLU,
    Sequential,
    Softmax,
    check_gradients,
)
from tinynn.layers.windows import framed, taps


class OwnConv(Layer):
    """A convolution of a user's own, written plainly, with padding 1 and stride 2 by default."""

    stride, padding = 2, 1

    def __init__(self, filters):
        self.filters = filters

    def frame(self):
        return ((self.padding, self.padding), (self.padding, self.padding))

    def output_shape(self, input_shape):
        P, Q = ((n + 2 * self.padding - 3) // self.stride + 1 for n in input_shape[:2])
        return P, Q, self.filters

    def parameter_shapes(self, input_shape):
        return {"W": (3, 3, input_shape[-1], self.filters), "b": (self.filters,)}

    def initialize(self, rng):
        self.W, self.b = rng.normal(size=self.W.shape) / 3, rng.normal(size=self.b.shape)

    def forward(self, x, training=True):
        each = [*taps(framed(x, self.frame()), 3, self.stride)]
        if training:
            self.taps, self.x_shape = each, x.shape
        kernels = self.W.reshape(9, *self.W.shape[2:])
        return sum(tap @ kernel for tap, kernel in zip(each, kernels, strict=True)) + self.b

    def parameter_gradients(self, dout):
        each = [np.einsum("npqc,npqf->cf", tap, dout) for tap in self.taps]
        self.dW = np.reshape(each, self.W.shape)
        self.db = self.of_bias(dout)

    def of_bias(self, dout):
        return dout.sum(axis=(0, 1, 2))

    def spread(self, dout, W, stride):
        """dx with its frame."""
        B, H, Width, C = self.x_shape
        dx = np.zeros((B, H + 2 * self.padding, Width + 2 * self.padding, C))
        for i in range(3):
            for j in range(3):
                rows, columns = i + stride * dout.shape[1], j + stride * dout.shape[2]
                dx[:, i:rows:stride, j:columns:stride] += dout @ W[i, j].T
        return dx

    def input_gradient(self, dout):
        _, H, W, _ = self.x_shape
        p = self.padding
        return self.spread(dout, self.W, self.stride)[:, p : p + H, p : p + W]


class NotTurned(OwnConv):
    def input_gradient(self, dout):
        _, H, W, _ = self.x_shape
        return self.spread(dout, self.W[::-1, ::-1], self.stride)[:, 1 : 1 + H, 1 : 1 + W]


class PaddingKept(OwnConv):
    def input_gradient(self, dout):
        _, H, W, _ = self.x_shape
        return self.spread(dout, self.W, self.stride)[:, :H, :W]


class StrideForgotten(OwnConv):
    def input_gradient(self, dout):
        _, H, W, _ = self.x_shape
        return self.spread(dout, self.W, 1)[:, 1 : 1 + H, 1 : 1 + W]


class BiasMean(OwnConv):
    def of_bias(self, dout):
        return dout.sum(axis=0).mean(axis=(0, 1))


class BiasOnePlace(OwnConv):
    def of_bias(self, dout):
        return dout.sum(axis=0)[0, 0]


class BiasOverBatch(OwnConv):
    def of_bias(self, dout):
        return dout.sum(axis=0)


class OwnPool(MaxPool2D):
    """Right, but without a kink_mask, as a user may write it."""

    def kink_mask(self, x):
        return None


class ToAll(MaxPool2D):
    def forward(self, x, training=True):
        self.x, self.out = x, super().forward(x, training)
        return self.out.copy()

    def input_gradient(self, dout):
        dx = np.zeros_like(self.x)
        each = zip(*(taps(a, self.size, self.strides) for a in (self.x, dx)), strict=True)
        for tap, of_tap in each:
            of_tap += dout * (tap == self.out)
        return dx


class ToAllWithoutMask(ToAll):
    def kink_mask(self, x):
        return None


@pytest.fixture(params=[pytest.param("entries", marks=pytest.mark.slow), "directions"])
def probes(request, monkeypatch):
    """Check every entry; then, as if the network were large, directions."""
    if request.param == "directions":
        monkeypatch.setattr("tinynn.gradcheck.rows.LARGE", 0)


def checked(layer, x=None):
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 1)) if x is None else x
    layers = [layer, Flatten(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=x.shape[1:], seed=1)
    return check_gradients(model, CrossEntropy(), x, np.arange(len(x)) % 3)


MISTAKES = [
    (NotTurned, "x", "It would be right with the kernel turned by 180 degrees"),
    (PaddingKept, "x", "It has the gradient of the padding in it"),
    (StrideForgotten, "x", "The stride is forgotten: windows stand 2 x 2 pixels apart"),
    (BiasMean, "b", "It is summed over the batch, but not over the 3 x 2 places"),
    (BiasOnePlace, "b", "It is summed over the batch, but not over the 3 x 2 places"),
]


@pytest.mark.first_cases(1)
@pytest.mark.parametrize(("wrong", "key", "said"), MISTAKES)
@pytest.mark.usefixtures("probes")
def test_the_mistake_of_a_convolution_is_named(wrong, key, said):
    report = checked(wrong(2))
    assert report.culprit.name == f"0.{wrong.__name__}.{key}", report
    assert f"PATTERN  {said}" in report.diagnosis, report


@pytest.mark.usefixtures("probes")
@pytest.mark.parametrize("layer", [OwnConv, lambda f: Conv2D(f, 3, 2, 1)], ids=["own", "tinynn"])
def test_a_right_convolution_is_right(layer):
    assert checked(layer(2)).ok


def test_a_bias_gradient_with_places_is_refused_at_once():
    with pytest.raises(InputError, match=r"db.*\(2,\).*\(3, 2, 2\)"):
        checked(BiasOverBatch(2))


def tied(channels=1):
    """Images of whole numbers from 0 to 2: windows in which several are the largest are many."""
    return np.random.default_rng(0).integers(0, 3, (2, 5, 4, channels)).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool", "size", "stride"),
    [(ToAll, 2, None), (ToAllWithoutMask, 3, 1), (ToAllWithoutMask, (2, 3), 2)],
)
def test_a_maximum_that_gives_its_gradient_to_all_is_named(pool, size, stride):
    report = checked(pool(size, stride), tied())
    assert report.culprit.name == f"0.{pool.__name__}.x", report
    assert "PATTERN  Where several numbers of a window are the largest" in report.diagnosis, report


@pytest.mark.slow
def test_a_maximum_that_gives_its_gradient_to_all_is_found_along_directions(monkeypatch):
    monkeypatch.setattr("tinynn.gradcheck.rows.LARGE", 0)
    report = checked(ToAll(2), tied(channels=2))
    assert report.culprit.name == "0.ToAll.x", report


@pytest.mark.first_cases(1)
@pytest.mark.usefixtures("probes")
@pytest.mark.parametrize("pool", [MaxPool2D, OwnPool])
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 1)])
def test_ties_do_not_accuse_a_right_maximum(pool, size, stride):
    report = checked(pool(size, stride), tied(channels=2))
    assert report.ok, report
    assert not report.noisy, report


@pytest.mark.slow
@pytest.mark.usefixtures("probes")
def test_zeros_of_relu_and_equal_windows_do_not_accuse_a_right_network():
    x = np.zeros((1, 6, 4, 1))
    x[:, 3:5, 1:3] = np.random.default_rng(0).random((1, 2, 2, 1))  # a thing before a black ground
    layers = [Conv2D(2, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(3), Softmax()]
    model = Sequential(layers, input_shape=(6, 4, 1), seed=1)
    report = check_gradients(model, CrossEntropy(), x, [1])
    assert report.ok, report
    assert "and for x with noise" in str(report)


@pytest.mark.slow
def test_black_images_do_not_stop_the_check():
    """Noise is added also where x has no deviation: a newcomer tries zeros first."""
    layers = [Conv2D(1, 2), ReLU(), MaxPool2D(2), Flatten(), Dense(2), Softmax()]
    model = Sequential(layers, input_shape=(2, 2, 1))
    report = check_gradients(model, CrossEntropy(), np.zeros((1, 2, 2, 1)), [0], seed=1)
    assert report.ok, report
    assert report.noisy


def test_a_batch_of_many_numbers_is_checked_along_directions():
    """Few parameters, but each image becomes thousands of numbers: entries would take minutes."""
    model = Sequential([Conv2D(3, 1), GlobalAveragePool2D(), Softmax()], (41, 41, 1))
    x = np.random.default_rng(0).normal(size=(3, 41, 41, 1))
    report = check_gradients(model, CrossEntropy(), x, [0, 1, 2])
    assert report.ok
    assert {row.checked for row in report.rows} == {8}
