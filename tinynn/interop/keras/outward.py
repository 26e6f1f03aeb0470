"""A model as a keras.Sequential: a function for each kind of layer.

Keras has what tinynn has: images with the channels last, kernels (kh, kw, C, F), W (F, U). So all
arrays are copied as they are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinynn import checks
from tinynn.interop.translation import library, refuse_untranslatable
from tinynn.layers import (
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
    Sigmoid,
    Softmax,
    Tanh,
)
from tinynn.layers.windows import frame_of, pair
from tinynn.model import Sequential

LAST = "channels_last"  # also where the user's settings of Keras say otherwise
BACKEND = (
    "Keras computes with TensorFlow, unless the environment variable KERAS_BACKEND says otherwise: "
    "set it to torch, which this extra installs, before Python starts."
)


@checks.short_traceback
def to_keras(model: Sequential) -> Any:
    """Return a keras.Sequential with the same layers and copies of the same weights.

    It takes what model.predict takes, in the same order of axes, and has the model's dtype. Called
    as keras_model(x), or by predict, it returns what model.predict(x) returns, up to rounding.
    Layers that are frozen here are frozen there, and a frozen BatchNorm uses its running statistics
    in training in both. A convolution with padding gets a ZeroPadding2D before it, unless it is
    "same" with a stride of 1: so the zeros lie where tinynn has them, with every backend.

    What differs: Softmax of Keras may return 0, where tinynn's returns 1e-30; random layers draw
    other numbers; with float64, Keras still computes products and normalisations in float32; and if
    the model is trained further, BatchNorm of Keras updates its running variance by the batch's
    variance divided by n, where tinynn and PyTorch divide by n - 1.

    A .keras file of a model with RandomFlip, RandomShift, GELU in its tanh form, or a Rescale by
    arrays, is loaded by a program that has run: from tinynn.interop.keras import _layers.

    Needs the library keras, version 3, and one that it computes with. Raises InputError if the
    model has a layer of your own.

    >>> from tinynn import Dense, ReLU, Sequential
    >>> model = Sequential([Dense(4), ReLU(), Dense(2)], input_shape=(3,))
    >>> [layer.name for layer in to_keras(model).layers]
    ['dense_0', 'relu_1', 'dense_2']
    """
    keras = library("keras", "keras", BACKEND)
    refuse_untranslatable(model, "to_keras")
    made, arrays = [keras.Input(model.input_shape, dtype=model.dtype.name)], list[Any]()
    for layer, shape in zip(model.layers, (model.input_shape, *model.output_shapes), strict=False):
        settings = {"dtype": model.dtype.name, "trainable": layer.trainable}
        settings["name"] = f"{type(layer).__name__.lower()}_{layer.position}"
        if isinstance(layer, Conv2D) and _needs_zeros(layer):
            frame = frame_of(layer.padding, shape, layer.size, layer.stride)
            made.append(keras.layers.ZeroPadding2D(frame, data_format=LAST, dtype=model.dtype.name))
        made.append(LAYERS[type(layer)](keras.layers, layer, settings))
        arrays.append((made[-1], [*layer.parameters().values(), *layer.buffers().values()]))
    whole = keras.Sequential(made)
    for one, values in arrays:
        if values:
            one.set_weights(values)  # copies, in Keras's order of names, which is tinynn's
    return whole


def _needs_zeros(layer: Conv2D) -> bool:
    """Whether a ZeroPadding2D must stand before a Conv2D."""
    return layer.padding != 0 and not (layer.padding == "same" and pair(layer.stride) == (1, 1))


Maker = Callable[[Any, Any, dict[str, Any]], Any]


def _theirs(name: str, **arguments: str) -> Maker:
    """Return a function that makes a layer of Keras; arguments: by the layer's names."""

    def make(layers: Any, layer: Any, settings: dict[str, Any]) -> Any:
        values = {its: float(getattr(layer, ours)) for its, ours in arguments.items()}
        return getattr(layers, name)(**values, **settings)

    return make


def _activation(name: str) -> Maker:
    return lambda layers, layer, settings: layers.Activation(name, **settings)


def _gelu(layers: Any, layer: GELU, settings: dict[str, Any]) -> Any:
    from tinynn.interop.keras import _layers

    return layers.Activation("gelu" if layer.exact else _layers.gelu_tanh, **settings)


def _softmax(layers: Any, layer: Softmax, settings: dict[str, Any]) -> Any:
    return layers.Softmax(axis=-1, **settings)


def _dense(layers: Any, layer: Dense, settings: dict[str, Any]) -> Any:
    return layers.Dense(int(layer.units), use_bias=layer.bias, **settings)


def _flatten(layers: Any, layer: Flatten, settings: dict[str, Any]) -> Any:
    return layers.Flatten(data_format=LAST, **settings)


def _reshape(layers: Any, layer: Reshape, settings: dict[str, Any]) -> Any:
    return layers.Reshape(tuple(layer.shape), **settings)


def _rescale(layers: Any, layer: Any, settings: dict[str, Any]) -> Any:
    from tinynn.interop.keras import _layers

    if np.ndim(layer.scale) or np.ndim(layer.offset):
        return _layers.Rescale(layer.scale, layer.offset, **settings)
    return layers.Rescaling(float(layer.scale), float(layer.offset), **settings)


def _batch_norm(layers: Any, layer: BatchNorm, settings: dict[str, Any]) -> Any:
    momentum, epsilon = float(layer.momentum), float(layer.epsilon)
    return layers.BatchNormalization(axis=-1, momentum=momentum, epsilon=epsilon, **settings)


def _layer_norm(layers: Any, layer: LayerNorm, settings: dict[str, Any]) -> Any:
    return layers.LayerNormalization(axis=-1, epsilon=float(layer.epsilon), **settings)


def _convolution(layers: Any, layer: Conv2D, settings: dict[str, Any]) -> Any:
    return layers.Conv2D(
        int(layer.filters),
        pair(layer.size),
        strides=pair(layer.stride),
        padding="valid" if _needs_zeros(layer) or layer.padding == 0 else "same",
        use_bias=layer.bias,
        data_format=LAST,
        **settings,
    )


def _pool(name: str) -> Maker:
    def make(layers: Any, layer: MaxPool2D | AveragePool2D, settings: dict[str, Any]) -> Any:
        kind = getattr(layers, name)
        sizes = {"pool_size": pair(layer.size), "strides": layer.strides}
        return kind(**sizes, padding="valid", data_format=LAST, **settings)

    return make


def _mean_of_image(layers: Any, layer: GlobalAveragePool2D, settings: dict[str, Any]) -> Any:
    return layers.GlobalAveragePooling2D(data_format=LAST, **settings)


def _flip(layers: Any, layer: RandomFlip, settings: dict[str, Any]) -> Any:
    from tinynn.interop.keras import _layers

    return _layers.RandomFlip(**settings)


def _shift(layers: Any, layer: RandomShift, settings: dict[str, Any]) -> Any:
    from tinynn.interop.keras import _layers

    return _layers.RandomShift(int(layer.pixels), **settings)


LAYERS: dict[type, Maker] = {
    Dense: _dense,
    Flatten: _flatten,
    Reshape: _reshape,
    Rescale: _rescale,
    ReLU: _theirs("ReLU"),
    LeakyReLU: _theirs("LeakyReLU", negative_slope="slope"),
    ELU: _theirs("ELU", alpha="alpha"),
    GELU: _gelu,
    Sigmoid: _activation("sigmoid"),
    Tanh: _activation("tanh"),
    Softmax: _softmax,
    Dropout: _theirs("Dropout", rate="rate"),
    GaussianNoise: _theirs("GaussianNoise", stddev="std"),
    RandomFlip: _flip,
    RandomShift: _shift,
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Conv2D: _convolution,
    MaxPool2D: _pool("MaxPooling2D"),
    AveragePool2D: _pool("AveragePooling2D"),
    GlobalAveragePool2D: _mean_of_image,
}
