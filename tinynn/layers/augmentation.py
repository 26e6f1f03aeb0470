"""Augmentation: layers that change samples at random in training, and not in prediction.

    x -> [ RandomFlip -> RandomShift -> GaussianNoise ] -> out        training
    x ---------------------------------------------------> out        prediction

A network that sees an image flipped or shifted each time learns what does not depend on this. The
random numbers follow from the model's seed, the layer's position and `model.step`, as those of
Dropout: one step always has the same ones, in float32 and in float64, also after a resume.
Images are (H, W), or (H, W, C) with C channels.
(Goodfellow, Bengio and Courville, Deep Learning, 2016, sections 7.4 and 7.5.)
"""

import numpy as np

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.parameters import Array, Shape


class RandomFlip(Layer):
    """In training: flip each image left to right with probability 1/2.

        dx = dout, flipped where x was

    x, out: (B, H, W) or (B, H, W, C). Raises InputError for samples that are not images, when the
    model is built, and for a forward in training while the layer is in no model.

    >>> from tinynn import Sequential
    >>> model = Sequential([RandomFlip()], input_shape=(1, 3), seed=1)
    >>> model.forward([[[1, 2, 3]], [[4, 5, 6]]])[:, 0]
    array([[1., 2., 3.],
           [6., 5., 4.]], dtype=float32)
    """

    equations = "out = x, some images flipped", "dx = dout, flipped back"

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.images(input_shape, self.name)
        return input_shape

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training:
            return x.copy()
        self.flipped = self.stream().random(len(x), dtype=np.float32) < 0.5  # (B,)
        return self._flip(x)

    def input_gradient(self, dout: Array) -> Array:
        return self._flip(dout)

    def _flip(self, images: Array) -> Array:
        out = images.copy()
        out[self.flipped] = images[self.flipped, :, ::-1]
        return out


class RandomShift(Layer):
    """In training: shift each image by a whole number of pixels, down and to the right.

        dx = dout, shifted back

    Both numbers are drawn from -pixels to pixels, each equally likely. What comes in at an edge is
    0; what goes out is lost, and its gradient is 0. x, out: (B, H, W) or (B, H, W, C).

    pixels: a whole number, 0 or more, and below H and W. Raises InputError if it is not, or if
    samples are not images, when the model is built, and for a forward in training while the layer
    is in no model.

    >>> from tinynn import Sequential
    >>> model = Sequential([RandomShift(1)], input_shape=(2, 2), seed=1)
    >>> model.forward([[[1, 2], [3, 4]]])
    array([[[0., 0.],
            [1., 2.]]], dtype=float32)
    """

    equations = "out = x, each image shifted", "dx = dout, shifted back"

    def __init__(self, pixels: int) -> None:
        checks.check_integer("pixels of RandomShift", pixels, least=0)
        self.pixels = pixels

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.images(input_shape, self.name, least=int(self.pixels) + 1)
        return input_shape

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training:
            return x.copy()
        most = int(self.pixels)
        self.shifts = self.stream().integers(-most, most, (2, len(x)), endpoint=True)
        return self._shift(x, self.shifts)

    def input_gradient(self, dout: Array) -> Array:
        return self._shift(dout, -self.shifts)

    def _shift(self, images: Array, shifts: Array) -> Array:
        """Cut each image out of one with a frame of zeros, at another place for each.

        Without a loop over images: `frames` is a view that has the image of every place.
        """
        frame, (size, height, width, *rest) = int(self.pixels), images.shape
        larger = (size, height + 2 * frame, width + 2 * frame, *rest)
        framed = np.zeros(larger, images.dtype)
        framed[:, frame : frame + height, frame : frame + width] = images
        frames = np.lib.stride_tricks.sliding_window_view(framed, (height, width), axis=(1, 2))
        down, right = frame - shifts
        cut = frames[np.arange(size), down, right]  # (B, H, W) or (B, C, H, W)
        return np.ascontiguousarray(np.moveaxis(cut, 1, -1)) if rest else cut


class GaussianNoise(Layer):
    """out = x + noise in training; out = x in prediction. noise is normal, with mean 0.

        dx = dout

    x, out: any shape (B, ...). std: the standard deviation of noise, a number of 0 or more. Raises
    InputError for another one, and for a forward in training while the layer is in no model.

    >>> from tinynn import Sequential
    >>> model = Sequential([GaussianNoise(0.1)], input_shape=(1000,))
    >>> out = model.forward(np.ones((1, 1000)))
    >>> bool(0.99 < out.mean() < 1.01), bool(0.09 < out.std() < 0.11)
    (True, True)
    """

    equations = "out = x + noise", "dx = dout"

    def __init__(self, std: float) -> None:
        checks.not_negative("std of GaussianNoise", std)
        self.std = std

    def forward(self, x: Array, training: bool = True) -> Array:
        if not training:
            return x.copy()
        noise = self.stream().standard_normal(x.shape, dtype=np.float32)  # (B, ...)
        dtype = np.result_type(x, np.float32)  # of whole numbers, too
        return x + noise.astype(dtype, copy=False) * dtype.type(self.std)

    def input_gradient(self, dout: Array) -> Array:
        return dout.copy()  # a copy, because dout belongs to the caller
