"""Random networks, in which every layer of tinynn occurs: for tests of translations.

A test imports it by name: pyproject.toml puts this folder on the path of pytest.
"""

import numpy as np

from tinynn import (
    ELU,
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    RandomFlip,
    RandomShift,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    glorot_uniform,
)

INPUTS = [(7, 6, 3), (8, 8, 1), (1, 1, 4), (5, 9, 2), (6, 7), (3, 4, 2, 3), (11,), ()]


def random_network(seed, dtype=np.float32, random_layers=True):
    """Return a network that a seed decides: its layers, their arguments, and all its numbers.

    random_layers: whether it may have those that draw random numbers in training.
    """
    rng = np.random.default_rng(seed)
    shape = INPUTS[seed % len(INPUTS)]
    layers, now = [], shape
    if not shape:
        layers, now = [Flatten()], (1,)
    for _ in range(rng.integers(3, 9)):
        layer = random_layer(rng, now, random_layers)
        layers.append(layer)
        now = layer.output_shape(now)
    if rng.random() < 0.7:
        last = [] if len(now) == 1 else [Flatten()]
        layers += [*last, Dense(int(rng.integers(2, 6)))]
        layers += [[], [Softmax()], [Sigmoid()]][rng.integers(3)]
    model = Sequential(layers, shape, seed=seed, dtype=dtype)
    fill(model, rng)
    return model


def fill(model, rng):
    """Give each parameter and buffer numbers of its own, also those that begin at 0 or 1."""
    for name, view in model.named_parameters().items():
        if not name.endswith(".W"):
            view += rng.normal(0, 0.3, view.shape)
    for name, view in model.named_buffers().items():
        spread = rng.uniform(0.5, 2, view.shape)
        view[...] = spread if name.endswith("var") else rng.normal(0, 0.5, view.shape)


def random_layer(rng, shape, random_layers=True):
    """Return a layer that fits samples of this shape."""
    kinds = [*ANY]
    if random_layers:
        kinds += [lambda rng, s: Dropout(rng.uniform(0, 0.6)), lambda rng, s: GaussianNoise(0.1)]
        if len(shape) in (2, 3):
            kinds += [lambda rng, s: RandomFlip(), lambda rng, s: RandomShift(0)]
    if shape[-1] > 1:
        kinds += [layer_norm, lambda rng, s: Softmax()]
    if len(shape) == 1:
        kinds += [dense] * 4 + [lambda rng, s: Reshape((1, 1, *s)), lambda rng, s: Reshape((*s, 1))]
    else:
        kinds += [lambda rng, s: Flatten(), lambda rng, s: Reshape((s[-1], *s[:-1]))]
    if len(shape) == 2:
        kinds += [lambda rng, s: Reshape((*s, 1))]
    if len(shape) == 3:
        kinds += [convolution] * 8 + [pool] * 3 + [lambda rng, s: GlobalAveragePool2D()]
    return kinds[rng.integers(len(kinds))](rng, shape)


def batch_norm(rng, shape):
    return BatchNorm([0.1, 0.77, 0.9][rng.integers(3)], [1e-5, 0.1][rng.integers(2)])


def layer_norm(rng, shape):
    """Not epsilon 1e-5: of two numbers that are nearly equal it would make rounding large."""
    return LayerNorm([0.01, 0.1][rng.integers(2)])


def rescale(rng, shape):
    """One factor for all, for each channel, or for each number."""
    sizes = [(), shape[-1:], shape]
    scale, offset = (rng.uniform(0.5, 2, sizes[rng.integers(3)]) for _ in range(2))
    return Rescale(scale if scale.ndim else float(scale), offset if offset.ndim else float(offset))


def dense(rng, shape):
    return Dense(
        int(rng.integers(1, 9)), [glorot_uniform, Dense(1).initializer][rng.integers(2)],
        bias=bool(rng.integers(2)),
    )  # fmt: skip


def convolution(rng, shape):
    size = tuple(int(rng.integers(1, min(side, 4) + 1)) for side in shape[:2])
    size = size if rng.random() < 0.5 else min(size)
    stride = [1, 2, (1, 2), (3, 1)][rng.integers(4)]
    padding = ["same", 0, min(np.atleast_1d(size)) - 1][rng.integers(3)]
    padding = padding if padding == "same" else int(padding)
    return Conv2D(int(rng.integers(1, 5)), size, stride, padding, bias=bool(rng.integers(2)))


def pool(rng, shape):
    kind = [MaxPool2D, AveragePool2D][rng.integers(2)]
    size = tuple(int(rng.integers(1, min(side, 3) + 1)) for side in shape[:2])
    stride = [None, 1, 2, (1, 2)][rng.integers(4)]
    return kind(size if rng.random() < 0.5 else min(size), stride)


ANY = [
    lambda rng, shape: ReLU(),
    lambda rng, shape: LeakyReLU(0.2),
    lambda rng, shape: ELU(rng.uniform(0.3, 2)),
    lambda rng, shape: GELU(),
    lambda rng, shape: GELU(exact=True),
    lambda rng, shape: Sigmoid(),
    lambda rng, shape: Tanh(),
    rescale,
    batch_norm,
]


def inputs_of(model, count=1000, seed=0):
    """Return samples for a model, about 1 in size."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *model.input_shape)).astype(model.dtype)
