"""One training step of a convolutional network in seven ways, each as its users would write it.

    task: images, classes, first weights -> contender -> step(x, y) -> loss
                                            (imports, builds the network, sets its weights)

The network: for each stage some convolutions of 3 x 3 with padding 1, each followed by BatchNorm
and ReLU, then a maximum over 2 x 2; then a dense layer with ReLU, and ten logits. Softmax
cross-entropy, Adam (1e-3, 0.9, 0.999, 1e-8), float32. All begin with the same weights and get the
same batches, so their losses must agree.

`python benchmarks/conv_contenders.py NAME NETWORK` runs one contender and prints one line of JSON;
conv_step.py does this for each, in a process of its own.
"""

import argparse
import json
import os
import sys

if "tinynn" in sys.argv:
    import tinynn  # noqa: F401  before NumPy, as it asks; other contenders get NumPy as it is

import platform
import resource
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_info

from tinynn import datasets, scale_pixels

BATCH, RATE, BETA1, BETA2, EPSILON = 64, 1e-3, 0.9, 0.999, 1e-8
WARM_UP = 10  # steps that are not timed


@dataclass(frozen=True)
class Network:
    """Filters of the convolutions, stage by stage, and the units of the hidden dense layer."""

    stages: tuple[tuple[int, ...], ...]
    units: int


NETWORKS = {
    "short": Network(((16,), (32,)), 64),
    "example": Network(((16, 16), (32, 32)), 128),  # examples/fashion_cnn.py, without dropout
}


@dataclass
class Task:
    """What every contender gets."""

    network: Network
    kernels: list[list[np.ndarray]]  # (3, 3, C, F), stage by stage
    dense: list[np.ndarray]  # (in, out); the first one's rows in the order row, column, channel
    side: int  # height and width of the last maps


Step = Callable[[np.ndarray, np.ndarray], float]  # x (B, 28, 28) float32, y (B,) int64 -> the loss
CONTENDERS: dict[str, Callable[[Task], Step]] = {}


def contender(name: str) -> Callable:
    """Enter a function in the table under this name."""

    def enter(function: Callable[[Task], Step]) -> Callable[[Task], Step]:
        CONTENDERS[name] = function
        return function

    return enter


def first_task(network: Network) -> Task:
    """Draw He-normal weights."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)

    channels, side, kernels = 1, 28, []
    for stage in network.stages:
        kernels.append([])
        for filters in stage:
            kernels[-1].append(draw(3, 3, channels, filters))
            channels = filters
        side //= 2
    dense = [draw(side * side * channels, network.units), draw(network.units, 10)]
    return Task(network, kernels, dense, side)


@contender("tinynn")
def step_tinynn(task: Task) -> Step:
    """The loop of the README."""
    from tinynn import (
        Adam,
        BatchNorm,
        Conv2D,
        Dense,
        Flatten,
        MaxPool2D,
        ReLU,
        Reshape,
        Sequential,
        SoftmaxCrossEntropy,
    )  # fmt: skip

    layers = [Reshape((28, 28, 1))]
    for stage in task.network.stages:
        for filters in stage:
            layers += [Conv2D(filters, 3, bias=False), BatchNorm(), ReLU()]
        layers.append(MaxPool2D(2))
    layers += [Flatten(), Dense(task.network.units), ReLU(), Dense(10)]
    model = Sequential(layers, input_shape=(28, 28))
    weights = [W for stage in task.kernels for W in stage] + task.dense
    with_weights = [layer for layer in layers if isinstance(layer, (Conv2D, Dense))]
    for layer, W in zip(with_weights, weights, strict=True):
        layer.W = W
    loss, optimizer = SoftmaxCrossEntropy(), Adam(RATE, BETA1, BETA2, EPSILON)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        z = model.forward(x)
        value = loss.forward(z, y)
        model.backward(loss.backward(z, y))
        optimizer.step(model.params, model.grads)
        return value

    return step


def step_torch(task: Task, channels_last: bool) -> Step:
    """Eager, with Adam as it comes."""
    import torch
    from torch import nn

    parts, channels = [], 1
    for stage in task.network.stages:
        for filters in stage:
            conv = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
            parts += [conv, nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
        parts.append(nn.MaxPool2d(2))
    hidden = nn.Linear(channels * task.side**2, task.network.units)
    model = nn.Sequential(
        *parts, nn.Flatten(), hidden, nn.ReLU(), nn.Linear(hidden.out_features, 10)
    )
    kernels = iter([W.transpose(3, 2, 0, 1) for stage in task.kernels for W in stage])
    dense = iter([channels_first(task).T, task.dense[1].T])
    with torch.no_grad():
        for part in model:
            if isinstance(part, nn.Conv2d):
                part.weight.copy_(torch.from_numpy(next(kernels)))
            elif isinstance(part, nn.Linear):
                part.weight.copy_(torch.from_numpy(next(dense)))
                part.bias.zero_()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(BETA1, BETA2), eps=EPSILON)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        images = torch.from_numpy(x[:, None])
        if channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def channels_first(task: Task) -> np.ndarray:
    """Return the first dense W with its rows in the order channel, row, column."""
    W, side = task.dense[0], task.side
    return W.reshape(side, side, -1, W.shape[1]).transpose(2, 0, 1, 3).reshape(W.shape)


@contender("PyTorch")
def step_torch_first(task: Task) -> Step:
    """As people write it: channels first, eager."""
    return step_torch(task, channels_last=False)


@contender("PyTorch, channels_last")
def step_torch_last(task: Task) -> Step:
    """As its tuning guide says: model and images in the memory format channels_last."""
    return step_torch(task, channels_last=True)


@contender("JAX, jit")
def step_jax(task: Task) -> Step:
    """The whole step compiled; the new weights and moments replace the old ones."""
    import jax
    import jax.numpy as jnp
    import optax

    adam = optax.adam(RATE, BETA1, BETA2, EPSILON)
    norms = [[(np.ones(W.shape[-1], "f"), np.zeros(W.shape[-1], "f")) for W in stage]
             for stage in task.kernels]  # fmt: skip
    dense = [(W, np.zeros(W.shape[1], np.float32)) for W in task.dense]
    params = jax.tree.map(jnp.asarray, (task.kernels, norms, dense))

    def loss_of(params, x, y):
        kernels, norms, ((W, b), (V, c)) = params
        x = x[..., None]
        for stage, stage_norms in zip(kernels, norms, strict=True):
            for K, (gamma, beta) in zip(stage, stage_norms, strict=True):
                x = jax.lax.conv_general_dilated(
                    x, K, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
                x = jax.nn.relu((x - mean) * jax.lax.rsqrt(var + 1e-5) * gamma + beta)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        z = jax.nn.relu(x.reshape(len(x), -1) @ W + b) @ V + c
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

    @jax.jit(donate_argnums=0)
    def update(state, x, y):
        params, moments = state
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        updates, moments = adam.update(grads, moments)
        return (optax.apply_updates(params, updates), moments), loss

    state = params, adam.init(params)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal state
        state, loss = update(state, x, y.astype(np.int32))
        return float(loss)

    return step


@contender("textbook NumPy")
def step_textbook(task: Task) -> Step:
    """In conv_textbook.py: im2col with all rows at once, a mask for the maximum."""
    from conv_textbook import textbook_step

    return textbook_step(task.kernels, task.dense, (RATE, BETA1, BETA2, EPSILON))


@contender("dezero")
def step_dezero(task: Task) -> Step:
    """Its layers and functions; it divides by sqrt(var + 2e-5) where others have 1e-5."""
    vars(np)["int"] = int  # an alias that NumPy had when dezero was written
    import dezero
    from dezero import functions, layers

    class Net(dezero.Model):
        def __init__(self) -> None:
            super().__init__()
            self.stages = []
            for i, stage in enumerate(task.kernels):
                self.stages.append([])
                for j, W in enumerate(stage):
                    conv = layers.Conv2d(W.shape[3], 3, pad=1, nobias=True, in_channels=W.shape[2])
                    conv.W.data = np.ascontiguousarray(W.transpose(3, 2, 0, 1))
                    norm = layers.BatchNorm()
                    setattr(self, f"conv{i}{j}", conv)  # so that its parameters are found
                    setattr(self, f"norm{i}{j}", norm)
                    self.stages[-1].append((conv, norm))
            self.hidden = layers.Linear(task.network.units, in_size=len(task.dense[0]))
            self.last = layers.Linear(10, in_size=task.network.units)
            self.hidden.W.data, self.last.W.data = channels_first(task), task.dense[1].copy()

        def forward(self, x):
            for stage in self.stages:
                for conv, norm in stage:
                    x = conv(x)
                    if norm.avg_mean.data is None:
                        norm._init_params(x)
                    x = functions.batch_nrom(  # so it is spelt there
                        x, norm.gamma, norm.beta, norm.avg_mean.data, norm.avg_var.data
                    )
                    x = functions.relu(x)
                x = functions.pooling(x, 2, 2)
            x = functions.reshape(x, (x.shape[0], -1))
            return self.last(functions.relu(self.hidden(x)))

    model = Net()
    optimizer = None

    def step(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal optimizer
        loss = functions.softmax_cross_entropy(model(x[:, None]), y)
        if optimizer is None:  # the parameters of BatchNorm are there only now
            optimizer = dezero.optimizers.Adam(RATE, BETA1, BETA2, EPSILON).setup(model)
        model.cleargrads()
        loss.backward()
        for norm in (norm for stage in model.stages for _, norm in stage):
            for unused in (norm.avg_mean, norm.avg_var):  # running statistics get no gradient
                unused.grad = None
        optimizer.update()
        return float(loss.data)

    return step


@contender("numpy-ml")
def step_numpy_ml(task: Task) -> Step:
    """Its layers, each with an Adam of its own; it computes in float64, and sums the loss."""
    import collections
    import collections.abc

    for name in ("Hashable", "Iterable", "Mapping"):  # Python had them here when it was written
        setattr(collections, name, getattr(collections.abc, name))
    from numpy_ml.neural_nets.activations import ReLU
    from numpy_ml.neural_nets.layers import BatchNorm2D, Conv2D, Flatten, FullyConnected, Pool2D
    from numpy_ml.neural_nets.optimizers import Adam

    def adam() -> Adam:
        return Adam(lr=RATE, decay1=BETA1, decay2=BETA2, eps=EPSILON)

    class Activation:
        """ReLU as a layer of its own: there it is part of Conv2D, before BatchNorm."""

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.x = x
            return ReLU().fn(x)

        def backward(self, dout: np.ndarray) -> np.ndarray:
            return dout * ReLU().grad(self.x)

        def update(self) -> None:
            pass

    layers, given = [], []
    for stage in task.kernels:
        for W in stage:
            layers += [
                Conv2D(W.shape[3], (3, 3), pad=1, optimizer=adam()),
                BatchNorm2D(optimizer=adam()),
                Activation(),
            ]
            given.append((layers[-3], W))
        layers.append(Pool2D((2, 2), stride=2))
    hidden = FullyConnected(task.network.units, optimizer=adam())
    last = FullyConnected(10, optimizer=adam())
    layers += [Flatten(), hidden, Activation(), last]
    given += zip((hidden, last), task.dense, strict=True)
    begun = False

    def step(x: np.ndarray, y: np.ndarray) -> float:
        nonlocal begun
        if not begun:  # a first forward draws weights; we replace them
            out = x[..., None]
            for layer in layers:
                out = layer.forward(out)
            for layer, W in given:
                layer.parameters["W"] = W.astype(float)
            for layer in layers:
                if not isinstance(layer, Activation):
                    layer.flush_gradients()
                    layer.X = []
            begun = True
        out = x[..., None]
        for layer in layers:
            out = layer.forward(out)
        e = np.exp(out - out.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        p[np.arange(len(y)), y] -= 1
        dout = p / len(y)
        for layer in reversed(layers):
            dout = layer.backward(dout)
        for layer in layers:
            layer.update()
        return float(loss)

    return step


def main() -> None:
    """Run one contender and print what was measured."""
    parser = argparse.ArgumentParser(description="Run one contender, print one line of JSON.")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()

    (images, labels), _ = datasets.load_sample()
    x, y = scale_pixels(images), labels.astype(np.int64)
    try:
        step = CONTENDERS[args.name](first_task(NETWORKS[args.network]))
    except ModuleNotFoundError as error:
        print(json.dumps({"name": args.name, "left_out": str(error)}))
        return
    rng, losses, seconds = np.random.default_rng(1), [], []
    for _ in range(WARM_UP + args.steps):
        batch = rng.integers(0, len(x), BATCH)
        began = perf_counter()
        losses.append(step(x[batch], y[batch]))
        seconds.append(perf_counter() - began)
    packages = {"torch": "torch", "jax": "jax", "dezero": "dezero", "numpy_ml": "numpy-ml"}
    result = {
        "name": args.name,
        "ms": [1000 * s for s in seconds[WARM_UP:]],
        "losses": losses,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": sorted({f"{p['internal_api']} {p['num_threads']}" for p in threadpool_info()}),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__,
            **{named: version(named) for name, named in packages.items() if name in sys.modules},
        },
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
