# %% [markdown]
# # 10. The clinic
#
# Most networks that do not learn are not badly thought out: something small is wrong, and the loss,
# which only stays high, does not say what. Tonight we break five runs on purpose, each in one way
# that happens to everybody, and let a doctor look at them.
#
# ## What can be measured
#
# Beside the loss there are numbers that a healthy run keeps within limits:
#
#     the largest |x|                       about 1
#     spread of a layer's outputs           about the same in all layers (lesson 7)
#     |step of W| / |W|                     from 1e-4 to 1e-2
#     loss of guessing among 10 classes     ln 10 = 2.30: an epoch should end well below
#
# One fault spoils several of them. What is wrong early spoils what comes later, and not the other
# way round: x comes before the first weights, these before the gradients, these before the steps.
# So a doctor asks in that order, takes the first answer for the cause, and the rest for what
# follows from it. (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 11.5; Glorot and
# Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010, who
# measured spreads by depth.)

# %%
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import Adam, Dense, Doctor, Flatten, ReLU, Sequential, Softmax

(images, labels), _ = tinynn.datasets.load_sample()
rest, held_out = tinynn.stratified_split(labels, 3000, np.random.default_rng(0))
x, y = tinynn.scale_pixels(images), labels


def tiny_weights(shape, rng):
    return rng.normal(0, 0.05, shape)  # he_normal draws with 0.25 for 32 inputs


def network(hidden=(128, 64), initializer=tinynn.he_normal):
    layers = [Flatten()]
    for units in hidden:
        layers += [Dense(units, initializer), ReLU()]
    return Sequential([*layers, Dense(10, initializer), Softmax()], input_shape=(28, 28), seed=0)


def run(model=None, rate=1e-3, x=x, y=y):
    """Train for 3 epochs on 3,000 images, a doctor watching; 500 others are for validation."""
    trainer = tinynn.Trainer(model or network(), tinynn.CrossEntropy(), Adam(rate))
    doctor, others = Doctor(every=20), held_out[:500]
    data, validation = (x[rest], y[rest]), (x[others], y[others])
    trainer.fit(*data, 3, batch_size=32, validation_data=validation, callbacks=[doctor])
    return doctor.report()


# %% [markdown]
# ## Five patients
#
# Of some faults tinynn warns by itself, while it trains. These warnings are expected here, so we
# collect them, and count them, in place of having them printed between the reports.

# %%
mixed = y.copy()
mixed[rest] = np.random.default_rng(0).permutation(y[rest])  # in another order than the images
patients = {
    "bytes, 0 to 255": lambda: run(x=images),
    "a learning rate of 1": lambda: run(rate=1.0),
    "all weights zero": lambda: run(network(initializer=tinynn.zeros)),
    "20 layers, tiny weights": lambda: run(network([32] * 19, tiny_weights)),
    "labels in another order": lambda: run(y=mixed),
}
reports = {}
for name, patient in patients.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reports[name] = patient()
    page = str(reports[name]).split("\n  follows")[0].split("\nFINE")[0]
    print(f"--- {name} (warnings: {len(caught)})\n{page}\n")

# %% [markdown]
# ## A remedy, tried
#
# For the second patient the doctor prescribes a tenth of the learning rate, and again until the
# loss falls. We do as it says until it finds nothing more.

# %%
rate, course = 1.0, {1.0: reports["a learning rate of 1"]}
while course[rate].problems:
    rate /= 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same as before
        course[rate] = run(rate=rate)
for tried, report in course.items():
    headline, accuracy = str(report).splitlines()[0], report.chart.epochs[-1]["val_accuracy"]
    print(f"rate {tried:<6g} right in validation {accuracy:.1%}   {headline}")


# %%
def clue(name, chart):
    """Say the one number that gives a patient away."""
    first, worst = chart.looks[0], max(look.loss for look in chart.looks)
    spreads = list(first.spread.values())[::-1]
    return {
        "bytes, 0 to 255": f"largest x: {first.largest:.0f}",
        "a learning rate of 1": f"loss at first {first.loss:.1f}, then up to {worst:.1f}",
        "all weights zero": f"layers of equal units: {len(first.alike)} of 3",
        "20 layers, tiny weights": f"spread: from {spreads[0]:.1f} to {spreads[-1]:.0e}",
        "labels in another order": f"loss after 3 epochs: {chart.epochs[-1]['loss']:.2f}",
    }.get(name, f"right in validation: {chart.epochs[-1]['val_accuracy']:.1%}")


figure = plt.figure(figsize=(9, 6.4), layout="constrained")
cured = {**reports, f"cured: a rate of {rate:g}": course[rate]}
for panel, (name, report) in zip(figure.subplots(2, 3).ravel(), cured.items(), strict=True):
    looks, sick = report.chart.looks, bool(report.problems)
    colour = "#D55E00" if sick else "#0072B2"
    losses = [look.loss for look in looks]
    panel.semilogy([look.step for look in looks], losses, ".-", c=colour, label="one batch")
    panel.axhline(np.log(10), ls=":", c="black", label="guessing")
    headline = report.problems[0].title if sick else "No problem was found."
    panel.set_title(f"{name}\n{headline}", fontsize=10, color=colour)
    panel.set(xlabel=f"step\n{clue(name, report.chart)}", ylabel="loss", ylim=(0.2, 200))
    panel.legend(fontsize=9)

out = Path("runs/lessons")
out.mkdir(parents=True, exist_ok=True)
figure.savefig(out / "10_the_clinic.png", dpi=100)

# %% [markdown]
# ## What this proves
#
# Five faults, five names, each of them right. Look at the picture: three of the five losses are the
# same flat line, at the loss of guessing, and have three different causes. What tells them apart is
# measured elsewhere, and stands beneath each panel. The remedy of one, tried, brought validation
# from guessing to three in four right. When the loss stays high, do not try things: measure, and
# begin at x.
#
# ## Questions
#
# 1. Give one run two faults: bytes, and labels in another order. What does the doctor name first?
#    Cure that alone. What does it name then, and why did it not say so at once?
# 2. The last patient again, with `rest[:200]` for `rest` and 60 epochs: now the loss falls to
#    nothing, as in lesson 9. By what does the doctor still notice?
