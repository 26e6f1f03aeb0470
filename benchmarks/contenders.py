"""The same training in eleven ways, each written as an expert of that library would write it.

    task: images, classes, first weights, order of batches -> contender -> trained weights
                                                                 `-- mark(t) after step t

All train 784-512-256-128-10 with ReLU between, softmax cross-entropy and Adam (1e-3, 0.9, 0.999,
1e-8) in float32, on batches of 32 or of another size. A batch is gathered from the 60,000 images in
every step. What can be done once is done before the first step, and no thread count is set
anywhere.

`python benchmarks/contenders.py NAME --steps N` runs one contender and prints one line of JSON.
train_step.py does this for each, in a process of its own. A framework is imported inside the
functions that need it, so that the others run without it.
"""

import argparse
import json
import os
import platform
import sys

if "tinynn" in sys.argv:
    import tinynn  # noqa: F401  before NumPy, as it asks; other contenders get NumPy as it is

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count, pairwise
from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_info

from tinynn import datasets, scale_pixels

SIZES = (784, 512, 256, 128, 10)
BATCH, RATE, BETA1, BETA2, EPSILON = 32, 1e-3, 0.9, 0.999, 1e-8
WARM_UP, WINDOW = 200, 100  # steps that are not timed; steps between two readings of the clock
SCORED = 5_000  # training images on which the loss of the trained weights is measured
KERAS_CHUNK = 20  # Keras: steps in one compiled call

Weights = list[tuple[np.ndarray, np.ndarray]]  # W (in, out) and b (out,) of each layer


@dataclass
class Task:
    """What every contender gets."""

    x: np.ndarray  # (60000, 784) float32, from 0 to 1
    y: np.ndarray  # (60000,) int64
    seed: int
    steps: int
    batch: int = BATCH

    def first_weights(self) -> Weights:
        """Draw He-normal weights, and biases of zero."""
        rng = np.random.default_rng(self.seed)
        return [
            (
                rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)).astype(np.float32),
                np.zeros(n_out, np.float32),
            )
            for n_in, n_out in pairwise(SIZES)
        ]

    def epoch_rng(self, epoch: int) -> np.random.Generator:
        """Return the generator whose first permutation is the order of this epoch."""
        return np.random.default_rng([self.seed, epoch])

    def order(self) -> np.ndarray:
        """Return the samples of each step, (steps, batch)."""
        used = len(self.x) // self.batch * self.batch  # 60,000 is 1,875 times 32: no remainder
        epochs = -(-self.steps // (used // self.batch))
        shuffled = [self.epoch_rng(i).permutation(len(self.x))[:used] for i in range(epochs)]
        return np.concatenate(shuffled).reshape(-1, self.batch)[: self.steps]


class Enough(Exception):
    """Enough seconds were timed; the contender is ended."""


class Stopwatch:
    """`mark(t)` after step t reads the clock once a window; a contender may mark less often.

    seconds: after so many, and one window at least, it raises Enough; default: it never does.
    told: whether to print a line after the warm-up, for who waits until training is under way.
    """

    def __init__(self, seconds: float = np.inf, told: bool = False) -> None:
        self.marks: list[tuple[int, float]] = []
        self.next = WARM_UP
        self.seconds, self.told = seconds, told

    def __call__(self, t: int) -> None:
        if t >= self.next:
            self.marks.append((t, perf_counter()))
            self.next = t + WINDOW
            if self.told and len(self.marks) == 1:
                print("under way", flush=True)
            if len(self.marks) > 1 and self.marks[-1][1] - self.marks[0][1] >= self.seconds:
                raise Enough

    def windows(self) -> list[float]:
        """Return milliseconds a step, a number for each window."""
        return [
            1000 * (end - began) / (t_end - t_began)
            for (t_began, began), (t_end, end) in pairwise(self.marks)
        ]


Contender = Callable[[Task, Stopwatch], Weights]
CONTENDERS: dict[str, Contender] = {}


def contender(name: str) -> Callable[[Contender], Contender]:
    """Enter a function in the table under this name."""

    def enter(function: Contender) -> Contender:
        CONTENDERS[name] = function
        return function

    return enter


@contender("tinynn")
def train_tinynn(task: Task, mark: Stopwatch) -> Weights:
    """The loop of the README, the loss included."""
    from tinynn import Adam, CrossEntropy, Dense, ReLU, Sequential, Softmax, minibatches

    layers = [Dense(512), ReLU(), Dense(256), ReLU(), Dense(128), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(784,))
    dense = [layer for layer in layers if isinstance(layer, Dense)]
    for layer, (W, b) in zip(dense, task.first_weights(), strict=True):
        layer.W, layer.b = W, b
    loss, optimizer = CrossEntropy(), Adam(RATE, BETA1, BETA2, EPSILON)
    t, losses = 0, []
    for epoch in count():
        for x, y in minibatches(task.x, task.y, task.batch, task.epoch_rng(epoch)):
            p = model.forward(x)
            losses.append(loss.forward(p, y))
            model.backward(loss.backward(p, y))
            optimizer.step(model.params, model.grads)
            t += 1
            mark(t)
            if t == task.steps:
                return [(layer.W, layer.b) for layer in dense]


@contender("naive NumPy")
def train_naive(task: Task, mark: Stopwatch) -> Weights:
    """The twenty lines that everyone writes: new arrays each time, and Adam as in the textbook."""
    params = [array for layer in task.first_weights() for array in layer]
    m = [np.zeros_like(p) for p in params]
    v = [np.zeros_like(p) for p in params]
    losses = []
    for t, batch in enumerate(task.order(), 1):
        x, y = task.x[batch], task.y[batch]
        activations = [x]
        for i in range(0, len(params), 2):
            z = activations[-1] @ params[i] + params[i + 1]
            activations.append(np.maximum(z, 0))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        losses.append(-np.log(p[np.arange(len(y)), y]).mean())
        p[np.arange(len(y)), y] -= 1
        d, grads = p / len(y), []
        for i in reversed(range(0, len(params), 2)):
            a = activations[i // 2]
            grads = [a.T @ d, d.sum(axis=0), *grads]
            if i:
                d = (d @ params[i].T) * (a > 0)
        for i, g in enumerate(grads):
            m[i] = BETA1 * m[i] + (1 - BETA1) * g
            v[i] = BETA2 * v[i] + (1 - BETA2) * g**2
            m_hat = m[i] / (1 - BETA1**t)
            v_hat = v[i] / (1 - BETA2**t)
            params[i] = params[i] - RATE * m_hat / (np.sqrt(v_hat) + EPSILON)
        mark(t)
    return list(zip(params[::2], params[1::2], strict=True))


def train_torch(task: Task, mark: Stopwatch, fused: bool, compiled: bool) -> Weights:
    """Gather tensors in memory by index: a DataLoader would collate sample by sample."""
    import torch
    from torch import nn

    torch.set_flush_denormal(True)  # before the first product: worker threads inherit it
    dense = [nn.Linear(*pair) for pair in pairwise(SIZES)]
    with torch.no_grad():
        for layer, (W, b) in zip(dense, task.first_weights(), strict=True):
            layer.weight.copy_(torch.from_numpy(W.T))
            layer.bias.copy_(torch.from_numpy(b))
    model = nn.Sequential(*[part for layer in dense for part in (layer, nn.ReLU())][:-1])
    optimizer = torch.optim.Adam(
        model.parameters(), lr=RATE, betas=(BETA1, BETA2), eps=EPSILON, fused=fused
    )
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(model(x[batch]), y[batch])

    if compiled:
        loss_of = torch.compile(loss_of)
    losses = []
    for t, batch in enumerate(torch.from_numpy(task.order()), 1):
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        mark(t)
    return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in dense]


@contender("PyTorch, Adam")
def train_torch_default(task: Task, mark: Stopwatch) -> Weights:
    """Eager, with the optimizer's defaults."""
    return train_torch(task, mark, fused=False, compiled=False)


@contender("PyTorch, fused Adam")
def train_torch_fused(task: Task, mark: Stopwatch) -> Weights:
    """Eager, with one kernel for the whole update."""
    return train_torch(task, mark, fused=True, compiled=False)


@contender("torch.compile, fused Adam")
def train_torch_compiled(task: Task, mark: Stopwatch) -> Weights:
    """Gather, forward, loss and backward compiled, the update in one kernel."""
    return train_torch(task, mark, fused=True, compiled=True)


def jax_step(task: Task) -> tuple:
    """Return JAX's data, the state before the first step, and the step, not yet compiled."""
    import jax
    import jax.numpy as jnp
    import optax

    adam = optax.adam(RATE, BETA1, BETA2, EPSILON)
    params = [(jnp.asarray(W), jnp.asarray(b)) for W, b in task.first_weights()]
    data = jnp.asarray(task.x), jnp.asarray(task.y.astype(np.int32))

    def loss_of(params, x, y):
        *hidden, (W, b) = params
        for W_hidden, b_hidden in hidden:
            x = jax.nn.relu(x @ W_hidden + b_hidden)
        return optax.softmax_cross_entropy_with_integer_labels(x @ W + b, y).mean()

    def step(state, data, batch):
        params, moments = state
        x, y = data
        loss, grads = jax.value_and_grad(loss_of)(params, x[batch], y[batch])
        updates, moments = adam.update(grads, moments)
        return (optax.apply_updates(params, updates), moments), loss

    return data, (params, adam.init(params)), step


@contender("JAX, jit")
def train_jax(task: Task, mark: Stopwatch) -> Weights:
    """One compiled call a step, in which the new weights and moments replace the old ones."""
    import jax

    data, state, step = jax_step(task)
    step = jax.jit(step, donate_argnums=0)
    losses = []
    for t, batch in enumerate(task.order().astype(np.int32), 1):
        state, loss = step(state, data, batch)
        losses.append(loss)
        if t % WINDOW == 0:  # calls return early: wait before the clock is read
            jax.block_until_ready(state)
        mark(t)
    return [(np.asarray(W), np.asarray(b)) for W, b in state[0]]


@contender("JAX, scan")
def train_jax_scan(task: Task, mark: Stopwatch) -> Weights:
    """The loop itself compiled. It returns once a window, to let the clock be read."""
    import jax

    data, state, step = jax_step(task)

    @jax.jit(donate_argnums=0)
    def run(state, data, batches):
        return jax.lax.scan(lambda state, batch: step(state, data, batch), state, batches)

    order = task.order().astype(np.int32)
    losses = []
    for start in range(0, task.steps, WINDOW):
        batches = order[start : start + WINDOW]
        state, window_losses = jax.block_until_ready(run(state, data, batches))
        losses.append(window_losses)
        mark(start + len(batches))
    return [(np.asarray(W), np.asarray(b)) for W, b in state[0]]


def train_keras(task: Task, mark: Stopwatch, backend: str) -> Weights:
    """Train with `fit`, which shuffles by itself: the order of batches is another one."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import keras

    if backend == "torch":
        import torch

        torch.set_flush_denormal(True)
    keras.utils.set_random_seed(task.seed)
    dense = [keras.layers.Dense(size, activation="relu") for size in SIZES[1:-1]]
    dense.append(keras.layers.Dense(SIZES[-1]))
    model = keras.Sequential([keras.Input((SIZES[0],)), *dense])
    for layer, weights in zip(dense, task.first_weights(), strict=True):
        layer.set_weights(weights)
    model.compile(
        optimizer=keras.optimizers.Adam(RATE, BETA1, BETA2, EPSILON),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=1 if backend == "torch" else KERAS_CHUNK,
    )
    per_epoch = -(-len(task.x) // task.batch)

    class Marks(keras.callbacks.Callback):
        """Calls `mark` after each step, and ends training after the last."""

        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            self.before = epoch * per_epoch

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            t = self.before + batch + 1
            mark(t)
            self.model.stop_training = t >= task.steps

    epochs = -(-task.steps // per_epoch)
    model.fit(task.x, task.y, task.batch, epochs, verbose=0, callbacks=[Marks()])
    return [tuple(layer.get_weights()) for layer in dense]


@contender("Keras on TensorFlow")
def train_keras_tensorflow(task: Task, mark: Stopwatch) -> Weights:
    """20 steps in one compiled call."""
    return train_keras(task, mark, "tensorflow")


@contender("Keras on JAX")
def train_keras_jax(task: Task, mark: Stopwatch) -> Weights:
    """20 steps in one compiled call."""
    return train_keras(task, mark, "jax")


@contender("Keras on PyTorch")
def train_keras_torch(task: Task, mark: Stopwatch) -> Weights:
    """Step by step."""
    return train_keras(task, mark, "torch")


@contender("scikit-learn")
def train_sklearn(task: Task, mark: Stopwatch) -> Weights:
    """partial_fit takes one step with the batch it is given.

    Its first call draws weights of its own; they are overwritten after it, and that step's moments
    stay.
    """
    import sklearn
    from sklearn.neural_network import MLPClassifier

    sklearn.set_config(assume_finite=True)
    network = MLPClassifier(
        SIZES[1:-1], alpha=0.0, batch_size=task.batch, learning_rate_init=RATE, shuffle=False
    )
    for t, batch in enumerate(task.order(), 1):
        if t == 1:
            network.partial_fit(task.x[batch], task.y[batch], classes=np.arange(SIZES[-1]))
            own = zip(network.coefs_, network.intercepts_, strict=True)
            for (own_W, own_b), (W, b) in zip(own, task.first_weights(), strict=True):
                own_W[:], own_b[:] = W, b
        else:
            network.partial_fit(task.x[batch], task.y[batch])
        mark(t)
    return list(zip(network.coefs_, network.intercepts_, strict=True))


def loss_of_weights(weights: Weights, task: Task) -> float:
    """Return the mean cross-entropy on the first 5,000 training images, in float64."""
    a, y = task.x[:SCORED].astype(np.float64), task.y[:SCORED]
    for W, b in weights:
        z = a @ W + b  # (SCORED, out)
        a = np.maximum(z, 0)
    z -= z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(SCORED), y]).mean())


def threads() -> dict[str, str]:
    """Return the thread pools of the libraries that this process has loaded, by their names."""
    pools = {
        " ".join(
            filter(None, (pool["internal_api"], pool["version"], pool.get("architecture")))
        ): f"{pool['num_threads']} threads"
        for pool in threadpool_info()
    }
    if "torch" in sys.modules:
        torch = sys.modules["torch"]  # its BLAS is linked in, so threadpool_info does not see it
        blas = "MKL" if torch.backends.mkl.is_available() else "no MKL"
        pools[f"torch ({blas})"] = f"{torch.get_num_threads()} threads"
    for own_pool in ("jax", "tensorflow"):  # they have a pool, but do not tell its size
        if own_pool in sys.modules:
            pools[own_pool] = f"default, {len(os.sched_getaffinity(0))} cores"
    return pools


def versions() -> dict[str, str]:
    """Return the versions of all that was imported."""
    packages = ("numpy", "torch", "jax", "jaxlib", "optax", "keras", "tensorflow", "sklearn")
    named = {"sklearn": "scikit-learn", "tensorflow": "tensorflow-cpu"}
    loaded = [named.get(name, name) for name in packages if name in sys.modules]
    return {"python": platform.python_version(), **{name: version(name) for name in loaded}}


def main() -> None:
    """Run one contender and print what was measured."""
    parser = argparse.ArgumentParser(description="Run one contender, print one line of JSON.")
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--steps", type=int, default=1720)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--seconds", type=float, default=np.inf, help="end after so many")
    parser.add_argument("--told", action="store_true", help="say when the warm-up is over")
    args = parser.parse_args()

    (x, y), _ = datasets.load_fashion_mnist()
    images = scale_pixels(x).reshape(len(x), -1)
    task = Task(images, y.astype(np.int64), args.seed, args.steps, args.batch)
    stopwatch, loss = Stopwatch(args.seconds, args.told), None
    try:
        loss = loss_of_weights(CONTENDERS[args.name](task, stopwatch), task)
    except Enough:
        pass
    except ModuleNotFoundError as error:
        print(json.dumps({"name": args.name, "left_out": str(error)}))
        return
    result = {
        "name": args.name,
        "windows": stopwatch.windows(),
        "loss": loss,
        "threads": threads(),
        "versions": versions(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
