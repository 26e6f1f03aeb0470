# %% [markdown]
# # 15. A network that sees
#
# Take a photograph of a shoe, and move it three pixels to the right. Nobody would say that it is
# another thing. Tonight two networks learn the same 3,000 images: one of `Dense` layers, and one
# that begins with convolutions. Both are then asked about images that are moved a little, as no
# image was in training. Which of them has learnt a shoe, and which a shoe in its place?

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import (
    Adam,
    BatchNorm,
    Conv2D,
    CosineDecay,
    Dense,
    Flatten,
    MaxPool2D,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    Trainer,
    accuracy,
    datasets,
    scale_pixels,
)

(images, labels), (test_images, y_test) = datasets.load_sample()  # 6,000 and 1,000
images, y = images[:3000], labels[:3000]  # half of them show it, too
x, x_test = scale_pixels(images)[..., None], scale_pixels(test_images)[..., None]  # one channel
names = datasets.CLASS_NAMES

# %% [markdown]
# ## Two networks
#
# In the dense network each hidden unit has a weight for each pixel. In the other, kernels of 3 x 3
# (lesson 14) make *maps*, in which a number says how well the kernel fits at that place.
# `MaxPool2D(2)` keeps the largest of 2 x 2 numbers, so it says whether the kernel fits somewhere
# near, and the map has half the height and width. In the next round kernels see all these maps, as
# their channels. After three rounds a map has 3 x 3 numbers, and each depends on 22 x 22 pixels:
# it knows much about what is there, and little about where. Only then a `Dense` layer adds up what
# speaks for each class. (LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to
# document recognition, 1998, section II.A; there with means and tanh.)


# %%
def round_of(filters):
    return [Conv2D(filters, 3, bias=False), BatchNorm(), ReLU(), MaxPool2D(2)]


networks = {
    "dense": [Flatten(), Dense(128), ReLU(), Dense(10)],
    "convolutional": [*round_of(8), *round_of(16), *round_of(32), Flatten(), Dense(10)],
}
models = {}
for name, layers in networks.items():
    models[name] = model = Sequential(layers, input_shape=(28, 28, 1), seed=0)
    trainer = Trainer(model, SoftmaxCrossEntropy(), Adam(CosineDecay(2e-3, warmup=60)))
    history = trainer.fit(x, y, epochs=6, batch_size=50)
    print(f"{name:<14} {model.params.size:>7,} parameters", end=", ")
    print(f"{history['accuracy'][-1]:.1%} right on the training images")

# %% [markdown]
# ## Moved by 0 to 3 pixels
#
# Each test image is moved up, down, to the left and to the right. What comes in at an edge is
# black, as the background is.


# %%
def moved(images, down, right):
    """Return images (N, 28, 28, 1), moved by up to 3 pixels; negative numbers: up, to the left."""
    framed = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)))
    return framed[:, 3 - down : 31 - down, 3 - right : 31 - right]


def accuracies(model):
    """Return the accuracy on test images moved by 0, 1, 2 and 3 pixels, over four directions."""
    found = []
    for s in range(4):
        sets = [moved(x_test, *way) for way in ((-s, 0), (s, 0), (0, -s), (0, s))]
        found.append(np.mean([accuracy(model.predict(images), y_test) for images in sets]))
    return found


right = {name: accuracies(model) for name, model in models.items()}
print("moved by        " + "".join(f"{s:>8}" for s in range(4)), " pixels")
for name, found in right.items():
    print(f"{name:<16}" + "".join(f"{a:8.1%}" for a in found))

# %% [markdown]
# Both become worse, but the convolutional network far less, and with a tenth of the parameters.
#
# ## Why
#
# A unit of the dense network is a template, as in lesson 5: of a moved image it meets other pixels.
# A kernel moves along, so the map of a moved image is the moved map. We measure that after the
# first round, which halves the map: an image that is moved by 2 pixels has the same numbers there,
# one place further, but for rounding. (Not so at the edges, where the padding is, nor for a move by
# 1 pixel, after which other numbers meet in a window of 2 x 2; often the largest stays the same.)


# %%
def first_round(images):
    out = images
    for layer in models["convolutional"].layers[:4]:
        out = layer.forward(out, training=False)
    return out  # (N, 14, 14, 8)


usual, later = first_round(x_test), first_round(moved(x_test, 0, 2))
inner = np.abs(later[:, :, 2:-1] - usual[:, :, 1:-2]).max()
print(f"apart: {np.abs(later - usual).max():.1f} in place, {inner:.0e} one place further")

# %%
answers = {
    name: [model.predict(moved(x_test, 0, s)).argmax(axis=1) for s in range(4)]
    for name, model in models.items()
}
dense_lost = (answers["dense"][0] == y_test) & (answers["dense"][3] != y_test)
kept = np.all([answer == y_test for answer in answers["convolutional"]], axis=0)
chosen = np.flatnonzero(dense_lost & kept)[0]

figure = plt.figure(figsize=(9, 4.6), layout="constrained")
curves, examples = figure.subfigures(1, 2, width_ratios=(1, 1.1))
panel = curves.subplots()
for (name, found), colour in zip(right.items(), ("#D55E00", "#0072B2"), strict=True):
    panel.plot(range(4), found, "o-", color=colour, label=name)
panel.set(xlabel="moved by so many pixels", ylabel="accuracy on test images", ylim=(0, 1))
panel.set_xticks(range(4))
panel.legend()
for s, panel in enumerate(examples.subplots(2, 2).flat):
    panel.imshow(moved(x_test[[chosen]], 0, s)[0, ..., 0], cmap="gray")
    told = [f"{name}: {names[answers[name][s][chosen]]}" for name in models]
    panel.set_title("\n".join([f"moved by {s}", *told]), fontsize=9)
    panel.set(xticks=[], yticks=[])
out = Path("runs/lessons/15_a_network_that_sees.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# On images in their usual place the two are about as good here. Moved by three pixels, the dense
# network loses far more. What a convolutional network has been told before it learns, that what is
# worth finding in one place is worth finding in all, it need not learn from images.
#
# ## Questions
#
# 1. Put `RandomShift(3)` before both networks, so that each training image is moved at random. How
#    much does each gain on images moved by 3 pixels, and what do they lose on the others?
# 2. Put `GlobalAveragePool2D()` in place of `Flatten()`: each map becomes its mean. How many
#    parameters are left, and what happens at a shift of 0, and of 3? What can this network not see?
