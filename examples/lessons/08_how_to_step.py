# %% [markdown]
# # 8. How to step
#
# Until now one number was given: the *learning rate*, by which the gradient is multiplied. Tonight
# we choose it. Then we meet two other ways to step, momentum and Adam, and compare them with plain
# gradient descent.
#
# ## A valley with known curvature
#
# Take a loss of two parameters, r and s, that is a long, narrow valley:
#
#     L(r, s) = a/2 r^2 + c/2 s^2        dL/dr = a r        dL/ds = c s
#
# Along r the gradient grows by a for each unit of length, along s by c. That is the *curvature*:
# how fast the gradient changes. Here a = 1 and c = 50: nearly flat along the valley, steep across
# it. A step of gradient descent multiplies each parameter by a fixed number, so that after N steps
#
#     r_N = (1 - learning rate * a)^N r_0        s_N = (1 - learning rate * c)^N s_0
#
# Both shrink only if both brackets lie between -1 and 1. The steep direction decides:
#
#     learning rate < 2 / c
#
# Below that limit, the flat direction needs a rate as large as possible. (Goodfellow, Bengio and
# Courville, Deep Learning, 2016, section 4.3.1; LeCun, Bottou, Orr and Müller, Efficient BackProp,
# 1998, section 5.1.)

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import SGD, Adam, Dense, Flatten, ReLU, Sequential

curvatures, start, STEPS = np.array([1.0, 50.0]), np.array([-9.0, 1.2]), 60


def height(w):
    return np.sum(curvatures / 2 * w**2)


def descend(optimizer, steps=STEPS):
    """Return the path from `start`. An optimizer needs no network, only gradients."""
    w, path = start.copy(), [start.copy()]
    for _ in range(steps):
        optimizer.step(w, grads=curvatures * w)
        path.append(w.copy())
    return np.array(path)  # (steps + 1, 2)


rates = np.geomspace(1e-4, 0.1, 501)
ends = np.array([height(descend(SGD(rate))[-1]) for rate in rates])
formula = ((1 - rates[:, None] * curvatures) ** (2 * STEPS) * start**2) @ curvatures / 2
limit = rates[ends > height(start)].min()  # from here on the loss has grown

print(f"at the start L = {height(start):.1f}; after {STEPS} steps of gradient descent")
for rate, verdict in ((0.0004, "too small"), (0.036, "right"), (0.042, "too large")):
    print(f"  learning rate {rate:.4f}: L = {height(descend(SGD(rate))[-1]):<8.3g} {verdict}")
print(f"the loss grows from {limit:.4f} on; 2 / c is {2 / curvatures.max():.4f}")

# %% [markdown]
# ## Momentum, and Adam
#
# With *momentum* a step is the *velocity*, which keeps a part of the step before. Across the valley
# the gradients change sign and cancel; along the valley they agree, and the steps get longer:
#
#     velocity <- momentum * velocity - learning rate * gradient        w <- w + velocity
#
# *Adam* keeps two *moving averages* for each parameter, in which old gradients count less and less:
# m of the gradient, v of its square (both corrected, because they begin at 0). It divides m by the
# root of v, so the size of the gradient cancels:
#
#     w <- w - learning rate * m / sqrt(v)
#
# While a gradient stays the same, a step is as long as the learning rate, whether the loss is steep
# or flat. (Sutskever et al., On the importance of initialization and momentum in deep learning,
# 2013, equations 1 and 2; Kingma and Ba, Adam, 2015, algorithm 1.)

# %%
optimizers = {"SGD": SGD(0.036), "momentum": SGD(0.036, momentum=0.8), "Adam": Adam(0.5)}
paths = {name: descend(optimizer, steps=400) for name, optimizer in optimizers.items()}
arrivals = {}
for name, path in paths.items():
    heights = [height(w) for w in path]
    arrivals[name] = next(t for t in range(400) if max(heights[t:]) < 0.001)
    print(f"{name:<9} stays below 0.001 after {arrivals[name]:>3} steps")

# %% [markdown]
# ## A real task
#
# Nobody knows the curvature of a network's loss, and it changes during training. So we try several
# rates, each larger than the last by the same factor. Here a small network takes 100 steps on the
# real images, in batches of 50; then we compute its loss on all 6,000.

# %%
(images, y), _ = tinynn.datasets.load_sample()
x = tinynn.scale_pixels(images)
loss = tinynn.SoftmaxCrossEntropy()


def final_loss(optimizer, steps=100):
    model = Sequential([Flatten(), Dense(32), ReLU(), Dense(10)], input_shape=(28, 28), seed=0)
    batches = tinynn.minibatches(x, y, 50, np.random.default_rng(1))
    for _, (xb, yb) in zip(range(steps), batches, strict=False):
        z = model.forward(xb)
        model.backward(loss.backward(z, yb))
        optimizer.step(model.params, model.grads)
    return loss.forward(model.predict(x), y)


tried = np.geomspace(1e-5, 1, 16)
kinds = {"SGD": SGD, "momentum": lambda rate: SGD(rate, momentum=0.9), "Adam": Adam}
losses = {}
for name, kind in kinds.items():
    values = losses[name] = np.array([final_loss(kind(rate)) for rate in tried])
    print(f"{name:<9} has its best loss, {values.min():.2f}, at {tried[values.argmin()]:.3f}")

# %%
figure = plt.figure(figsize=(9, 7), layout="constrained")
panels = figure.subplot_mosaic([["valley", "valley"], ["exact", "real"]])
valley, exact, real = panels.values()
colours = {"SGD": "#0072B2", "momentum": "#D55E00", "Adam": "#009E73"}
grid_r, grid_s = np.meshgrid(np.linspace(-10, 3, 160), np.linspace(-1.8, 1.8, 80))
heights = (grid_r**2 + 50 * grid_s**2) / 2
valley.contour(grid_r, grid_s, heights, levels=[0.5, 2, 8, 20, 40, 70], colors="#bbbbbb")
for name, path in paths.items():
    label = f"{name}: {arrivals[name]} steps until L stays below 0.001"
    valley.plot(*path[: STEPS + 1].T, "o-", ms=3, lw=1.2, c=colours[name], label=label)
valley.plot(0, 0, "*", ms=13, c="black", label="the bottom")
valley.set(title=f"{STEPS} steps down the valley", xlabel="r, along", ylabel="s, across")
valley.set_ylim(-1.8, 3.4)
valley.legend(loc="upper right", ncols=2, fontsize=9)

exact.loglog(rates, ends, c=colours["SGD"], lw=4, alpha=0.4, label=f"after {STEPS} steps")
exact.loglog(rates, formula, "-", lw=1, c="black", label="by the formula")
exact.axhline(height(start), ls=":", c="black", label="at the start")
exact.axvline(2 / 50, ls="--", c="#D55E00", label="2 / largest curvature")
exact.set(title="The valley: SGD", xlabel="learning rate", ylabel="loss L", ylim=(1e-1, 1e4))
exact.legend(fontsize=9, loc="upper left")
for name, values in losses.items():
    real.semilogx(tried, values, "o-", ms=3, c=colours[name], label=name)
real.axhline(np.log(10), ls=":", c="black", label="guessing, ln 10")
real.set(title="Real images, after 100 steps", xlabel="learning rate", ylabel="loss", ylim=(0, 3.6))
real.legend(fontsize=9, loc="upper center", ncols=2)
out = Path("runs/lessons/08_how_to_step.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Gradient descent gets down if the learning rate is below 2 / the largest curvature, and climbs if
# it is above: the formula says so, and the steps agree. So the steepest direction limits the rate,
# and progress along the flat ones is slow. Momentum and Adam help, at a rate that suits them. On
# the real images each curve is flat where steps are too small, and steep where they are too large.
#
# ## Questions
#
# 1. With momentum the limit is 2 (1 + momentum) / c: here 0.072. Try 0.071 and 0.073. If the
#    gradient changes sign at every step, what does the velocity do, and why are longer steps safe?
# 2. Turn the valley by 45 degrees: let R = np.array([[1, -1], [1, 1]]) / 2**0.5, begin at
#    R @ start, take R @ (curvatures * (w @ R)) for the gradient. Which optimizer is affected?
