"""Rescale: a model that takes data as they are, such as images in bytes, and scales them itself."""

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.parameters import Array, Shape

Numbers = float | Array  # or lists of numbers


class Rescale(Layer):
    """out = x * scale + offset, with fixed numbers, which the model's file holds.

        dx = dout * scale

    As the first layer it makes the scale of the data a part of the model: Rescale(1 / 255) takes
    images in bytes; Rescale(1 / std, -mean / std), with the mean and the standard deviation of the
    training data, gives each column mean 0 and standard deviation 1. So nobody who loads the model
    has to know how its data were scaled.

    scale, offset (default 0.0): each a number, or an array of the shape of a sample, or of its last
    axes: (F,) for each feature of rows, (C,) for each channel of images (H, W, C); the layer keeps
    a copy. x, out: any shape (B, ...). Raises InputError for numbers that are not finite, for a
    scale that is 0 everywhere, and, when the model is built, for an array that does not fit a
    sample.

    >>> from tinynn import Sequential
    >>> model = Sequential([Rescale(2 / 255, -1)], input_shape=(3,))
    >>> model.predict(np.array([[0, 51, 255]], np.uint8)).round(3)
    array([[-1. , -0.6,  1. ]], dtype=float32)
    """

    equations = "out = x scale + offset", "dx = dout scale"

    def __init__(self, scale: Numbers, offset: Numbers = 0.0) -> None:
        checks.rescaling(scale, offset)
        self.scale, self.offset = checks.own_numbers(scale), checks.own_numbers(offset)

    def output_shape(self, input_shape: Shape) -> Shape:
        for name in ("scale", "offset"):
            checks.fits_a_sample(name, np.shape(getattr(self, name)), input_shape, self.name)
        return input_shape

    def forward(self, x: Array, training: bool = True) -> Array:
        dtype = np.result_type(x, np.float32)  # x may be whole numbers if the layer is in no model
        out = x * np.asarray(self.scale, dtype)  # (B, ...)
        return np.add(out, np.asarray(self.offset, dtype), out=out)

    def input_gradient(self, dout: Array) -> Array:
        return dout * np.asarray(self.scale, np.result_type(dout, np.float32))
