"""Layers that Keras does not have, or has in another way.

Keras's RandomFlip takes (B, H, W) for one image, its RandomTranslation shifts by fractions of
pixels, and its Rescaling turns arrays if Keras is set to channels_first. A model with these layers
can be loaded from a .keras file after this file was imported. This file needs Keras when it is
imported. So only functions import it, and its name begins with an underscore, which leaves it out
of the reference.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from tinynn.parameters import Shape

registered = keras.saving.register_keras_serializable("tinynn")


@registered  # type: ignore[untyped-decorator]
def gelu_tanh(x: Any) -> Any:
    """GELU in its tanh form."""
    return keras.activations.gelu(x, approximate=True)


@registered
class Rescale(keras.layers.Layer):
    """x * scale + offset, with numbers for each channel, or for each number of a sample."""

    def __init__(self, scale: Any, offset: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale, self.offset = np.asarray(scale).tolist(), np.asarray(offset).tolist()

    def call(self, x: Any) -> Any:
        scale, offset = (ops.convert_to_tensor(v, x.dtype) for v in (self.scale, self.offset))
        return x * scale + offset

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


class RandomLayer(keras.layers.Layer):
    """Changes images (B, H, W) or (B, H, W, C) at random in training, and not in prediction."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.seeds = keras.random.SeedGenerator()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@registered
class RandomFlip(RandomLayer):
    """In training: flip each image left to right with probability 1/2."""

    def call(self, images: Any, training: bool | None = None) -> Any:
        if not training:
            return images
        size = (ops.shape(images)[0], *[1] * (len(images.shape) - 1))
        flipped = keras.random.uniform(size, seed=self.seeds) < 0.5
        return ops.where(flipped, ops.flip(images, axis=2), images)


@registered
class RandomShift(RandomLayer):
    """In training: shift each image by at most so many pixels, down and to the right."""

    def __init__(self, pixels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.pixels = pixels

    def call(self, images: Any, training: bool | None = None) -> Any:
        if not training:
            return images
        p, rest = self.pixels, [1] * (len(images.shape) - 3)
        framed = ops.pad(images, [(0, 0), (p, p), (p, p), *[(0, 0)] * len(rest)])
        size, height, width = ops.shape(images)[:3]
        down, right = (  # where to cut each image out of its frame
            keras.random.randint((size, 1), 0, 2 * p + 1, dtype="int32", seed=self.seeds)
            for _ in range(2)
        )
        rows = ops.reshape(down + ops.arange(height, dtype="int32"), (size, height, 1, *rest))
        columns = ops.reshape(right + ops.arange(width, dtype="int32"), (size, 1, width, *rest))
        cut = ops.take_along_axis(framed, rows, axis=1)
        return ops.take_along_axis(cut, columns, axis=2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pixels": self.pixels}
