# %% [markdown]
# # 13. The learning rate over time
#
# Train a network again with another seed, or for one epoch more, and its accuracy on new images is
# different: in the runs below by two percent and more. Which seed you took, and which epoch is the
# last, then decides how good the network is. Tonight we see where that comes from, and let the
# *learning rate* fall during training, so that the last epoch is no longer a lottery.
#
# ## A valley seen through noise
#
# A batch has other images than the next one, so its gradient is that of all images plus noise. Take
# the simplest loss, L(w) = w^2 / 2, whose gradient is w, and add noise with mean 0 and standard
# deviation 1:
#
#     w <- w - rate * (w + noise)  =  (1 - rate) * w - rate * noise
#
# The noise of a step does not depend on w, so the mean of w * noise is 0, and the mean squares of
# the two terms add up. The *mean square* of w, its squared distance from the bottom on average,
# follows exactly
#
#     E[w^2]  <-  (1 - rate)^2 E[w^2] + rate^2
#
# With a constant rate it does not fall to 0. It stops where both sides are equal:
#
#     E[w^2]  =  rate^2 / (1 - (1 - rate)^2)  =  rate / (2 - rate)
#
# A small rate ends near the bottom, but takes long to get there. So begin with a large one and let
# it fall. (Robbins and Monro, A Stochastic Approximation Method, 1951; Bottou, Curtis and Nocedal,
# Optimization Methods for Large-Scale Machine Learning, 2018, section 4.2.) `CosineDecay` does it
# as half a cosine: rate(t) = rate (1 + cos(pi s / n)) / 2 after s of n steps. (Loshchilov and
# Hutter, SGDR, 2017, equation 5.)

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import Adam, CosineDecay, Dense, Flatten, ReLU, Sequential

STEPS, START = 100, 5.0
schedules = {
    "large": lambda t: 0.3,
    "small": lambda t: 0.03,
    "cosine": CosineDecay(0.3, steps=STEPS),
}


def walks(schedule, n=2000):
    """Return the path of n values of w, which begin alike and meet other noise: (STEPS + 1, n)."""
    rng, path = np.random.default_rng(1), [np.full(n, START)]
    for t in range(1, STEPS + 1):
        w = path[-1]
        path.append(w - schedule(t) * (w + rng.normal(size=n)))
    return np.array(path)


def distances(schedule):
    """Return the root of E[w^2] before the first step and after each one, by the formula."""
    squares = [START**2]
    for t in range(1, STEPS + 1):
        squares.append((1 - schedule(t)) ** 2 * squares[-1] + schedule(t) ** 2)
    return np.sqrt(squares)


paths = {name: walks(schedule) for name, schedule in schedules.items()}
exact = {name: distances(schedule) for name, schedule in schedules.items()}
print(f"distance from the bottom after {STEPS} steps: measured, by the formula")
for name, path in paths.items():
    print(f"  {name:<7} {np.sqrt(np.mean(path[-1] ** 2)):.3f}  {exact[name][-1]:.3f}")
print(f"  large, by rate / (2 - rate): {np.sqrt(0.3 / 1.7):.3f}")

# %% [markdown]
# ## Real images
#
# The network of one hidden layer is trained for 10 epochs on 3,000 images, from five seeds, and
# after each epoch it is asked about 1,000 others. `Adam(0.01)` has a constant rate;
# `Adam(CosineDecay(0.01))` has one that falls from there to 0. The Trainer tells the schedule how
# many steps there are. All else is the same.

# %%
(images, labels), (new_images, new_labels) = tinynn.datasets.load_sample()
x, y = tinynn.scale_pixels(images[:3000]), labels[:3000]
new = tinynn.scale_pixels(new_images), new_labels
SEEDS, EPOCHS, RATE = 5, 10, 0.01


def accuracies(rate, seed):
    """Return the accuracy on the new images after each epoch."""
    layers = [Flatten(), Dense(64), ReLU(), Dense(10)]
    model = Sequential(layers, input_shape=(28, 28), seed=seed)
    trainer = tinynn.Trainer(model, tinynn.SoftmaxCrossEntropy(), Adam(rate), seed=seed)
    trainer.fit(x, y, EPOCHS, validation_data=new)
    return trainer.history["val_accuracy"]


results = {}
print("in percent       mean of the last epoch   standard deviation over 4 epochs, over 5 seeds")
for name, kind in (("constant", float), ("cosine", CosineDecay)):
    runs = results[name] = np.array([accuracies(kind(RATE), seed) for seed in range(SEEDS)])
    jumps, lottery = runs[:, -4:].std(axis=1, ddof=1).mean(), runs[:, -1].std(ddof=1)
    print(f"{name:<16} {100 * runs[:, -1].mean():<24.1f} {100 * jumps:.2f}, {100 * lottery:.2f}")

# %%
figure = plt.figure(figsize=(9, 7), layout="constrained")
(rates, valley), (constant, cosine) = figure.subplots(2, 2)
colours = {"large": "#D55E00", "small": "#000000", "cosine": "#0072B2"}
for name, schedule in schedules.items():
    rates.plot(range(1, STEPS + 1), [schedule(t) for t in range(1, STEPS + 1)], c=colours[name])
    valley.semilogy(np.sqrt(np.mean(paths[name] ** 2, axis=1)), c=colours[name], lw=3, label=name)
    formula = "by the formula" if name == "cosine" else None
    valley.semilogy(exact[name], "--", c="#E69F00", lw=1, label=formula)
rates.set(title="The learning rate in the valley", xlabel="step", ylabel="learning rate")
valley.axhline(np.sqrt(0.3 / 1.7), ls=":", c="gray", label="rate / (2 - rate), its root")
valley.set(
    title="Distance from the bottom", xlabel="step", ylabel="root of the mean of w^2", ylim=(0.1, 6)
)
valley.yaxis.set_minor_formatter("")
valley.legend(fontsize=9)
for panel, (name, runs) in zip((constant, cosine), results.items(), strict=True):
    colour = colours["large" if name == "constant" else "cosine"]
    panel.plot(range(1, EPOCHS + 1), runs.T, "o-", ms=3, lw=1, alpha=0.7, c=colour)
    panel.set(title=f"Real images, {name} rate, 5 seeds", xlabel="epoch", ylim=(0.68, 0.86))
constant.set_ylabel("accuracy on new images")
out = Path("runs/lessons/13_the_learning_rate_over_time.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# At a constant learning rate training does not settle: the noise of the batches keeps the weights
# at a distance from the bottom that depends on the rate, and the accuracy on new images jumps from
# epoch to epoch and from seed to seed. If the rate falls to 0, the last epochs agree, and in these
# runs they are also better on average. No epoch was chosen.
#
# ## Questions
#
# 1. Let the rate in the valley be 1 / t. After step t, w is minus the mean of the noise of the
#    steps 1 to t: why? How far from the bottom is it after 100 steps? Measure, and compare.
# 2. Train the five networks with a constant rate ten times smaller, `accuracies(0.001, seed)`. Is
#    the last epoch still a lottery? Is it as good as with `CosineDecay(0.01)`?
