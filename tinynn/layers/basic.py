"""The layers. Each turns x into out, and knows how the loss then changes with x and with W.

                 x ->  [ layer: W, b ]  -> out         forward
                dx <-  [   dW, db    ]  <- dout        backward

`d` before a name always means: how the loss changes with that array, and has that array's shape.
Samples are rows, so out = x @ W + b. (Books that write W x + b have our W transposed.)
Dimensions: B samples in the batch, F features of each, U units of a Dense, C classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured, arguments
from tinynn.functions import softmax
from tinynn.initializers import he_normal
from tinynn.layers.caches import Portable
from tinynn.parameters import Array, Generator, ParameterViews, Shape
from tinynn.streams import Streams


class Layer(ParameterViews, Configured, Portable, ABC):
    """The contract. A layer must have `forward` and `input_gradient`; one with parameters has more.

    What Sequential calls, in this order:
    `output_shape(input_shape)`, `parameter_shapes(input_shape)` and `buffer_shapes(input_shape)`:
    shapes of one sample, known before any data is seen (default: the same shape, no parameters, no
    buffers);
    `initialize(rng)`: fills parameters and buffers, which are attributes of the layer by now;
    `forward(x, training)`, then `parameter_gradients(dout)` and `input_gradient(dout)`. Backward is
    in two halves because the first trainable layer needs no dx, and who wants only dx needs no dW.

    A buffer is an array that is kept and saved, but not trained, such as a running mean. Forward
    with `training=True` may write it, and nothing else does. Random numbers come from `stream()`.
    Where `trainable` is set to False, training changes neither parameters nor buffers; forward is
    still called with `training=True`, and a layer that acts otherwise then asks self.trainable.

    What both return has the dtype of what they got: the model's. A mask of another is brought to it
    by `mask.astype(x.dtype)`. With `training=False` forward stores nothing on the layer. A
    constructor stores its arguments unchanged under their own names: that alone makes the layer one
    that can be saved.

    What others may know of a layer: `kink_mask(x)`; `takes` and `gives`, "scores" (any numbers) or
    "probabilities" (rows that sum to 1), or "" where it does not matter; and `equations`, one text
    each for forward, input_gradient and parameter_gradients, which explain_step prints. A subclass
    that writes one of these methods anew loses its equation, until it has `equations` of its own.

    >>> class Double(Layer):
    ...     def forward(self, x, training=True):
    ...         return 2 * x
    ...
    ...     def input_gradient(self, dout):
    ...         return 2 * dout
    >>> Double().backward(np.ones((1, 3)))
    array([[2., 2., 2.]])
    """

    _streams: Streams | None = None  # of the model
    takes = gives = ""
    equations: tuple[str, ...] = ()

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one sample after this layer, or raise an InputError at a misfit."""
        return input_shape

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of the parameters by name, such as {"W": (784, 512), "b": (512,)}."""
        return {}

    def buffer_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the shapes of the buffers by name, such as {"running_mean": (64,)}."""
        return {}

    def initialize(self, rng: Generator) -> None:
        """Fill the parameters, which are zero before, from `rng`; and the buffers."""

    def stream(self) -> Generator:
        """Return the random numbers of this layer in this step, each time from their beginning.

        They follow from the model's seed, the layer's position and `model.step`, so that they need
        not be saved. Raises InputError for a layer in no model.
        """
        if self._streams is None or self.position is None:
            raise checks.in_no_model(self.name)
        return self._streams.of(self.position)

    @abstractmethod
    def forward(self, x: Array, training: bool = True) -> Array:
        """Return out for a batch x; with `training` also remember what backward needs."""

    def parameter_gradients(self, dout: Array) -> None:
        """Write the gradient of each parameter: dW for W, and so on."""

    @abstractmethod
    def input_gradient(self, dout: Array) -> Array:
        """Return dx, shaped like x."""

    @checks.short_traceback
    def backward(self, dout: Array) -> Array:
        """Both halves: write the parameters' gradients, return dx."""
        self.parameter_gradients(dout)
        return self.input_gradient(dout)

    def kink_mask(self, x: Array) -> Array | None:
        """Return on which side of its kink each number of a batch x lies: booleans (B, ...).

        None, the default, for a layer without a kink. It stores nothing, and reads x, not what
        forward remembers. With it check_gradients knows exactly which steps cross the kink. Where
        it is shaped like out, a unit is inactive where the mask is False and out is 0.
        """
        return None

    def mark_built(self, input_shape: Shape, streams: Streams) -> None:
        """Remember how it was built: from now on what decided its shapes stays as it is."""
        self._streams = streams
        self._input_shape, self._at_build = input_shape, frozenset(vars(self))
        self.built = True
        self._fixed = frozenset((*arguments(type(self)), "position", "built"))


class Flatten(Layer):
    """Lay each sample out as one row: (B, 28, 28) becomes (B, 784). No number changes.

    >>> Flatten().forward(np.zeros((2, 28, 28))).shape
    (2, 784)
    """

    equations = "out = x, a sample in one row", "dx = dout, in x's shape"

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

    In single numbers, out[n, j] = sum_i x[n, i] W[i, j] + b[j]. W[i, j] and b[j] act on out[n, j]
    of every sample n, so their gradients are sums over n; x[n, i] acts on out[n, j] of every unit
    j, so its gradient is a sum over j. In matrix form (Goodfellow, Bengio and Courville, Deep
    Learning, 2016, section 6.5.6):

        dW[i, j] = sum_n x[n, i] dout[n, j]         dW = x.T @ dout
        db[j]    = sum_n dout[n, j]                 db = dout.sum(axis=0)
        dx[n, i] = sum_j dout[n, j] W[i, j]         dx = dout @ W.T

    units: how many outputs, 1 or more. initializer: a function of shape and Generator that draws
    W (F, U); he_normal by default; b (U,) starts at zero. Raises InputError for units that are not
    a whole number, 1 or more.

    >>> from tinynn import Sequential
    >>> layer = Dense(2)
    >>> model = Sequential([layer], input_shape=(3,))
    >>> layer.W = [[1, 0], [0, 1], [1, 1]]
    >>> layer.forward(np.array([[1.0, 2.0, 3.0]]))
    array([[4., 5.]])
    """

    equations = "out = x W + b", "dx = dout W.T", "dW = x.T dout, db = sum(dout)"
    W: Array  # these four are views of the model's two vectors: see parameters.py
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
        checks.check_flat_samples(input_shape, self.name)
        return (int(self.units),)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"W": (*input_shape, self.units), "b": (self.units,)}

    def initialize(self, rng: Generator) -> None:
        W = self.initializer(self.W.shape, rng)
        self.W = checks.check_initial_values(W, self.W.shape, self.name)  # is copied into the view

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.x = x
        out: Array = x @ self.W  # (B, U)
        return np.add(out, self.b, out=out)  # in place: another new array would take time

    def parameter_gradients(self, dout: Array) -> None:
        np.dot(self.x.T, dout, out=self.dW)  # (F, U); matmul is slow for one sample
        np.sum(dout, axis=0, out=self.db)  # (U,)

    def input_gradient(self, dout: Array) -> Array:
        return dout @ self.W.T  # (B, F)


class ReLU(Layer):
    """out = max(x, 0): lets positive numbers pass, and stops the rest. NaN stays NaN.

        dx = dout * mask, where mask is x > 0

    The derivative is 1 where x > 0, and 0 where x < 0. At 0 itself, where there is none, it is
    taken as 0.
    (Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010.)

    >>> relu = ReLU()
    >>> relu.forward(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    >>> relu.backward(np.array([[5.0, 5.0]]))
    array([[0., 5.]])
    """

    equations = "out = max(x, 0)", "dx = dout where x > 0"

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.mask = x > 0  # (B, ...)
        return np.maximum(x, 0)

    def input_gradient(self, dout: Array) -> Array:
        return dout * self.mask

    def kink_mask(self, x: Array) -> Array:
        return x > 0


class Softmax(Layer):
    """out_j = exp(x_j) / sum_k exp(x_k): turns the scores of a sample into probabilities.

    Every output depends on every input of its row: as x_k grows, out_k grows by out_k (1 - out_k),
    and any other out_j shrinks by out_j out_k. The chain rule adds up over j (Goodfellow, Bengio
    and Courville, Deep Learning, 2016, section 6.2.2.3):

        dx_k = sum_j dout_j (how out_j changes with x_k) = out_k (dout_k - sum_j dout_j out_j)

    Probabilities are kept from falling under 1e-30, which changes no sum: cross-entropy divides
    by them, and -1/p times p must still be -1. With that, Softmax and CrossEntropy together give
    the gradient (p - y) / B at any gap between scores. Why 1e-30: in float32 1/p must not overflow,
    as it does at 3e38, and p/B should stay above 1.2e-38, under which numbers have few digits.

    >>> Softmax().forward(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[5.e-01, 5.e-01],
           [1.e+00, 1.e-30]])
    """

    takes, gives = "scores", "probabilities"
    equations = "p = exp(x) / sum exp(x)", "dx = p * (dout - sum(dout p))"

    def forward(self, x: Array, training: bool = True) -> Array:
        out: Array = np.maximum(softmax(x), 1e-30)  # (B, C)
        if training:
            self.out = out.copy()  # what is returned is the caller's to change
        return out

    def input_gradient(self, dout: Array) -> Array:
        dx: Array = self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))
        return dx  # (B, C)
