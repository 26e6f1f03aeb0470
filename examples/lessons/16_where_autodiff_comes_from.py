# %% [markdown]
# # 16. Where autodiff comes from
#
# In evening 2 we wrote out each gradient. PyTorch, JAX and TensorFlow need only the way forward.
# Tonight we build such a machine in forty lines. It gives tinynn's numbers; what does it cost?
#
# Each program is a chain of simple operations, and of each of these we know the derivative. So let
# each operation write down, on a *tape*, its result, what it was made from, and how a gradient goes
# back through it. Then the tape is read from its end to its beginning: at each entry the gradient
# is complete, as all that was made from it stands after it, and the chain rule passes it on.
# (Baydin, Pearlmutter, Radul and Siskind, Automatic Differentiation in Machine Learning: a Survey,
# 2018, section 3.2, reverse mode.)

# %%
from functools import partial
from pathlib import Path
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

from tinynn import Dense, ReLU, Sequential, SoftmaxCrossEntropy

loss, tape = SoftmaxCrossEntropy(), []


class Value:
    """An array that knows what it was made from: pairs of a value and the way back to it."""

    def __init__(self, array, *made_from):
        self.array, self.made_from, self.gradient = np.asarray(array, float), made_from, 0.0
        if made_from:
            tape.append(self)

    def __add__(self, b):
        return Value(self.array + b.array, (self, lambda d: d), (b, lambda d: d))

    def __mul__(self, b):
        ways = (self, lambda d: d * b.array), (b, lambda d: d * self.array)
        return Value(self.array * b.array, *ways)

    def __matmul__(self, b):
        ways = (self, lambda d: d @ b.array.T), (b, lambda d: self.array.T @ d)
        return Value(self.array @ b.array, *ways)

    def exp(self):
        out = np.exp(self.array)
        return Value(out, (self, lambda d: d * out))

    def log(self):
        return Value(np.log(self.array), (self, lambda d: d / self.array))

    def relu(self):
        return Value(np.maximum(self.array, 0), (self, lambda d: d * (self.array > 0)))

    def sum(self, axis=None):
        out = self.array.sum(axis, keepdims=True)
        return Value(out, (self, lambda d: np.broadcast_to(d, self.array.shape)))


def summed_to(shape, d):
    """Add up d over the axes on which NumPy had repeated an array: each sample uses b (H,)."""
    while d.ndim > len(shape):
        d = d.sum(axis=0)
    axes = tuple(i for i, n in enumerate(shape) if n < d.shape[i])
    return d.sum(axis=axes, keepdims=True) if axes else d


def backward(result):
    """Read the tape back from its end, and empty it."""
    result.gradient = np.ones_like(result.array)
    while tape:
        value = tape.pop()
        for source, back in value.made_from:
            source.gradient += summed_to(source.array.shape, back(value.gradient))


# %% [markdown]
# ## The network of evening 2, and a deeper one
#
# Softmax and cross-entropy: L = mean of log(sum_k exp(z_k)) - z of the right answer. We write only
# the way forward, for evening 2's network and with a layer more, and compare with tinynn.


# %%
def loss_on_tape(x, y, parameters):
    z = Value(x) @ parameters[0] + parameters[1]
    for W, b in zip(parameters[2::2], parameters[3::2], strict=True):
        z = z.relu() @ W + b
    losses = z.exp().sum(axis=1).log() + (Value(-y) * z).sum(axis=1)  # y: 1 at the right answer
    return losses.sum() * Value(1 / len(x))


def by_tape(model, x, y):
    parameters = [*map(Value, model.named_parameters().values())]
    result = loss_on_tape(x, y, parameters)
    backward(result)
    return result.array.item(), parameters


def by_layers(model, x, y):
    p = model.forward(x)
    model.backward(loss.backward(p, y))
    return loss.forward(p, y), model.grads


def network(inputs, *units):
    layers = [layer for n in units for layer in (Dense(n), ReLU())]
    return Sequential(layers[:-1], input_shape=(inputs,), dtype=np.float64)


x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
two, rng = network(2, 2, 2), np.random.default_rng(44)
two.layers[0].W, two.layers[2].W = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))  # evening 2's
for name, model in (("evening 2", two), ("deeper", network(2, 5, 7, 2))):
    (ours, parameters), (theirs, grads) = by_tape(model, x, y), by_layers(model, x, y)
    error = max(abs(grads - np.concatenate([v.gradient.ravel() for v in parameters])))
    print(f"{name}: loss {ours:.4f} and {theirs:.4f}; {grads.size} gradients differ by {error:.0e}")

# %% [markdown]
# ## What it costs: the fastest of 20 steps, with 64 samples of H numbers and H hidden units

# %%
units, times = [2, 8, 32, 128, 512], {"tinynn's layers": [], "the tape": []}
for H in units:
    data = network(H, H, 2), rng.normal(size=(64, H)), np.eye(2)[rng.integers(0, 2, 64)]
    for step, taken in zip((by_layers, by_tape), times.values(), strict=True):
        taken.append(1e6 * min(repeat(partial(step, *data), number=1, repeat=20)))
    print(f"H = {H}:", ", ".join(f"{name} {taken[-1]:.0f} us" for name, taken in times.items()))

# %%
loss_on_tape(x, y, [*map(Value, two.named_parameters().values())])
entries, tape[:] = [*tape], []
figure, (steps, curves) = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
for i, value in enumerate(entries):
    name = value.made_from[0][1].__qualname__.split(".")[1].strip("_")  # of its operation
    steps.text(-0.25, -i, f"{name:^14}", ha="center", va="center", backgroundcolor="#BFDCEC")
    for j in [entries.index(source) for source, _ in value.made_from if source in entries]:
        style = {"arrowstyle": "->", "connectionstyle": f"arc3,rad={0.5 * (i - j > 1)}"}
        steps.annotate("", (0.1, -j), (0.1, -i), arrowprops={**style, "color": "#D55E00"})
steps.set(xlim=(-1, 1.5), ylim=(-12.7, 0.7), title="The tape; arrows: the way back")
steps.axis("off")
for (name, taken), colour in zip(times.items(), ("#0072B2", "#D55E00"), strict=True):
    curves.loglog(units, taken, "o-", color=colour, label=name)
curves.set(title="A step with 64 samples", xlabel="hidden units H", ylim=(40, 40_000))
curves.set(xticks=units, xticklabels=units, ylabel="microseconds")
curves.legend()
out = Path("runs/lessons/16_where_autodiff_comes_from.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Forty lines compute the gradient of any program made of their operations, as exactly as by hand.
# They take longer: they make a new array for each result, keep it until it is read back, and
# compute the gradient of x, for which nobody asked.
#
# ## Questions
#
# 1. Write `=` for `+=` in `backward`. Which gradient of a * a + a at a = 3 comes out, and why?
# 2. log(1 + exp(a)) has the derivative 1 / (1 + exp(-a)). What does the tape say at a = 1, and at
#    a = 1000? What does a machine differentiate: a function, or the way in which it is computed?
