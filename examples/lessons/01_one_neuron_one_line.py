# %% [markdown]
# # 1. One neuron, one line
#
# A *neuron* is a weighted sum of its inputs, plus a number of its own:
#
#     out = x w + b
#
# With one input that is the equation of a straight line: w, the *weight*, is its slope, and b, the
# *bias*, its height at x = 0. The two are the neuron's *parameters*. The data are *samples*: each
# is an x with the y that belongs to it. *Training* means to find the parameters for which the line
# lies closest to the samples. Tonight we watch it happen, and check the result without training.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import SGD, Dense, MeanSquaredError, Sequential

rng = np.random.default_rng(1)
x = rng.uniform(-1, 1, size=(40, 1))  # 40 samples of one number each
y = 0.7 * x + 0.3 + rng.normal(0, 0.15, size=(40, 1))  # a line, which we want to find, plus noise

# %% [markdown]
# ## How wrong is a line?
#
# For each sample take the difference between what the neuron says, p, and what is right, y; square
# it, so that too high and too low count alike; and average over all N samples:
#
#     L = mean of (p - y)^2
#
# L is the *loss*, here the *mean squared error*. With these samples it depends on w and b alone, so
# we can picture it as a landscape over the plane of all (w, b): a valley, whose lowest point is the
# best line. (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 5.1.4.)
#
# ## Which way is down?
#
# The *gradient* is the pair of the two derivatives of L: how L changes as w grows a little, and how
# it changes as b does. By the chain rule
#
#     dL/dw = mean of 2 (p - y) x        dL/db = mean of 2 (p - y)
#
# The gradient points uphill, so a step against it goes down. *Gradient descent* does nothing else:
#
#     w <- w - learning rate * dL/dw     b <- b - learning rate * dL/db
#
# The *learning rate* decides how long the steps are. We choose it by hand; evening 8 says how.
#
# In tinynn a neuron is a `Dense(1)`, `Sequential` is the model that contains it, and `SGD` takes
# the steps; `forward` computes p, and `backward` computes the gradient. (In code w is W, a matrix
# with one row and one column.)

# %%
neuron = Dense(1)
model = Sequential([neuron], input_shape=(1,), dtype=np.float64)
neuron.W, neuron.b = [[-0.8]], [-0.6]  # start somewhere else on purpose
loss, optimizer = MeanSquaredError(), SGD(learning_rate=0.1)

path, losses = [], []
for _ in range(300):
    p = model.forward(x)
    path.append((neuron.W.item(), neuron.b.item()))
    losses.append(loss.forward(p, y))
    model.backward(loss.backward(p, y))
    optimizer.step(model.params, model.grads)

w, b = neuron.W.item(), neuron.b.item()
print(f"gradient descent: out = {w:.6f} x + {b:.6f}, loss {losses[-1]:.6f}")

# %% [markdown]
# ## Is it the best line?
#
# For a straight line there is a formula, known since Gauss and Legendre: *least squares*. NumPy has
# it, and it needs no steps. If gradient descent is right, it must arrive at the same place.

# %%
columns = np.hstack([x, np.ones_like(x)])
w_best, b_best = np.linalg.lstsq(columns, y, rcond=None)[0].ravel()
print(f"least squares:    out = {w_best:.6f} x + {b_best:.6f}")
print(f"they differ by {abs(w - w_best):.1e} in w and {abs(b - b_best):.1e} in b")

# %% [markdown]
# ## The picture
#
# Left, the data and three lines on the way. Right, the valley from above, and the path through it;
# each ring joins the places with one value of the loss. First the valley is steep and the steps are
# long. Then it gets flatter, and the steps get shorter: their length is proportional to the
# gradient.

# %%
figure = plt.figure(figsize=(9, 4), layout="constrained")
data, valley = figure.subplots(1, 2)
data.plot(x, y, "o", ms=4, color="#999999", label="data")
for step, colour in ((0, "#56B4E9"), (10, "#E69F00"), (299, "#D55E00")):
    w_then, b_then = path[step]
    ends = np.array([-1, 1])
    data.plot(ends, w_then * ends + b_then, color=colour, label=f"after {step} steps")
data.set(title="The line", xlabel="x", ylabel="y")
data.legend()

grid_w, grid_b = np.meshgrid(np.linspace(-1.2, 1.6, 80), np.linspace(-0.9, 1.1, 80))
grid_loss = np.mean((grid_w[..., None] * x[:, 0] + grid_b[..., None] - y[:, 0]) ** 2, axis=-1)
rings = valley.contour(grid_w, grid_b, grid_loss, levels=12, colors="#999999", linewidths=0.8)
valley.clabel(rings, fontsize=8)
valley.plot(*zip(*path, strict=True), "o-", ms=3, color="#D55E00", label="gradient descent")
valley.plot(w_best, b_best, "*", ms=14, color="#0072B2", label="least squares")
valley.set(title="Its path down the valley of the loss", xlabel="w, slope", ylabel="b, height")
valley.legend(loc="lower right")

out = Path("runs/lessons/01_one_neuron_one_line.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Gradient descent uses nothing but the gradient, and arrives where an exact formula does. That
# matters because for the networks of the following evenings there is no such formula, and gradient
# descent still works.
#
# ## Questions
#
# 1. Set the learning rate to 0.9, then to 1.1. What happens to the path, and why is there a limit?
# 2. Replace the noise by one *outlier*, `y[0] = 10`. Which way does the line move, and which part
#    of "mean of (p - y)^2" is the reason?
