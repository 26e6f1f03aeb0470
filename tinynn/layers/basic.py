"""The layers. Each turns x into out, and computes the loss's gradients of x and of its parameters.

                 x ->  [ layer: W, b ]  -> out         forward
                dx <-  [   dW, db    ]  <- dout        backward

`d` before a name always means: the gradient of the loss with respect to that array. It has that
array's shape. Samples are rows, so out = x @ W + b. (In books with W x + b, W is the transpose of
this W.)
Dimensions: B samples in the batch, F features of each, U units of a Dense, C classes.
"""

from abc import ABC, abstractmethod
from math import prod

import numpy as np

from tinynn import checks
from tinynn.configuration import Configured, arguments
from tinynn.functions import softmax
from tinynn.initializers import Initializer, he_normal
from tinynn.layers.caches import Portable
from tinynn.parameters import Array, Generator, ParameterViews, Shape
from tinynn.products import product
from tinynn.streams import Streams


class Layer(ParameterViews, Configured, Portable, ABC):
    """The contract. A layer must have `forward` and `input_gradient`; one with parameters has more.

    Sequential calls these methods, in this order:
    `output_shape(input_shape)`, `parameter_shapes(input_shape)` and `buffer_shapes(input_shape)`:
    input_shape and output_shape are of one sample. All shapes are known before any data is seen
    (default: the same shape, no parameters, no buffers);
    `initialize(rng)`: fills parameters and buffers, which are attributes of the layer by now;
    `forward(x, training)`, then `parameter_gradients(dout)` and `input_gradient(dout)`. Backward is
    in two halves because the first trainable layer needs no dx, and a caller that wants only dx
    needs no dW.

    A buffer is an array that is kept and saved, but not trained, such as a running mean. Only
    forward with `training=True` may write it. Random numbers come from `stream()`. If `trainable`
    is set to False, training changes neither parameters nor buffers. Forward is still called with
    `training=True`; a layer that must do something else when it is frozen reads self.trainable.

    `forward` and `input_gradient` get arrays of the model's dtype, and must return that dtype.
    (A mask is converted by `mask.astype(x.dtype)`.) With `training=False` forward stores nothing on
    the layer. A constructor stores its arguments unchanged under their own names: then the layer
    can be saved, without any further method.

    If a layer averages over the batch into buffers, and several processes are to train it (see
    tinynn.interop.mpi), forward keeps `batch_statistics = mean, var, n`, of its n numbers, and a
    method `update_running(mean, var, n)` updates the buffers.

    A layer may also define: `kink_mask(x)`; `least_samples()`; `takes` and `gives`, each "logits"
    (any numbers), "probabilities" (rows that sum to 1), "independent probabilities" (each number in
    [0, 1], of its own class), or "" where it does not matter; `multiplications(output_shape)`; and
    `equations`, which explain_step prints: one text each for forward, input_gradient and
    parameter_gradients. A subclass that overrides one of these methods loses that method's
    equation, until it defines `equations` itself.

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

    def least_samples(self) -> int:
        """Return how many samples a training batch must have: fit refuses smaller batches."""
        return 1

    def multiplications(self, output_shape: Shape) -> int | None:
        """Return how many products with weights a sample needs, for model.summary().

        None, the default, says that it is not known; for tinynn's own layers: each number of a
        matrix is used once, as in Dense.
        """
        return None

    def stream(self) -> Generator:
        """Return a Generator of this layer's numbers in this step, each time from their beginning.

        They follow from the model's seed, the layer's position and `model.step`, so they need not
        be saved. Raises InputError for a layer that is in no model.
        """
        if self._streams is None or self.position is None:
            raise checks.in_no_model(self.name)
        return self._streams.of(self.position)

    @abstractmethod
    def forward(self, x: Array, training: bool = True) -> Array:
        """Return out for a batch x (B, ...); with `training`, also store what backward needs."""

    def parameter_gradients(self, dout: Array) -> None:
        """Write the gradient of each parameter: dW for W, and so on."""

    @abstractmethod
    def input_gradient(self, dout: Array) -> Array:
        """Return dx, which has x's shape, for dout, which has out's."""

    @checks.short_traceback
    def backward(self, dout: Array) -> Array:
        """Do both halves: write the parameters' gradients, return dx."""
        self.parameter_gradients(dout)
        return self.input_gradient(dout)

    def kink_mask(self, x: Array) -> Array | None:
        """Return on which side of its kink each number of a batch x lies: booleans (B, ...).

        A kink is a point at which the derivative jumps, such as 0 for ReLU. A layer without one
        returns None, the default. This method stores nothing, and reads only x, not what forward
        stored. With it check_gradients knows exactly which of its steps cross a kink. If the mask
        has out's shape, a unit is inactive where the mask is False and out is 0.
        """
        return None

    def mark_built(self, input_shape: Shape, streams: Streams) -> None:
        """Mark the layer as built: the arguments that decided its shapes can no longer be set."""
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

    x (B, F), W (F, U), b (U,), out (B, U). Number by number, out[n, j] = sum_i x[n, i] W[i, j] +
    b[j]. W[i, j] and b[j] act on out[n, j] of every sample n, so their gradients are sums over n;
    x[n, i] acts on out[n, j] of every unit j, so its gradient is a sum over j. In matrix form
    (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.5.6):

        dW[i, j] = sum_n x[n, i] dout[n, j]         dW = x.T @ dout
        db[j]    = sum_n dout[n, j]                 db = dout.sum(axis=0)
        dx[n, i] = sum_j dout[n, j] W[i, j]         dx = dout @ W.T

    units: how many outputs, 1 or more. initializer: a function of shape and Generator that draws
    W (F, U); he_normal by default. bias: True by default; b (U,) starts at zero. With bias=False
    there is no b and no db: right before BatchNorm, which subtracts any b again. Raises InputError
    for units that are not a whole number, 1 or more, and for a bias that is not True or False.

    >>> from tinynn import Sequential
    >>> layer = Dense(2)
    >>> model = Sequential([layer], input_shape=(3,))
    >>> layer.W = [[1, 0], [0, 1], [1, 1]]
    >>> layer.forward(np.array([[1.0, 2.0, 3.0]]))
    array([[4., 5.]])
    """

    W: Array  # these four are views of the model's two vectors: see parameters.py
    b: Array
    dW: Array
    db: Array

    def __init__(self, units: int, initializer: Initializer = he_normal, bias: bool = True) -> None:
        checks.dense(units, initializer, bias)
        self.units = units
        self.initializer = initializer
        self.bias = bias

    @property
    def equations(self) -> tuple[str, ...]:  # type: ignore[override]
        b, db = (" + b", ", db = sum(dout)") if self.bias else ("", "")
        return f"out = x W{b}", "dx = dout W.T", f"dW = x.T dout{db}"

    def output_shape(self, input_shape: Shape) -> Shape:
        checks.check_flat_samples(input_shape, self.name)
        return (int(self.units),)

    def parameter_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        b = {"b": (self.units,)} if self.bias else {}
        return {"W": (*input_shape, self.units), **b}

    def initialize(self, rng: Generator) -> None:
        W = self.initializer(self.W.shape, rng)
        self.W = checks.check_initial_values(W, self.W.shape, self.name)  # is copied into the view

    def forward(self, x: Array, training: bool = True) -> Array:
        if training:
            self.x = x
        out = product(x, self.W)  # out = x @ W + b, (B, U): `product` is @, see products.py
        if self.bias:
            out += self.b  # in place: a second new array would cost time
        return out

    def parameter_gradients(self, dout: Array) -> None:
        product(self.x.T, dout, out=self.dW)  # (F, U)
        if self.bias:
            dout.sum(axis=0, out=self.db)  # (U,)

    def input_gradient(self, dout: Array) -> Array:
        return product(dout, self.W.T)  # (B, F)


class ReLU(Layer):
    """out = max(x, 0): keeps positive numbers, and sets the others to 0. NaN stays NaN.

        dx = dout * mask, where mask is x > 0

    x, out: any shape (B, ...). The derivative is 1 where x > 0, and 0 where x < 0. At x = 0 there
    is no derivative; 0 is used.
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
        return dout * self.mask.astype(dout.dtype)  # NumPy multiplies floats by floats faster

    def kink_mask(self, x: Array) -> Array:
        return x > 0


class Softmax(Layer):
    """out_j = exp(x_j) / sum_k exp(x_k): turns the logits of a sample into probabilities.

    x, out: (B, C). Every output depends on every input of its row: the derivative of out_k by x_k
    is out_k (1 - out_k), and that of any other out_j by x_k is -out_j out_k. The chain rule sums
    over j (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.3):

        dx_k = sum_j dout_j (derivative of out_j by x_k) = out_k (dout_k - sum_j dout_j out_j)

    Probabilities below 1e-30 are set to 1e-30, which changes no sum. The reason: cross-entropy's
    gradient divides by p, and -1/p times p must still be -1. So Softmax and CrossEntropy together
    give the gradient (p - y) / B for any logits. Why 1e-30: in float32, 1/p must not overflow,
    which it does above 3e38, and p/B should stay above 1.2e-38, below which numbers lose digits.

    >>> Softmax().forward(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[5.e-01, 5.e-01],
           [1.e+00, 1.e-30]])
    """

    takes, gives = "logits", "probabilities"
    equations = "p = exp(x) / sum exp(x)", "dx = p * (dout - sum(dout p))"

    def forward(self, x: Array, training: bool = True) -> Array:
        out = np.maximum(softmax(x), 1e-30)  # (B, C)
        if training:
            self.out = out.copy()  # a copy, because the caller may change out
        return out

    def input_gradient(self, dout: Array) -> Array:
        return self.out * (dout - (dout * self.out).sum(axis=-1, keepdims=True))  # (B, C)
