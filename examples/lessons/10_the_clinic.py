# %% [markdown]
# # 10. The clinic
#
# Most networks that do not learn have one small fault. The loss stays high, but does not say why.
# Tonight we break five runs on purpose, each by a usual mistake, and let a doctor look at them.
#
# ## What can be measured
#
# Besides the loss there are numbers that stay within limits in most healthy runs:
#
#     the largest |x|                       about 1
#     standard deviation of a layer's       about the same in all layers: at step 1 it changes by
#     outputs                               a factor of std(W) sqrt(fan_in / 2) a layer (lesson 7)
#     update-to-weight ratio                |update of W| / |W|: 1e-4 to 1e-2 after the first steps
#     loss after an epoch                   well below that of guessing, ln 10 = 2.30
#
# One fault changes several of them. An early fault causes later ones, and not the other way round.
# First comes x, then the first weights, then the gradients, then the updates. So a doctor checks in
# this order: the first fault found is the cause, and the others follow from it.
# (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 11.5; Glorot and Bengio,
# Understanding the difficulty of training deep feedforward neural networks, 2010.)

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
    return rng.normal(0, 0.05, shape)  # for 32 inputs he_normal would take 0.25, not 0.05


def network(hidden=(128, 64), initializer=tinynn.he_normal):
    layers = [Flatten()]
    for units in hidden:
        layers += [Dense(units, initializer), ReLU()]
    return Sequential([*layers, Dense(10, initializer), Softmax()], input_shape=(28, 28), seed=0)


def run(model=None, rate=1e-3, x=x, y=y):
    """Train for 3 epochs on 3,000 images while a doctor watches; validate on 500 others."""
    trainer = tinynn.Trainer(model or network(), tinynn.CrossEntropy(), Adam(rate))
    doctor, others = Doctor(every=20), held_out[:500]
    data, validation = (x[rest], y[rest]), (x[others], y[others])
    trainer.fit(*data, 3, batch_size=32, validation_data=validation, callbacks=[doctor])
    return doctor.report()


# %% [markdown]
# ## Five patients
#
# The fourth has 19 layers of 32 units and one of 10, and std(W) is 0.05. So by lesson 7 a layer has
# the factor 0.05 * sqrt(32 / 2) = 0.2, and 0.2^19 = 5e-14 is left. tinynn itself warns of some
# faults while it trains; these warnings are expected, so we only count them.

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
        reports[name] = report = patient()
    page = str(report).split("\n  follows")[0].split("\nFINE")[0]
    print(f"--- {name} (warnings: {len(caught)})\n{page}")
    print(f"  loss    {report.record.epochs[-1]['loss']:.2f} in the last epoch\n")

# %% [markdown]
# ## A remedy, tried
#
# For the second patient the doctor prescribes to divide the learning rate by 10, again and again
# until the loss falls. We do as it says until it finds nothing more.

# %%
rate, course = 1.0, {1.0: reports["a learning rate of 1"]}
while course[rate].problems:
    rate /= 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same as before
        course[rate] = run(rate=rate)
for tried, report in course.items():
    headline, accuracy = str(report).splitlines()[0], report.record.epochs[-1]["val_accuracy"]
    print(f"rate {tried:<6g} right in validation {accuracy:.1%}   {headline}")


# %% [markdown]
# Each patient is drawn beside a run without its fault, by a number that shows the fault. In the
# second, the first updates make units dead, so later updates are tiny. Last: its loss by rate.


# %%
def by_step(record, statistic):
    steps = [step for step in record.steps if step.update_ratio]
    return [step.number for step in steps], [statistic(step) for step in steps]


def by_layer(step):
    return range(1, 1 + len(step.output_std)), list(step.output_std.values())[::-1]  # input first


healthy, deep = run(), run(network([32] * 19))
clues = {  # the run beside the patient, along what, and which number
    "bytes, 0 to 255": (healthy, "step", "max |x|", lambda r: by_step(r, lambda s: s.input_max)),
    "a learning rate of 1": (
        healthy, "step", "max |update of W| / |W|",
        lambda r: by_step(r, lambda s: max(s.update_ratio.values())),
    ),
    "all weights zero": (healthy, "layer", "std of outputs, end", lambda r: by_layer(r.steps[-1])),
    "20 layers, tiny weights": (
        deep, "layer", "std of outputs, step 1", lambda r: by_layer(r.steps[0])),
    "labels in another order": (
        healthy, "epoch", "loss", lambda r: ([1, 2, 3], [row["loss"] for row in r.epochs])
    ),
}  # fmt: skip
figure = plt.figure(figsize=(9, 6.4), layout="constrained")
*panels, end = figure.subplots(2, 3).ravel()
for panel, (name, (sound, along, label, measure)) in zip(panels, clues.items(), strict=True):
    panel.plot(*measure(sound.record), "s-", ms=3, c="#0072B2", label="without the fault")
    panel.plot(*measure(reports[name].record), "o-", ms=3, c="#D55E00", label="patient")
    panel.set_title(f"{name}\n{reports[name].problems[0].title}", fontsize=10)
    panel.set(xlabel=along, ylabel=label)
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.legend(fontsize=9)
for panel in panels[:2] + panels[3:4]:
    panel.set_yscale("log")
for (tried, report), colour in zip(course.items(), ("#D55E00", "#E69F00", "#0072B2"), strict=True):
    end.semilogy(*by_step(report.record, lambda s: s.loss), ".-", c=colour, label=f"rate {tried:g}")
end.set_title(f"the remedy: a rate of {rate:g}\n{course[rate].headline}", fontsize=10)
end.set(xlabel="step", ylabel="loss of a batch")
end.legend(fontsize=9)
out = Path("runs/lessons/10_the_clinic.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# The doctor named five faults, and each name is right. The last three end at the loss of guessing,
# 2.30 (within 0.01), for three different causes. Two are seen layer by layer; the third, wrong
# labels, is what is left when all else is fine. One remedy, tried, brought validation from guessing
# to three in four right. When the loss stays high, do not try things: measure, and begin at x.
#
# ## Questions
#
# 1. Give one run two faults: bytes, and labels in another order. What does the doctor name first?
#    Cure that alone. What does it name then, and why did it not say so at once?
# 2. Train the last patient again, with `rest[:200]` for `rest` and 60 epochs: now the loss falls
#    almost to 0, as in lesson 9. Which number still tells the doctor that something is wrong?
