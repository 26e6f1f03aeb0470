# %% [markdown]
# # 6. A spiral
#
# Ten templates did well without a hidden layer. Tonight, two arms of points are wound around each
# other, and templates are not enough. We ask three networks to tell the arms apart, find out what
# makes the difference, and watch how the one that can do it learns.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import SGD, CrossEntropy, Dense, ReLU, Sequential, Softmax


def two_arms(rng, points=150):
    """Return points (300, 2) and the arm of each: nearly two turns, arm 1 half a turn behind."""
    radius = rng.uniform(0.1, 1, size=(2, points))
    angle = 4 * np.pi * radius + np.pi * np.array([[0], [1]])
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).reshape(-1, 2)
    return x + rng.normal(0, 0.02, size=x.shape), np.repeat([0, 1], points)


x, y = two_arms(np.random.default_rng(13))
x_new, y_new = two_arms(np.random.default_rng(14))  # other points of the same arms

# %% [markdown]
# ## What a network without a hidden layer can say
#
# It gives each arm a logit, and the larger one is the answer. The *decision boundary* lies where
# the two logits are equal:
#
#     x W_0 + b_0 = x W_1 + b_1      so      x (W_0 - W_1) + (b_0 - b_1) = 0
#
# With two inputs that is the equation of a straight line, whatever the weights are. How well can a
# line do here? No training is needed to find out: take 180 directions, in each of them shift a line
# through all points, and count.

# %%
best = 0.0
for angle in np.linspace(0, np.pi, 180, endpoint=False):
    projection = x @ [np.cos(angle), np.sin(angle)]  # where each point lies in this direction
    beyond = projection > projection[:, None]  # (300 lines, 300 points)
    share = np.mean(beyond == y, axis=1)
    best = max(best, share.max(), 1 - share.min())  # either side may be arm 1
print(f"the best of 54,000 straight lines: {best:.2f} right")

# %% [markdown]
# ## Hidden layers, without ReLU and with it
#
# Put two layers of 32 neurons in between. If each neuron is only a weighted sum, nothing is gained:
#
#     (x W + b) V + c  =  x (W V) + (b V + c)
#
# is again x times one matrix plus one row of numbers: a single layer, written as two. The boundary
# can bend only if a *nonlinear* function follows each sum, an *activation function*. ReLU,
# max(x, 0), has one kink, and that is enough: each unit of the first layer folds the plane along a
# line of its own, and the units of the next layer fold it again. (Goodfellow, Bengio and Courville,
# Deep Learning, 2016, sections 6.1 and 6.4.1.) All three networks get the same points, loss,
# learning rate and number of steps.

# %%
STEPS = 2000
moments = (0, 100, 500, 1000, 1500, STEPS)
axis = np.linspace(-1.15, 1.15, 150)
plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)  # each point of the picture


def train(layers):
    """Return the trained network, and its share of right points and its answers at six moments."""
    model = Sequential(layers, input_shape=(2,), seed=0)
    loss, optimizer = CrossEntropy(), SGD(learning_rate=0.2)
    seen = []
    for step in range(STEPS + 1):
        if step > 0:
            p = model.forward(x)  # all 300 points in one batch
            model.backward(loss.backward(p, y))
            optimizer.step(model.params, model.grads)
        if step in moments:
            right = np.mean(model.predict(x).argmax(axis=1) == y)
            seen.append((right, model.predict(plane)[:, 1].reshape(150, 150)))
    return model, seen


networks = {
    "no hidden layer": train([Dense(2), Softmax()]),
    "two, without ReLU": train([Dense(32), Dense(32), Dense(2), Softmax()]),
    "two, with ReLU": train([Dense(32), ReLU(), Dense(32), ReLU(), Dense(2), Softmax()]),
}
accuracies = {}
for name, (model, seen) in networks.items():
    accuracies[name] = seen[-1][0], np.mean(model.predict(x_new).argmax(axis=1) == y_new)
    print(f"{name:<18} {model.params.size:5,} parameters, right on ", end="")
    print(f"{accuracies[name][0]:.2f} of its points, {accuracies[name][1]:.2f} of the new ones")

# %% [markdown]
# The second network has 1,218 parameters and ends with the line that the first one draws with six.
# If we multiply its matrices, as in the equation above, a single layer is left:

# %%
one, two, three, _ = networks["two, without ReLU"][0].layers
W = one.W @ two.W @ three.W  # (2, 32) (32, 32) (32, 2): (2, 2)
b = (one.b @ two.W + two.b) @ three.W + three.b
z = x @ W + b
agree = np.mean(z.argmax(axis=1) == networks["two, without ReLU"][0].predict(x).argmax(axis=1))
print(f"a single layer, the product of its three, answers the same on {agree:.0%} of the points")

# %% [markdown]
# ## The picture
#
# The network with ReLU at six moments. The colour says which arm it expects at each place; where it
# is white, both are equally probable. In the first 500 steps little is gained; then, part by part,
# the boundary follows both arms. The dashed line in the last panel is the boundary of the network
# without a hidden layer.

# %%
figure = plt.figure(figsize=(9, 6.2), layout="compressed")
panels = figure.subplots(2, 3, sharex=True, sharey=True)
answers = networks["two, with ReLU"][1]
for panel, step, (right, p_plane) in zip(panels.flat, moments, answers, strict=True):
    sides = {"extent": (-1.15, 1.15, -1.15, 1.15), "origin": "lower", "cmap": "RdBu"}
    shown = panel.imshow(p_plane, vmin=-0.6, vmax=1.6, **sides)  # pale, so that points stand out
    for arm, colour in ((0, "#D55E00"), (1, "#0072B2")):
        panel.plot(*x[y == arm].T, "o", ms=2.5, color=colour, label=f"arm {arm}")
    panel.set_title(f"after {step:,} steps: {right:.2f} right", fontsize=10)
line = networks["no hidden layer"][1][-1][1]
panels[1, 2].contour(axis, axis, line, levels=[0.5], colors="black", linestyles="--")
panels[1, 2].plot([], [], "k--", label="the boundary without a hidden layer")
figure.legend(*panels[1, 2].get_legend_handles_labels(), loc="outside upper center", ncols=3)
for panel in panels.flat:
    panel.set(xlabel="first input", ylabel="second input")
    panel.label_outer()
bar = figure.colorbar(shown, ax=panels, shrink=0.6, label="probability of arm 1")
bar.ax.set(ylim=(0, 1), yticks=[0, 0.5, 1])

out = Path("runs/lessons/06_a_spiral.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Without a hidden layer the boundary is a straight line, and even the best line leaves more than a
# third of the points on the wrong side. More layers alone change nothing. With ReLU after each
# hidden layer, the boundary follows both arms, and nearly all new points are right, too.
#
# ## Questions
#
# 1. Is it better to be wide or to be deep? Try one hidden layer of 32 and of 128 neurons, and then
#    two of 8 neurons each, with a few seeds. Count their parameters, too.
# 2. Give the network without a hidden layer a third input, (x_0 cos(4 pi r) + x_1 sin(4 pi r)) / r,
#    where r is the distance from the centre. What is that number on each arm, up to the noise? What
#    has now done the work of the hidden layers?
