# %% [markdown]
# # 9. Memorising 200 images
#
# A network is right on all images that it was trained on: has it understood them, or *memorised*
# them? Training alone cannot tell. *Validation* can: it uses other images, which never take part in
# training. Tonight we make the difference as large as it can be. We train one network on 200 real
# images with their labels, and the same network on the same images with shuffled labels. In the
# second case there is nothing to understand.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import Adam, Dense, EarlyStopping, Flatten, ReLU, Sequential, Softmax

(images, labels), _ = tinynn.datasets.load_sample()
rest, held_out = tinynn.stratified_split(labels, 1000, np.random.default_rng(0))
x, y = tinynn.scale_pixels(images), labels
validation = x[held_out], y[held_out]  # 100 of each class


def some(n):
    """Draw n images for training: every class with its share, and no image of validation."""
    drawn = rest[tinynn.stratified_split(y[rest], n, np.random.default_rng(1))[1]]
    return x[drawn], y[drawn]


def train(x, y, *callbacks, epochs=60):
    layers = [Flatten(), Dense(128), ReLU(), Dense(10), Softmax()]
    model = Sequential(layers, input_shape=(28, 28), seed=0)
    trainer = tinynn.Trainer(model, tinynn.CrossEntropy(), Adam(1e-3))
    trainer.fit(x, y, epochs, batch_size=20, validation_data=validation, callbacks=callbacks)
    return trainer


few, truth = some(200)
shuffled = np.random.default_rng(2).permutation(truth)
print(f"{(shuffled == truth).sum()} of 200 shuffled labels are right, by chance")

# %% [markdown]
# ## Are there enough parameters to memorise?
#
# With one hidden layer of n ReLU units, well chosen, a network can give any n different images of d
# pixels any answers, with only
#
#     2 n + d parameters: here 2 * 200 + 784 = 1,184
#
# Our network has other layers, but it has 101,770 parameters. (Zhang, Bengio, Hardt, Recht and
# Vinyals, Understanding deep learning requires rethinking generalization, 2017, theorem 1; what we
# do now is their section 2.) That such parameters exist does not mean that gradient descent finds
# them. We try.

# %%
runs = {"true labels": train(few, truth), "shuffled labels": train(few, shuffled)}
print(f"the network has {runs['true labels'].model.params.size:,} parameters")
results = {}
for name, trainer in runs.items():
    learned = trainer.evaluate(few, truth if name == "true labels" else shuffled)["accuracy"]
    results[name] = learned, trainer.evaluate(*validation)["accuracy"]
    print(
        f"{name:<16} right in training {results[name][0]:.1%}, in validation {results[name][1]:.1%}"
    )

# %% [markdown]
# ## What helps: more images
#
# A network that memorises *overfits*. The *generalization gap* shows how much: it is the accuracy
# in training minus the accuracy in validation. With four times as many images, and with sixteen
# times as many, the network has to find what many images have in common. Each run takes about as
# many steps, 600: these are 60 epochs of 200 images, 15 of 800, or 4 of 3,200.

# %%
sizes, gaps = [200, 800, 3200], []
for n, epochs in zip(sizes, (60, 15, 4), strict=True):
    trainer = runs["true labels"] if n == 200 else train(*some(n), epochs=epochs)
    accuracies = [trainer.evaluate(*data)["accuracy"] for data in (some(n), validation)]
    gaps.append(accuracies[0] - accuracies[1])
    shown = "training {:.1%}, validation {:.1%}, gap {:.1%}".format(*accuracies, gaps[-1])
    print(f"{n:>5} images: {shown}")

# %% [markdown]
# ## What helps: stopping
#
# The training loss falls to the end. The validation loss falls first, and then rises: the network
# gets surer and surer, also where it is wrong. With shuffled labels it rises nearly from the start.
# `EarlyStopping` watches the validation loss, stops when it has not fallen for three epochs, and
# restores the weights of the best epoch so far. More *patience*, a larger number of epochs than
# three, may find better weights. (Prechelt, Early Stopping - But When?, 1998.)

# %%
stops = {}
for name, y_few in (("true labels", truth), ("shuffled labels", shuffled)):
    stopper = EarlyStopping(patience=3)
    learned = train(few, y_few, stopper).evaluate(few, y_few)["accuracy"]
    stops[name] = epoch, _, best = stopper.best_epoch, learned, stopper.best
    last = runs[name].history["val_loss"][-1]
    print(f"{name:<16} validation loss: epoch {epoch} {best:.2f}, epoch 60 {last:.2f}", end="; ")
    print(f"kept: epoch {epoch}, right in training {learned:.1%}")

# %%
figure = plt.figure(figsize=(9, 7), layout="constrained")
(left, right), (falling, shrinking) = figure.subplots(2, 2)
colours = {"true labels": "#0072B2", "shuffled labels": "#D55E00"}
for panel, (name, trainer) in zip((left, right), runs.items(), strict=True):
    history = trainer.history
    panel.plot(history["epoch"], history["accuracy"], "--", c=colours[name], label="training")
    panel.plot(history["epoch"], history["val_accuracy"], c=colours[name], label="validation")
    panel.axhline(0.1, ls=":", c="black", label="guessing")
    panel.set(title=f"200 images, {name}", xlabel="epoch", ylabel="accuracy", ylim=(0, 1.05))
    panel.legend(fontsize=9, loc="center right")
for name, trainer in runs.items():
    epoch, _, best = stops[name]
    history = trainer.history
    falling.plot(history["epoch"], history["val_loss"], c=colours[name], label=name)
    falling.plot(epoch, best, "o", c=colours[name], label=f"kept: epoch {epoch}")
falling.axhline(np.log(10), ls=":", c="black", label="guessing, ln 10")
falling.set(title="What EarlyStopping watches, and keeps", xlabel="epoch", ylabel="validation loss")
falling.set_ylim(0, 6.5)
falling.legend(fontsize=9, loc="upper left", ncols=2)
bars = shrinking.bar([f"{n:,}" for n in sizes], gaps, color="#009E73")
shrinking.bar_label(bars, [f"{gap:.1%}" for gap in gaps])
shrinking.set(title="Generalization gap, true labels", xlabel="images in training", ylim=(0, 0.32))
shrinking.set_ylabel("accuracy, training - validation")

out = Path("runs/lessons/09_memorising.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Both networks are right on all of their 200 images. On new images the network with true labels is
# right on 74 %, that with shuffled labels on 10 %, as if it guessed. The layers, the optimizer, the
# first weights and the images are the same, and so is the result in training. So the accuracy in
# training does not tell what was learnt: only images held out of training do. More images narrow
# the gap. Early stopping keeps the network from memorising single labels; where there is nothing to
# understand, it ends training nearly at once.
#
# ## Questions
#
# 1. Shuffle only every second label, and leave the others. Are all the shuffled labels memorised,
#    too? Where between 10 % and 74 % does the accuracy in validation end?
# 2. With `Dense(2)` the network has 1,600 parameters, still more than 1,184. Does it memorise the
#    shuffled labels? Which condition of the theorem is not fulfilled?
