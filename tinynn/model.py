"""Sequential: layers in a row, over one flat vector of parameters and one of gradients.

    x -> layers[0] -> layers[1] -> ... -> layers[-1] -> p          forward
         layers[0] <- layers[1] <- ... <- layers[-1] <- dp         backward

All shapes are walked once, in the constructor; after that no array of parameters is ever replaced.
Read the constructor, forward and backward; the rest is for copies and files.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinynn import checks
from tinynn.configuration import Guarded, named, plain, restored
from tinynn.initializers import INITIALIZERS
from tinynn.layers import LAYERS, Layer
from tinynn.leftovers import Portable
from tinynn.parameters import Array, Owner, Shape, copy_into, flat_vector

# what can no longer be set once a model is built
FIXED = frozenset({"layers", "input_shape", "output_shapes", "lowest", "seed", "dtype"})


class Sequential(Guarded, Portable):
    """A network of layers, each fed by the one before.

    layers: fresh Layer objects, one or more. input_shape: the shape of one sample, such as
    (28, 28). seed: 0 or more, default 0; it alone decides the initial weights. dtype: float32, or
    float64 for gradient checks. Raises ValueError, naming the layer by its position, if a layer
    does not fit the one before.

    `params` and `grads` are each one contiguous vector, and layer.W, layer.dW and so on are views
    of them for ever: what is assigned to any of these is copied in. `lowest` is the position of the
    lowest layer that has parameters.

    >>> from tinynn import Dense, ReLU, Softmax
    >>> model = Sequential([Dense(4), ReLU(), Dense(2), Softmax()], input_shape=(3,), seed=1)
    >>> model.forward(np.zeros((1, 3)))
    array([[0.5, 0.5]], dtype=float32)
    >>> model.params.size  # 3 * 4 + 4 and 4 * 2 + 2
    26
    """

    @checks.door
    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: Sequence[int],
        seed: int = 0,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.layers: tuple[Layer, ...] = checks.fresh_layers(layers, Layer)
        self.input_shape = self._input_shape = checks.sample_shape(input_shape)
        self.seed = checks.count("seed", seed, least=0)
        self.dtype = checks.precision(dtype)
        self._owner = Owner()  # of the two vectors
        self._awaited: Shape | None = None  # of dp, for the batch that layers remember

        self.output_shapes, self._shapes = walk_shapes(self.layers, self.input_shape)
        # each layer, with the shape of a sample before it, which is that of its dx (and one shape
        # more than there are layers)
        self._way = list(zip(self.layers, [self.input_shape, *self.output_shapes], strict=False))
        self._allocate()
        self.lowest = min((i for i, one in enumerate(self.layers) if one.parameters()), default=0)
        # A spawn key makes independent streams of one seed: (0,) for weights, and in trainer.py
        # (1, epoch) for the order of an epoch.
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        for layer in self.layers:
            layer.initialize(rng)
        for layer, shape in self._way:  # only now: a failure above leaves them free to try again
            layer.settle(shape)
        self._fixed = FIXED

    def _allocate(self) -> None:
        """Make both vectors and hand each layer its views; what a layer holds is carried over."""
        self._params, params = flat_vector(self._shapes, self.dtype, self._owner)
        self._grads, grads = flat_vector(self._shapes, self.dtype, self._owner)
        for layer in self.layers:
            layer.adopt(params, grads)

    @property
    def params(self) -> Array:
        """All parameters, one flat vector; what is assigned is copied in."""
        return self._params

    @params.setter
    def params(self, value: Array) -> None:
        copy_into(self._params, value, "params")

    @property
    def grads(self) -> Array:
        """All gradients of the last backward, one flat vector; what is assigned is copied in."""
        return self._grads

    @grads.setter
    def grads(self, value: Array) -> None:
        copy_into(self._grads, value, "grads")

    def named_parameters(self) -> dict[str, Array]:
        """Return the view of each array of parameters by its name, such as "1.Dense.W"."""
        return {
            f"{layer.name}.{key}": view
            for layer in self.layers
            for key, view in layer.parameters().items()
        }

    def forward(self, x: npt.ArrayLike, training: bool = True) -> Array:
        """Return the output (B, ...) for a batch x (B, *input_shape).

        With `training`, layers remember what backward needs (also x itself, not a copy: leave it
        as it is until then). Without, nothing at all is stored: safe from several threads, and a
        backward that is still to come stays valid.
        """
        out = checks.batch(x, self.input_shape, "forward").astype(self.dtype, copy=False)
        for layer, shape in zip(self.layers, self.output_shapes, strict=True):
            batch_shape = (len(out), *shape)
            try:
                out = layer.forward(out, training)
            except ValueError as error:
                checks.not_in_place(error, layer)
                raise
            checks.returned(out, batch_shape, layer, "forward", self.dtype)
        if training:
            self._awaited = out.shape
        return out

    def backward(self, dp: npt.ArrayLike) -> None:
        """Write all gradients into `grads`, from dp (B, ...), how the loss changes with p.

        Stops at the lowest layer that has parameters: nobody needs dx below it.
        """
        dout, size = checks.output_gradient(dp, self._awaited, self.dtype, "backward")
        for layer, shape in reversed(self._way[self.lowest + 1 :]):
            dout = layer.backward(dout)
            checks.returned(dout, (size, *shape), layer, "input_gradient", self.dtype)
        self.layers[self.lowest].parameter_gradients(dout)

    def input_gradient(self, dp: npt.ArrayLike) -> Array:
        """Return dx (B, *input_shape), how the loss changes with the input; `grads` are kept.

        dp: (B, ...), shaped like the output of the forward before.
        """
        dout, size = checks.output_gradient(dp, self._awaited, self.dtype, "input_gradient")
        for layer, shape in reversed(self._way):
            dout = layer.input_gradient(dout)
            checks.returned(dout, (size, *shape), layer, "input_gradient", self.dtype)
        return dout

    @checks.door
    def predict(self, x: npt.ArrayLike, batch_size: int = 1024) -> Array:
        """Return the output (N, ...) for x (N, *input_shape), in batches, remembering nothing."""
        checks.count("batch_size", batch_size)
        x = checks.batch(x, self.input_shape, "predict")
        out = np.empty((len(x), *self.output_shapes[-1]), self.dtype)
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            out[batch] = self.forward(x[batch], training=False)
        return out

    def summary(self) -> None:
        """Print a table: each layer, the shape of a sample after it, and its parameters."""
        width = max(14, *(len(layer.name) for layer in self.layers)) + 2
        print(f"{'layer':<{width}}{'output shape':<16}{'parameters':>12}")
        print(f"{'input':<{width}}{self.input_shape}")
        for layer, shape in zip(self.layers, self.output_shapes, strict=True):
            count = sum(view.size for view in layer.parameters().values())
            print(f"{layer.name:<{width}}{shape!s:<16}{count:>12,}")
        print(f"{'total':<{width}}{'':<16}{self.params.size:>12,}")

    def config(self) -> dict[str, Any]:
        """Return what `from_config` rebuilds the model from, the weights aside, in JSON's types.

        Raises ValueError if a layer cannot be told by its class's name and arguments.
        """
        known = checks.with_own({**LAYERS, **INITIALIZERS}, map(type, self.layers))
        entries = []
        for layer in self.layers:
            told = {k: plain(v, f"{layer.name}: {k}", known) for k, v in layer.config().items()}
            entries.append({"layer": type(layer).__name__, "config": told})
        shape, dtype = list(self.input_shape), self.dtype.name
        return {"layers": entries, "input_shape": shape, "seed": self.seed, "dtype": dtype}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], layers: Iterable[Callable[..., Any]] = ()
    ) -> "Sequential":
        """Build a model from its `config()`. layers: classes and initializers of your own in it.

        >>> from tinynn import Dense
        >>> model = Sequential([Dense(2)], input_shape=(3,))
        >>> Sequential.from_config(model.config()).layers
        (Dense(units=2, initializer=he_normal),)
        """
        built = layers_of_config(config, layers)
        return cls(built, tuple(config["input_shape"]), config["seed"], config["dtype"])

    def astype(self, dtype: npt.DTypeLike) -> "Sequential":
        """Return a copy with the same weights in another precision: float32 or float64."""
        twin = copy.deepcopy(self)
        twin.__dict__["dtype"] = checks.precision(dtype)  # which cannot be set: its arrays have it
        twin._allocate()
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        """For deepcopy and pickle: arrays travel in the layers, the vectors are made anew."""
        self.__dict__.update({"_awaited": None, **state})
        self._allocate()

    def __copy__(self) -> "Sequential":
        """Two models cannot share layers, whose arrays lie in one vector: every copy is deep."""
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return f"Sequential({[*self.layers]}, input_shape={self.input_shape}, seed={self.seed})"


def walk_shapes(
    layers: Iterable[Layer], input_shape: Shape
) -> tuple[tuple[Shape, ...], dict[str, Shape]]:
    """Tell layers their positions; return the shape of a sample after each, and all parameters'.

    >>> from tinynn import Dense, Flatten
    >>> walk_shapes([Flatten(), Dense(3)], (2, 2))
    (((4,), (3,)), {'1.Dense.W': (4, 3), '1.Dense.b': (3,)})
    """
    outputs, parameters, shape = list[Shape](), {}, input_shape
    for position, layer in enumerate(layers):
        layer.position = position
        outputs.append(checks.shape_after(layer.output_shape(shape), layer))
        own = layer.parameter_shapes(shape)
        checks.parameter_shapes(own, layer)
        parameters.update({f"{layer.name}.{key}": value for key, value in own.items()})
        shape = outputs[-1]
    return tuple(outputs), parameters


def layers_of_config(
    config: Mapping[str, Any], layers: Iterable[Callable[..., Any]] = ()
) -> list[Layer]:
    """Return fresh layers as a model's `config()` lists them; see `Sequential.from_config`."""
    known = checks.with_own({**LAYERS, **INITIALIZERS}, layers)
    classes = {name: t for name, t in known.items() if isinstance(t, type) and issubclass(t, Layer)}
    return [
        named(entry["layer"], classes)(
            **{name: restored(value, known) for name, value in entry["config"].items()}
        )
        for entry in config["layers"]
    ]
