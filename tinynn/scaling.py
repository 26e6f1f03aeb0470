"""Standardised data: each feature with mean 0 and standard deviation 1, by a layer of the model."""

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.layers.rescale import Rescale

PIECE = 1_000  # samples at once, so that no copy of all data in float64 is made
LEAST = 1e-300  # the range of a feature of which 1 / std is still finite


@checks.short_traceback
def standardise(x: npt.ArrayLike) -> Rescale:
    """Return the layer that gives each feature of x mean 0 and standard deviation 1.

        out = (x - mean) / std = x scale + offset, scale = 1 / std, offset = -mean / std

    x: the training data alone, because numbers of the validation data would tell the model what it
    is tested on. (N, F): a mean and a standard deviation for each feature; images (N, H, W): one
    for all pixels; (N, H, W, C), and any other: for each entry of the last axis, the channel.
    Whole numbers are accepted, and sums are taken in float64. std divides by N. A constant feature,
    also one that varies by less than 1e-300, has no std: its scale is 1, so that it becomes 0.
    Raises InputError if x has no samples, or holds NaN or infinity. (LeCun, Bottou, Orr and Müller,
    Efficient BackProp, 1998, section 4.3.)

    Put the layer first. Then the file of the model holds these numbers, and everyone gives it raw
    data, to `fit`, as validation data and to `predict`:

    >>> from tinynn import Dense, MeanSquaredError, SGD, Sequential, Trainer
    >>> from tinynn import load_model, save_model, train_validation_split
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal([170.0, 70.0], [10.0, 15.0], (200, 2))  # cm and kg
    >>> y = x[:, :1] / 100 + x[:, 1:] / 50
    >>> (x, y), held_out = train_validation_split(x, y, 0.2, rng)
    >>> model = Sequential([standardise(x), Dense(1)], input_shape=(2,))
    >>> history = Trainer(model, MeanSquaredError(), SGD(0.1)).fit(
    ...     x, y, epochs=20, validation_data=held_out)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/model.npz")
    ...     loaded = load_model(f"{folder}/model.npz")
    >>> loaded.predict([[180.0, 80.0]]).round(3)  # 1.8 + 1.6
    array([[3.4]], dtype=float32)
    """
    x = checks.features(x, "standardise")
    axes = tuple(range(x.ndim)) if x.ndim == 3 else tuple(range(x.ndim - 1))
    each_mean = x.mean(axis=axes, dtype=np.float64)  # (), (F,) or (C,)
    low, high = x.min(axis=axes).astype(np.float64), x.max(axis=axes).astype(np.float64)
    constant = high - low < LEAST
    unit = np.where(constant, 1.0, np.maximum(high - each_mean, each_mean - low))
    squares = sum(
        np.square((x[i : i + PIECE] - each_mean) / unit).sum(axis=axes)
        for i in range(0, len(x), PIECE)
    )
    std = unit * np.sqrt(squares / (x.size // each_mean.size))
    scale = 1 / np.where(constant, 1.0, std)
    mean = np.where(constant, low, each_mean)
    if x.ndim == 3:
        return Rescale(float(scale), float(-mean * scale))
    return Rescale(scale, -mean * scale)
