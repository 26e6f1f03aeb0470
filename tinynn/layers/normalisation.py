"""Layers that normalise: over the samples of a batch, or over the numbers of a sample.

    x -> subtract the mean, divide by the standard deviation -> normalised -> * gamma + beta -> out

BatchNorm takes mean and variance of each channel over a batch, and needs running statistics for
prediction. LayerNorm takes them of each row of a sample, and acts alike in training and prediction.
Dimensions: B samples, P places of a sample (height x width; 1 if samples are flat), C channels,
n = B P numbers of a channel.

Why each sample is one long row, (B, P C): channels.py has the reason, and the functions.
"""

from math import prod
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.layers.channels import as_rows, channel_sums, repeated, scaled
from tinynn.parameters import Array, Generator, Shape


class BatchNorm(Layer):
    """Normalise each channel over the batch, then scale it by gamma and shift it by beta.

    x, out: (B, ..., C), such as (B, F) or (B, H, W, C). Over the n = B P numbers of a channel
    (Ioffe and Szegedy, Batch Normalization, 2015, Algorithm 1):

        mean = sum(x) / n,  var = sum((x - mean)^2) / n,  std = sqrt(var + epsilon)
        normalised = (x - mean) / std,  out = gamma normalised + beta

    mean and var depend on each x too. Through them dx gets its second and third term:

        dgamma = sum(dout normalised),  dbeta = sum(dout)
        dx = gamma / std (dout - dbeta / n - normalised dgamma / n)

    What forward keeps of normalised is centred (B, P C) and, for each channel, rest and std:
    normalised = (centred - rest) / std, where rest is what rounding left of the mean (see centre).

    For prediction, forward with training=True keeps running statistics in two buffers:

        running_mean <- momentum running_mean + (1 - momentum) mean
        running_var  <- momentum running_var  + (1 - momentum) var n / (n - 1)

    With training=False, mean and var are these. Frozen (trainable = False), the layer uses them in
    training as well. They do not depend on x, so then dx = dout gamma / std. If several processes
    train the model, they combine what forward keeps as batch_statistics: mean, var, n.

    momentum: at least 0 and below 1, default 0.9. epsilon: a positive number, default 1e-5. gamma
    and running_var (C,) start at 1, beta and running_mean (C,) at 0. In training each channel
    needs two numbers or more: a batch of one flat sample has no variance, and is refused
    (InputError). A bias of the layer before has no effect, because its mean is subtracted.

    To convert a layer of PyTorch: momentum here is 1 - momentum there (0.1 there); epsilon and the
    running variance, divided by n - 1, are the same. Of Keras: momentum is the same, but the
    defaults there are momentum 0.99 and epsilon 1e-3, and the running variance is divided by n; it
    can be copied as it is, and only further training differs.

    >>> from tinynn import Sequential
    >>> layer = BatchNorm()
    >>> model = Sequential([layer], input_shape=(1,), dtype=np.float64)
    >>> model.forward(np.array([[1.0], [3.0]])).round(3)
    array([[-1.],
           [ 1.]])
    >>> layer.running_mean.round(3), layer.running_var.round(3)  # 0.1 * 2, 0.9 + 0.1 * 2
    (array([0.2]), array([1.1]))
    """

    gamma: Array
    beta: Array
    dgamma: Array
    dbeta: Array
    running_mean: Array
    running_var: Array
    _shared: tuple[Any, Any] = None, None  # within backward: dout and its sums

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5) -> None:
        checks.check_unit_interval("momentum", momentum)
        checks.check_positive("epsilon", epsilon)
        self.momentum = momentum
        self.epsilon = epsilon

    @property
    def equations(self) -> tuple[str, ...]:  # type: ignore[override]
        if not self.trainable:
            return "out = gamma (x - running_mean) / std + beta", "dx = dout gamma / std"
        return (
            "out = gamma (x - mean) / std + beta",
            "dx = gamma / std (dout - mean(dout) - normalised mean(dout normalised))",
            "dgamma = sum(dout normalised), dbeta = sum(dout)",
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        return checks.check_channels(input_shape, self.name)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"gamma": input_shape[-1:], "beta": input_shape[-1:]}

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"running_mean": input_shape[-1:], "running_var": input_shape[-1:]}

    def initialize(self, rng: Generator) -> None:
        self.gamma[:], self.running_mean[:], self.running_var[:] = 1, 0, 1

    def least_samples(self) -> int:
        flat = self._input_shape is not None and prod(self._input_shape[:-1]) == 1
        return 2 if flat and self.trainable else 1

    @checks.short_traceback
    def forward(self, x: Array, training: bool = True) -> Array:
        rows = as_rows(x)  # (B, P C)
        of_batch = training and self.trainable and len(x) > 0
        if of_batch:
            checks.two_numbers_a_channel(x.shape, self.name)
            centred, rest, mean, var = centre(rows, len(self.gamma))
            self.batch_statistics = mean, var, rows.size // len(mean)
            self.update_running(*self.batch_statistics)
        else:
            var, rest = self.running_var, np.zeros_like(self.running_var)
            centred = rows - repeated(self.running_mean, rows)
        std = np.sqrt(var + float(self.epsilon))  # (C,)
        if training:
            self.centred, self.rest, self.std, self.of_batch = centred, rest, std, of_batch
        scale = self.gamma / std  # out = gamma (centred - rest) / std + beta
        return scaled(centred, scale, self.beta - rest * scale).reshape(x.shape)

    def update_running(self, mean: Array, var: Array, n: int) -> None:
        """Move the running statistics towards those of a batch with n numbers of each channel."""
        keep = float(self.momentum)
        self.running_mean = keep * self.running_mean + (1 - keep) * mean
        self.running_var = keep * self.running_var + (1 - keep) * (n / (n - 1)) * var

    @checks.short_traceback
    def backward(self, dout: Array) -> Array:
        """Do both halves. They need the same sums, which take a third of the time: once is enough.

        The sums are kept only within this call, and only for this dout: a half that is called
        alone, or by a subclass with another dout, takes its own.
        """
        self._shared = dout, self._sums(dout)
        try:
            return super().backward(dout)
        finally:
            self._shared = None, None

    def _sums(self, dout: Array) -> tuple[Array, Array]:
        if self._shared[0] is dout:
            return self._shared[1]
        dgamma, dbeta = gradient_sums(dout, self.centred, len(self.gamma))
        return (dgamma - self.rest * dbeta) / self.std, dbeta

    def parameter_gradients(self, dout: Array) -> None:
        self.dgamma, self.dbeta = self._sums(dout)

    def input_gradient(self, dout: Array) -> Array:
        rows = as_rows(dout)
        by_std = repeated(self.gamma / self.std, rows)
        if not self.of_batch:
            return (rows * by_std).reshape(dout.shape)
        n = rows.size // len(self.gamma)
        dgamma, dbeta = self._sums(dout)
        slope = dgamma / n / self.std  # normalised dgamma / n = (centred - rest) slope
        dx = scaled(self.centred, -slope, self.rest * slope - dbeta / n)
        dx += rows
        dx *= by_std
        return dx.reshape(dout.shape)


class LayerNorm(Layer):
    """Normalise each row of a sample over its last axis, then scale by gamma and shift by beta.

    x, out: (B, ..., F), such as (B, F). Over the F numbers of a row (Ba, Kiros and Hinton, Layer
    Normalization, 2016, equations 3 and 4):

        mean = sum(x) / F,  var = sum((x - mean)^2) / F,  std = sqrt(var + epsilon)
        normalised = (x - mean) / std,  out = gamma normalised + beta

    mean and var depend on each x of the row, and gamma differs from number to number:

        dgamma = sum(dout normalised),  dbeta = sum(dout), over all rows
        g = gamma dout,  dx = (g - mean(g) - normalised mean(g normalised)) / std, over each row

    No sample depends on another one, so training and prediction do the same, and a batch may have
    one sample. epsilon: a positive number, default 1e-5. gamma (F,) starts at 1, beta (F,) at 0.
    Raises InputError for rows of one number, of which nothing would be left.

    >>> from tinynn import Sequential
    >>> model = Sequential([LayerNorm()], input_shape=(2,), dtype=np.float64)
    >>> model.forward(np.array([[1.0, 3.0], [500.0, -500.0]])).round(3)
    array([[-1.,  1.],
           [ 1., -1.]])
    """

    equations = (
        "out = gamma (x - mean) / std + beta, over each row",
        "g = gamma dout, dx = (g - mean(g) - normalised mean(g normalised)) / std",
        "dgamma = sum(dout normalised), dbeta = sum(dout)",
    )
    gamma: Array
    beta: Array
    dgamma: Array
    dbeta: Array

    def __init__(self, epsilon: float = 1e-5) -> None:
        checks.check_positive("epsilon", epsilon)
        self.epsilon = epsilon

    def output_shape(self, input_shape: Shape) -> Shape:
        return checks.check_channels(input_shape, self.name, least=2)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"gamma": input_shape[-1:], "beta": input_shape[-1:]}

    def initialize(self, rng: Generator) -> None:
        self.gamma[:] = 1

    def forward(self, x: Array, training: bool = True) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        centred -= centred.mean(axis=-1, keepdims=True)  # what the mean's rounding left: see centre
        var = np.square(centred).mean(axis=-1, keepdims=True)  # (B, ..., 1)
        std = np.sqrt(var + float(self.epsilon))
        normalised = np.divide(centred, std, out=centred)
        if training:
            self.normalised, self.std = normalised, std
        return normalised * self.gamma + self.beta

    def parameter_gradients(self, dout: Array) -> None:
        self.dgamma, self.dbeta = gradient_sums(dout, self.normalised, len(self.gamma))

    def input_gradient(self, dout: Array) -> Array:
        g = dout * self.gamma  # (B, ..., F)
        dx = g - g.mean(axis=-1, keepdims=True)
        dx -= self.normalised * (g * self.normalised).mean(axis=-1, keepdims=True)
        dx /= self.std
        return dx


def gradient_sums(dout: Array, factor: Array, channels: int) -> tuple[Array, Array]:
    """Return the sums over each channel (C,) of dout * factor, and of dout."""
    rows = as_rows(dout)
    return channel_sums(rows, as_rows(factor), channels), channel_sums(rows, None, channels)


def centre(rows: Array, channels: int) -> tuple[Array, Array, Array, Array]:
    """Return centred (B, P C) and rest (C,), x - mean = centred - rest; mean and variance (C,).

    A mean of 10,000 in float32 is rounded by up to 0.0005, and a sum of many such numbers by more.
    If the deviation is 0.1, that is too much. What remains after the subtraction is small, so its
    own mean, the rest, is exact. The variance is that of x - mean, in a second pass: mean(x^2) -
    mean^2 would be the difference of two large numbers, but rest^2 is small beside mean(centred^2).

    >>> centre(np.array([[1.0], [3.0]]), 1)
    (array([[-1.],
           [ 1.]]), array([0.]), array([2.]), array([1.]))
    """
    n = rows.size // channels
    mean = channel_sums(rows, None, channels) / n
    centred = rows - repeated(mean, rows)
    rest = channel_sums(centred, None, channels) / n
    var = channel_sums(centred, centred, channels) / n - np.square(rest)
    return centred, rest, mean + rest, np.maximum(var, 0)  # rounding may leave a bit below 0
