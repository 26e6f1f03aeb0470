"""The layers. Each is a function from x to out, and knows how a change of out came from x and W.

                 x ->  [ layer: W, b ]  -> out         forward
                dx <-  [   dW, db    ]  <- dout        backward

`d` before a name always means: how the loss changes with that array, and has that array's shape.
Samples are rows, so out = x @ W + b. (Books that write W x + b have our W transposed.)
Dimensions: B samples in the batch; `in` and `out` features of a sample, before and after.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured
from tinynn.functions import softmax
from tinynn.initializers import he_normal
from tinynn.parameters import Array, HasParameters, Shape


class Layer(Configured, HasParameters, ABC):
    """The contract. A layer must have `forward` and `input_gradient`; one with parameters has more.

    What Sequential calls, in this order:
    `output_shape(input_shape)` and `parameter_shapes(input_shape)`: shapes of one sample, known
    before any data is seen (default: the same shape, no parameters);
    `initialize(rng)`: fills the parameters, which are attributes of the layer by now;
    `forward(x, training)`, then `parameter_gradients(dout)` and `input_gradient(dout)`.

    With `training=False` forward stores nothing on the layer. A constructor stores its arguments
    unchanged under their own names: that alone makes the layer one that can be saved.

    >>> class Double(Layer):
    ...     def forward(self, x, training=True):
    ...         return 2 * x
    ...
    ...     def input_gradient(self, dout):
    ...         return 2 * dout
    >>> Double().backward(np.ones((1, 3)))
    array([[2., 2., 2.]])
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one sample after this layer, or raise a ValueError at a misfit."""
        return input_shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of the parameters by name, such as {"W": (784, 512), "b": (512,)}."""
        return {}

    def initialize(self, rng: "np.random.Generator") -> None:
        """Fill the parameters, which are zero before, from `rng`."""

    @abstractmethod
    def forward(self, x: Array, training: bool = True) -> Array:
        """Return out for a batch x; with `training` also remember what backward needs."""

    def parameter_gradients(self, dout: Array) -> None:
        """Write the gradient of each parameter: dW for W, and so on."""

    @abstractmethod
    def input_gradient(self, dout: Array) -> Array:
        """Return dx, shaped like x."""

    def backward(self, dout: Array) -> Array:
        """Both halves: write the parameters' gradients, return dx."""
        self.parameter_gradients(dout)
        return self.input_gradient(dout)


class Flatten(Layer):
    """Lay each sample out as one row: (B, 28, 28) becomes (B, 784). No number changes.

    >>> Flatten().forward(np.zeros((2, 28, 28))).shape
    (2, 784)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.x_shape = x.shape
        return x.reshape(len(x), prod(x.shape[1:]))  # not -1: a batch may be empty

    def input_gradient(self, dout: Array) -> Array:
        return dout.reshape(self.x_shape)


class Dense(Layer):
    """out = x @ W + b: every output is a weighted sum of all the inputs, plus a bias.

    units: how many outputs, 1 or more. initializer: a function of shape and Generator that draws
    W (in, units); he_normal by default; b (units,) starts at zero. Raises ValueError for
    units that are not a whole number, 1 or more. The gradients are the chain rule in matrix form
    (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.5.6).

    >>> from tinynn import Sequential
    >>> layer = Dense(2)
    >>> model = Sequential([layer], input_shape=(3,))
    >>> layer.W = [[1, 0], [0, 1], [1, 1]]
    >>> layer.forward(np.array([[1.0, 2.0, 3.0]]))
    array([[4., 5.]])
    """

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self, units: int, initializer: "Callable[[Shape, np.random.Generator], Array]" = he_normal
    ) -> None:
        checks.dense(units, initializer)
        self.units = units
        self.initializer = initializer

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.flat(input_shape, self.name)
        return (int(self.units),)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"W": (*input_shape, self.units), "b": (self.units,)}

    def initialize(self, rng: "np.random.Generator") -> None:
        self.W = self.initializer(self.W.shape, rng)

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.x = x
        out: Array = x @ self.W  # (B, out)
        return np.add(out, self.b, out=out)

    def parameter_gradients(self, dout: Array) -> None:
        np.dot(self.x.T, dout, out=self.dW)  # (in, out); matmul is slow for one sample
        np.sum(dout, axis=0, out=self.db)  # (out,)

    def input_gradient(self, dout: Array) -> Array:
        return dout @ self.W.T  # (B, in)


class ReLU(Layer):
    """out = max(x, 0): lets positive numbers pass, and stops the rest. NaN stays NaN.

    The slope is 1 where x > 0 and 0 elsewhere; at 0 itself, where there is none, it counts as 0.
    (Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010.)

    >>> relu = ReLU()
    >>> relu.forward(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    >>> relu.backward(np.array([[5.0, 5.0]]))
    array([[0., 5.]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.open = x > 0  # (B, in)
        return np.maximum(x, 0)

    def input_gradient(self, dout: Array) -> Array:
        return dout * self.open


class Softmax(Layer):
    """out_j = exp(x_j) / sum_k exp(x_k): turns the scores of a sample into probabilities.

    Every output depends on every input of its row: d out_j / d x_k = out_j (1[j = k] - out_k).
    Backward multiplies dout by that matrix without ever building it (Goodfellow, Bengio and
    Courville, Deep Learning, 2016, section 6.2.2.3).

    Probabilities are kept from falling under 1e-30, which changes no sum: cross-entropy divides
    by them, and -1/p times p must still be -1. With that, Softmax and CrossEntropy together
    give the gradient p - y at any gap between scores. (A floor at the smallest number that float32
    can write would do too, but make that arithmetic subnormal: slow, and without precision.)

    >>> Softmax().forward(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[5.e-01, 5.e-01],
           [1.e+00, 1.e-30]])
    """

    def forward(self, x: Array, training: bool = True) -> Array:
        out: Array = np.maximum(softmax(x), 1e-30)  # (B, C)
        if training:
            self.out = out.copy()  # what is returned is the caller's to change
        return out

    def input_gradient(self, dout: Array) -> Array:
        dx: Array = self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))
        return dx


LAYERS = {layer.__name__: layer for layer in (Flatten, Dense, ReLU, Softmax)}
