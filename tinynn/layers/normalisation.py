"""Layers that normalise: over the samples of a batch, or over the numbers of a sample.

    x -> subtract the mean, divide by the standard deviation -> normalised -> * gamma + beta -> out

BatchNorm takes mean and variance of each channel over a batch, and needs running statistics for
prediction. LayerNorm takes them of each row of a sample, and acts alike in training and prediction.
Dimensions: B samples, P places of a sample (height x width; 1 if samples are flat), C channels,
n = B P numbers of a channel.

Why each sample is one long row, (B, P C): channels.py has the reason, and the functions.
"""

from math import prod

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.layers.channels import as_rows, channel_sums, repeated
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

    For prediction, forward with training=True keeps running statistics in two buffers:

        running_mean <- momentum running_mean + (1 - momentum) mean
        running_var  <- momentum running_var  + (1 - momentum) var n / (n - 1)

    With training=False, mean and var are these. Frozen (trainable = False), the layer uses them in
    training as well. They do not depend on x, so then dx = dout gamma / std.

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
        self.gamma[:] = 1
        self.running_mean[:] = 0
        self.running_var[:] = 1

    def least_samples(self) -> int:
        flat = self._input_shape is not None and prod(self._input_shape[:-1]) == 1
        return 2 if flat and self.trainable else 1

    @checks.short_traceback
    def forward(self, x: Array, training: bool = True) -> Array:
        rows = as_rows(x)  # (B, P C)
        of_batch = training and self.trainable and len(x) > 0
        if of_batch:
            checks.two_numbers_a_channel(x.shape, self.name)
            centred, var = self._centred_by_batch(rows)
        else:
            centred, var = rows - repeated(self.running_mean, rows), self.running_var
        std = np.sqrt(var + float(self.epsilon))  # (C,)
        normalised = np.multiply(centred, repeated(1 / std, rows), out=centred)  # (B, P C)
        if training:
            self.normalised, self.std, self.of_batch = normalised, std, of_batch
        out = normalised * repeated(self.gamma, rows)
        out += repeated(self.beta, rows)
        return out.reshape(x.shape)

    def _centred_by_batch(self, rows: Array) -> tuple[Array, Array]:
        """Return x - mean and the variance, which divides by n; update the running statistics."""
        C = len(self.gamma)
        n, keep = rows.size // C, float(self.momentum)
        centred, mean = centre(rows, C)
        var = channel_sums(centred, centred, C) / n
        self.running_mean = keep * self.running_mean + (1 - keep) * mean
        self.running_var = keep * self.running_var + (1 - keep) * (n / (n - 1)) * var
        return centred, var

    def _sums(self, dout: Array) -> tuple[Array, Array]:
        """Return dgamma and dbeta: sums over the numbers of each channel."""
        rows, C = as_rows(dout), len(self.gamma)
        return channel_sums(rows, self.normalised, C), channel_sums(rows, None, C)

    def parameter_gradients(self, dout: Array) -> None:
        self.dgamma, self.dbeta = self._sums(dout)

    def input_gradient(self, dout: Array) -> Array:
        rows = as_rows(dout)
        by_std = repeated(self.gamma / self.std, rows)
        if not self.of_batch:
            return (rows * by_std).reshape(dout.shape)
        n = rows.size // len(self.gamma)
        dgamma, dbeta = self._sums(dout)  # again: no dgamma was computed if only dx is wanted
        dx = self.normalised * repeated(-dgamma / n, rows)
        dx += rows
        dx -= repeated(dbeta / n, rows)
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
        rows, F = as_rows(dout), len(self.gamma)
        self.dgamma = channel_sums(rows, as_rows(self.normalised), F)
        self.dbeta = channel_sums(rows, None, F)

    def input_gradient(self, dout: Array) -> Array:
        g = dout * self.gamma  # (B, ..., F)
        dx = g - g.mean(axis=-1, keepdims=True)
        dx -= self.normalised * (g * self.normalised).mean(axis=-1, keepdims=True)
        dx /= self.std
        return dx


def centre(rows: Array, channels: int) -> tuple[Array, Array]:
    """Return x - mean for each channel of rows (B, P C), and the means (C,).

    A mean of 10,000 in float32 is rounded by up to 0.0005, and a sum of many such numbers by more.
    If the deviation is 0.1, that is too much. What remains after the subtraction is small, so its
    own mean is exact: it is subtracted, too.

    >>> centre(np.array([[1.0], [3.0]]), 1)
    (array([[-1.],
           [ 1.]]), array([2.]))
    """
    n = rows.size // channels
    mean = channel_sums(rows, None, channels) / n
    centred = rows - repeated(mean, rows)
    rest = channel_sums(centred, None, channels) / n
    centred -= repeated(rest, rows)
    return centred, mean + rest
