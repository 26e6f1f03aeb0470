"""Reshape: the numbers of each sample in another shape, such as a row of pixels as an image."""

from tinynn import checks
from tinynn.layers.basic import Layer
from tinynn.parameters import Array, Shape


class Reshape(Layer):
    """Give each sample another shape: (B, 784) becomes (B, 28, 28, 1). No number changes.

    shape: of one sample, a tuple of whole numbers of 1 or more. It must hold as many numbers as a
    sample has; if not, raises InputError when the model is built. Flatten() is the way back.

    >>> from tinynn import Sequential
    >>> model = Sequential([Reshape((2, 3))], input_shape=(6,))
    >>> model.forward([[1, 2, 3, 4, 5, 6]])
    array([[[1., 2., 3.],
            [4., 5., 6.]]], dtype=float32)
    """

    equations = "out = x, a sample in another shape", "dx = dout, in x's shape"

    def __init__(self, shape: Shape) -> None:
        checks.sample_shape(shape, "shape of Reshape")
        self.shape = shape

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.same_size(tuple(self.shape), input_shape, self.name)
        return tuple(int(n) for n in self.shape)

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.x_shape = x.shape
        return x.reshape(len(x), *self.shape)

    def input_gradient(self, dout: Array) -> Array:
        return dout.reshape(self.x_shape)
