# %% [markdown]
# # 7. Twenty layers deep
#
# Last night hidden layers solved what no single layer can. Why not take twenty? Because an image
# has to pass through all of them, the gradient of the loss has to pass all the way back, and each
# layer multiplies both by about the same factor. Tonight we work out that factor, set it to 1, and
# see what happens where it is not 1. Nothing is trained: all depends on the first weights.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import (
    Dense,
    Flatten,
    Layer,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    check_gradients,
    datasets,
    glorot_uniform,
    he_normal,
)

(x, y), _ = datasets.load_sample()
x, y = x[:300] / 255, y[:300]  # bytes become 0 to 1

# %% [markdown]
# ## The factor of one layer
#
# The *variance* of some numbers is the mean of their squared distances from their mean. Its root is
# the *standard deviation*, a typical distance from the mean. One output of a layer, before ReLU, is
#
#     z = sum over its fan_in inputs i of  x_i W_i
#
# with weights drawn at random around 0. Each product then has the mean 0 and the variance
# Var(W) * E[x^2], where E is the mean over all inputs, and variances of independent numbers add up.
# Each x is what ReLU made of a z of the layer before. Half of these z are negative, and ReLU sets
# them to 0, so half of the mean square is left, E[x^2] = Var(z before) / 2:
#
#     Var(z)  =  fan_in * Var(W) * E[x^2]  =  Var(z before) * fan_in * Var(W) / 2
#
# So the standard deviation, its root, changes by a factor of std(W) * sqrt(fan_in / 2) from layer
# to layer. On the way back the same holds with fan_out, the number of outputs: dx = dout W.T is
# such a sum, and ReLU's *mask* (1 where x > 0, else 0) lets half of it pass. The factor is 1 if
# Var(W) = 2 / fan_in. That is `he_normal`, whose 2 makes up for ReLU's half. (He, Zhang, Ren and
# Sun, Delving Deep into Rectifiers, 2015, section 2.2.)
#
# ## Four initializations, measured
#
# *Initialization* is how the first weights are drawn. We take twenty layers of 512 neurons each, so
# that fan_in and fan_out are both 512.

# %%
UNITS = 512


def standard_deviations(initializer, activation, depth, units):
    """Return the standard deviation of z in each hidden layer, and that of dz, its gradient."""
    hidden = [layer for _ in range(depth) for layer in (Dense(units, initializer), activation())]
    layers = [Flatten(), *hidden, Dense(10, initializer)]
    model = Sequential(layers, input_shape=(28, 28), seed=0, dtype=np.float64)
    out, forward, backward = x, [], []
    for layer in model.layers:
        out = layer.forward(out)
        forward.append(out.std())
    dout = SoftmaxCrossEntropy().backward(out, y)
    for layer in reversed(model.layers):
        backward.insert(0, dout.std())  # of the gradient of what this layer returned
        dout = layer.backward(dout)
    return np.array(forward[1:-1:2]), np.array(backward[1:-1:2])  # after each hidden Dense


initializers = {  # each with the standard deviation of its weights
    "too small": (lambda shape, rng: rng.normal(0, 0.02, shape), 0.02),
    "glorot_uniform": (glorot_uniform, np.sqrt(2 / (UNITS + UNITS))),
    "he_normal": (he_normal, np.sqrt(2 / UNITS)),
    "too large": (lambda shape, rng: rng.normal(0, 0.2, shape), 0.2),
}
measured, factors = {}, {}
print("factor of a layer   formula  forward  backward   gradient, first layer / last layer")
for name, (initializer, std) in initializers.items():
    forward, backward = measured[name] = standard_deviations(initializer, ReLU, 20, UNITS)
    ratio = backward[0] / backward[-1]
    there, back = (forward[-1] / forward[0]) ** (1 / 19), ratio ** (1 / 19)
    factors[name] = std * np.sqrt(UNITS / 2), there, back
    print(f"{name:<18} {factors[name][0]:8.2f} {there:8.2f}  {back:8.2f}   {ratio:.1e}")

# %% [markdown]
# Once, a factor of 0.32 does no harm. Nineteen times in a row, it leaves less than 1e-9 of the
# gradient for the first layer: it *vanishes*. With 3.2 it *explodes*. Glorot's weights leave 1e-3.
#
# ## A layer of your own
#
# What is `glorot_uniform` for, then? For layers of one size its Var(W) is 1 / fan_in, without the
# 2. It suits a layer that halves nothing, such as tanh, which is almost x near 0. (Glorot and
# Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010, section
# 4.2.) We write tanh ourselves; its derivative is 1 - tanh(x)^2. Finite differences check it.


# %%
class Tanh(Layer):
    def forward(self, x, training=True):
        out = np.tanh(x)
        if training:
            self.derivative = 1 - out**2
        return out

    def input_gradient(self, dout):
        return dout * self.derivative


small = Sequential([Dense(3), Tanh(), Dense(2)], input_shape=(2,))
report = check_gradients(small, SoftmaxCrossEntropy(), x=[[1, 2], [3, -4]], y=[0, 1])
print(report)

tanh = {}  # a hundred layers: in twenty the two are hard to tell apart
for name in ("glorot_uniform", "he_normal"):
    tanh[name] = standard_deviations(initializers[name][0], Tanh, depth=100, units=128)
    _, backward = tanh[name]
    print(f"100 layers of Tanh, {name}: gradient, first / last, {backward[0] / backward[-1]:.2g}")

# %% [markdown]
# ## The picture
#
# On logarithmic axes all lines on the left and in the middle are straight: each layer has the same
# factor. On the right the gradient vanishes slowly with Glorot's weights, because tanh is a little
# flatter than x. With He's weights it grows by a steady factor on its way back: nothing is halved
# here, so the 2 is too much.

# %%
figure = plt.figure(figsize=(9, 4), layout="constrained")
there, back, own = figure.subplots(1, 3)
colours = dict(zip(initializers, ("#D55E00", "#0072B2", "#009E73", "#000000"), strict=True))
for name, (forward, backward) in measured.items():
    there.semilogy(range(1, 21), forward, "o-", ms=3, color=colours[name], label=name)
    back.semilogy(range(1, 21), backward, "o-", ms=3, color=colours[name])
for name, (_, backward) in tanh.items():
    own.semilogy(range(1, 101), backward / backward[-1], color=colours[name])
ticks = [1, 5, 10, 15, 20]
there.set(title="ReLU, forward", xlabel="layer", ylabel="standard deviation of z", xticks=ticks)
back.set(title="ReLU, back", xlabel="layer", ylabel="standard deviation of dz", xticks=ticks)
own.set(title="Tanh, back", xlabel="layer", ylabel="standard deviation of dz, layer 100 = 1")
figure.legend(loc="outside lower center", ncols=4)
out = Path("runs/lessons/07_twenty_layers_deep.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Whether twenty layers can learn is decided before the first step, by one number for each layer:
# std(W) * sqrt(fan_in / 2) with ReLU. If it is 1, image and gradient get through; if not, they
# vanish or explode, as fast as the formula says. Tanh halves nothing and needs Glorot's weights.
#
# ## Questions
#
# 1. Let negative numbers through at a tenth: out = x where x > 0, elsewhere 0.1 x. How much of the
#    mean square is left, and which Var(W) keeps Var(z)? Write the layer and measure.
# 2. Train three networks with the first three initializers, 128 neurons a layer, for 100 steps of
#    `SGD(0.01)` on these images. One learns. Why do the others stay at a loss of ln 10?
