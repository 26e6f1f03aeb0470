"""Sequential: layers in a row, over a flat vector each of parameters, gradients and buffers.

    x -> layers[0] -> layers[1] -> ... -> layers[-1] -> p          forward
         layers[0] <- layers[1] <- ... <- layers[-1] <- dp         backward

All shapes are inferred once, in the constructor; after that no array of parameters is replaced.
Read the constructor, forward and backward; the rest is for copies and files.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.architecture import layers_from_json, layers_to_json, table_of
from tinynn.configuration import Guarded
from tinynn.layers import Layer
from tinynn.layers.caches import Portable
from tinynn.parameters import Array, Owner, Shape, copy_into, flat_vector, frozen_in
from tinynn.streams import Streams

# what can no longer be set once a model is built
FIXED = frozenset({"layers", "input_shape", "output_shapes", "seed", "streams", "dtype"})


class Sequential(Guarded, Portable):
    """A network of layers in a row: the output of each is the input of the next.

    layers: fresh Layer objects, one or more. input_shape: the shape of one sample, such as
    (28, 28). seed: 0 or more, default 0; it alone decides the initial weights. dtype: float32, or
    float64 for gradient checks. If a layer does not fit the one before, raises InputError, which
    names the layer by its position.

    `params`, `grads` and `buffers` (arrays that layers keep but do not train, such as a running
    mean) are each one contiguous vector. layer.W, layer.dW and so on are views of them for ever: an
    assignment to one of these copies the numbers into the vector.

    >>> from tinynn import Dense, ReLU, Softmax
    >>> model = Sequential([Dense(4), ReLU(), Dense(2), Softmax()], input_shape=(3,), seed=1)
    >>> model.forward(np.zeros((1, 3)))
    array([[0.5, 0.5]], dtype=float32)
    >>> model.params.size  # 3 * 4 + 4 and 4 * 2 + 2
    26
    """

    @checks.short_traceback
    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: Sequence[int],
        seed: int = 0,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.layers: tuple[Layer, ...] = checks.fresh_layers(layers, Layer)
        self.input_shape = self._input_shape = checks.sample_shape(input_shape)
        self.seed = checks.check_integer("seed", seed, least=0)
        self.dtype = checks.precision(dtype)
        self._owner = Owner()  # of the vectors
        self.streams = Streams(self.seed)
        self._last_output_shape: Shape | None = None  # the shape that dp must have

        shapes = infer_shapes(self.layers, self.input_shape)
        self.output_shapes, self._shapes, self._buffer_shapes = shapes
        # each layer, from the last to the first, with its input's shape, which is that of its dx
        input_shapes = (self.input_shape, *self.output_shapes[:-1])
        self._backward_order = [*zip(self.layers, input_shapes, strict=True)][::-1]
        self._allocate()
        # A spawn key makes independent random numbers from one seed: see streams.py.
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        for layer in self.layers:
            layer.initialize(rng)
        # only now: after an error above, the layers can be used again
        for layer, shape in self._backward_order:
            layer.mark_built(shape, self.streams)
        self._fixed = FIXED

    def _allocate(self) -> None:
        """Make the vectors and give each layer its views, with the numbers that it has already."""
        self._owner.layers = self.layers
        self._params, params = flat_vector(self._shapes, self.dtype, self._owner)
        self._grads, grads = flat_vector(self._shapes, self.dtype, self._owner)
        self._buffers, buffers = flat_vector(self._buffer_shapes, self.dtype, self._owner)
        for layer in self.layers:
            layer.bind(params, grads, buffers)

    @property
    def params(self) -> Array:
        """All parameters, one flat vector (P,); an assignment copies into it."""
        return self._params

    @params.setter
    def params(self, value: Array) -> None:
        copy_into(self._params, value, "params")

    @property
    def grads(self) -> Array:
        """All gradients of the last backward, one flat vector; an assignment copies into it."""
        return self._grads

    @grads.setter
    def grads(self, value: Array) -> None:
        copy_into(self._grads, value, "grads")

    @property
    def buffers(self) -> Array:
        """All buffers, one flat vector, empty in most models; an assignment copies into it."""
        return self._buffers

    @buffers.setter
    def buffers(self, value: Array) -> None:
        copy_into(self._buffers, value, "buffers")

    @property
    def step(self) -> int:
        """The step count, which selects random numbers: +1 at the first forward after a backward.

        Only a forward with `training=True` counts. The next one uses the step that was assigned.
        """
        return self.streams.step

    @step.setter
    def step(self, value: int) -> None:
        self.streams.go_to(checks.check_integer("step", value, least=0))

    @property
    def first_trainable(self) -> int:
        """The position of the first layer with parameters that are trained; 0 if there is none."""
        return next((i for i, one in enumerate(self.layers) if one._names and one.trainable), 0)

    def named_parameters(self) -> dict[str, Array]:
        """Return the view of each array of parameters by its name, such as "1.Dense.W"."""
        return {
            f"{one.name}.{key}": v for one in self.layers for key, v in one.parameters().items()
        }

    def named_buffers(self) -> dict[str, Array]:
        """Return the view of each buffer by its name, such as "1.BatchNorm.running_mean"."""
        return {f"{one.name}.{key}": v for one in self.layers for key, v in one.buffers().items()}

    def forward(self, x: npt.ArrayLike, training: bool = True) -> Array:
        """Return the output (B, ...) for a batch x (B, *input_shape).

        With `training=True`, the default, layers store what backward needs: also x itself, not a
        copy of it, so do not change x before backward. With `training=False` nothing is stored:
        several threads may call it at once, also between a forward in training and its backward.
        So do not write `model.forward(x_val)` for data that are not trained on: BatchNorm would
        change its running statistics by them. Use `predict` or training=False.
        Raises InputError if x does not fit.
        """
        out = checks.batch(x, self.input_shape, "forward").astype(self.dtype, copy=False)
        if training:
            self.streams.before_forward()
        frozen = frozen_in(self._buffers) if training and self._buffers.size else []
        before = self._buffers.copy() if frozen else self._buffers
        try:
            for layer, shape in zip(self.layers, self.output_shapes, strict=True):
                batch_shape = (len(out), *shape)
                try:
                    out = layer.forward(out, training)
                except ValueError as error:
                    checks.not_in_place(error, layer)
                    raise
                checks.check_layer_output(out, batch_shape, layer, "forward", self.dtype)
        finally:
            for place in frozen:
                self._buffers[place] = before[place]
        if training:
            self._last_output_shape = out.shape
        return out

    def backward(self, dp: npt.ArrayLike) -> None:
        """Write all gradients into `grads`, given dp (B, ...), the loss's gradient of the output p.

        Stops at the first layer with parameters that are trained: the layers below need no dx. The
        gradients of frozen layers are 0. Raises InputError if dp does not fit the last forward.
        """
        dout, size = checks.output_gradient(dp, self._last_output_shape, self.dtype, "backward")
        self.streams.after_backward()
        first = self.first_trainable
        for layer, shape in self._backward_order[: len(self.layers) - 1 - first]:
            dout = layer.backward(dout) if layer.trainable else layer.input_gradient(dout)
            checks.check_layer_output(dout, (size, *shape), layer, "input_gradient", self.dtype)
        if self.layers[first].trainable:
            self.layers[first].parameter_gradients(dout)
        for place in frozen_in(self.grads):
            self.grads[place] = 0

    def input_gradient(self, dp: npt.ArrayLike) -> Array:
        """Return dx (B, *input_shape), the loss's gradient of the input; `grads` stay as they are.

        dp: (B, ...), of the shape that the last forward returned; InputError if it has another.
        """
        dout, size = checks.output_gradient(
            dp, self._last_output_shape, self.dtype, "input_gradient"
        )
        for layer, shape in self._backward_order:
            dout = layer.input_gradient(dout)
            checks.check_layer_output(dout, (size, *shape), layer, "input_gradient", self.dtype)
        return dout

    @checks.short_traceback
    def predict(self, x: npt.ArrayLike, batch_size: int | None = None) -> Array:
        """Return the output (N, ...) for x (N, *input_shape), in batches; nothing is stored.

        batch_size: default None, 1,024 samples; fewer if they are large on their way through the
        layers, as images are, so that the largest array has at most 16 MB.
        """
        x = checks.batch(x, self.input_shape, "predict")
        batches = checks.prediction_batches(self, len(x), batch_size)
        out = np.empty((len(x), *self.output_shapes[-1]), self.dtype)
        for batch in batches:
            out[batch] = self.forward(x[batch], training=False)
        return out

    def summary(self) -> None:
        """Print a table: each layer, the shape of a sample after it, its parameters and buffers.

        The last column says how many multiplications with weights a sample needs: nearly all of
        the work of forward, and, twice that, of backward.
        """
        print(table_of(self.layers, self.input_shape, self.output_shapes))

    def config(self) -> dict[str, Any]:
        """Return what `from_config` rebuilds the model from, but no weights; only types of JSON.

        Raises InputError if a layer cannot be described by its class's name and arguments.
        """
        return {
            "layers": layers_to_json(self.layers),
            "input_shape": list(self.input_shape),
            "seed": self.seed,
            "dtype": self.dtype.name,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], layers: Iterable[Callable[..., Any]] = ()
    ) -> "Sequential":
        """Build a model from its `config()`. layers: your own classes and initializers in it.

        Raises InputError for anything but a configuration, and if no model can be built from it.

        >>> from tinynn import Dense
        >>> model = Sequential([Dense(2)], input_shape=(3,))
        >>> Sequential.from_config(model.config()).layers
        (Dense(units=2, initializer=he_normal, bias=True),)
        """
        built = layers_from_json(checks.model_config(config)["layers"], layers)
        return cls(built, tuple(config["input_shape"]), config["seed"], config["dtype"])

    def astype(self, dtype: npt.DTypeLike) -> "Sequential":
        """Return a copy with the same weights in another precision: float32 or float64."""
        twin = copy.deepcopy(self)
        twin.__dict__["dtype"] = checks.precision(dtype)  # not twin.dtype = ..., which is refused
        twin._allocate()
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        """For deepcopy and pickle: the layers bring the numbers, the vectors are made again."""
        self.__dict__.update({"_last_output_shape": None, **state})
        self._allocate()

    def __copy__(self) -> "Sequential":
        """Two models cannot share layers, whose arrays lie in one vector: every copy is deep."""
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"Sequential({[*self.layers]}, input_shape={self.input_shape}, seed={self.seed})"


def infer_shapes(
    layers: Iterable[Layer], input_shape: Shape
) -> tuple[tuple[Shape, ...], dict[str, Shape], dict[str, Shape]]:
    """Give layers their positions; return output shapes, and shapes of parameters and buffers.

    >>> from tinynn import Dense, Flatten
    >>> infer_shapes([Flatten(), Dense(3)], (2, 2))
    (((4,), (3,)), {'1.Dense.W': (4, 3), '1.Dense.b': (3,)}, {})
    """
    outputs, parameters, buffers, shape = list[Shape](), {}, {}, input_shape
    for position, layer in enumerate(layers):
        layer.position = position
        outputs.append(checks.shape_after(layer.output_shape(shape), layer))
        own, kept = layer.parameter_shapes(shape), layer.buffer_shapes(shape)
        checks.parameter_shapes(own, kept, layer)
        parameters.update({f"{layer.name}.{key}": value for key, value in own.items()})
        buffers.update({f"{layer.name}.{key}": value for key, value in kept.items()})
        shape = outputs[-1]
    return tuple(outputs), parameters, buffers
