# %% [markdown]
# # What the network sees
#
# The main job, examples/fashion_mlp.py, trains a network that tells ten kinds of clothes apart, and
# says how often it is right. Here we look into that network, trained on a tenth of its images.
# Where is it wrong, but sure? Where is it unsure? What does it look for in an image? This page
# belongs to no evening. Read it first, to see where the evenings lead, or last, when you know all
# its words.
#
# The network is 784-512-256-128-10: an image comes in as 784 numbers from 0 (black) to 1 (white),
# three layers of units each compute new numbers from those before, and ten *logits* z come out, a
# score for each kind. The highest logit is the answer. *Softmax* turns the logits into shares that
# add up to 1; we read them as how sure the network is:
#
#     p_k = exp(z_k) / sum of exp(z_j) over all j

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import Dense, Flatten, ReLU, Sequential

(train_images, train_y), (images, y) = tinynn.datasets.load_sample()  # 6,000 and 1,000
names = tinynn.datasets.CLASS_NAMES
x = tinynn.scale_pixels(images)  # (1000, 28, 28), none of which is used in training

layers = [Flatten(), Dense(512), ReLU(), Dense(256), ReLU(), Dense(128), ReLU(), Dense(10)]
model = Sequential(layers, input_shape=(28, 28), seed=0)
trainer = tinynn.Trainer(model, tinynn.SoftmaxCrossEntropy(), tinynn.Adam(1e-3))
trainer.fit(tinynn.scale_pixels(train_images), train_y, epochs=4)  # 4 rounds through all

p = tinynn.softmax(model.predict(x))  # (1000, 10)
answers, sure = p.argmax(axis=1), p.max(axis=1)
wrong = np.flatnonzero(answers != y)
surest_mistakes = wrong[np.argsort(-sure[wrong])][:6]  # wrong, but most sure
least_sure = np.argsort(sure)[:6]
print(f"right on {np.mean(answers == y):.1%} of 1,000 new images")
for i in (surest_mistakes[0], least_sure[0]):
    print(f"image {i}: says {names[answers[i]]}, {sure[i]:.1%} sure; it is: {names[y[i]]}")

# %% [markdown]
# ## The gradient of a logit
#
# How does one logit change if one pixel gets a little brighter? That is a derivative, and each of
# the 784 pixels has its own: together they are the *gradient* of the logit, and make an image of
# their own. For a small change d of the pixels the logit changes by
#
#     z_k(x + d) - z_k(x) = sum over all pixels of (dz_k/dx) d, nearly
#
# The chain rule carries the gradient back through the layers, as it does in training, but one step
# further: down to the pixels. `model.input_gradient(dz)` does that; dz is 1 for the logit k, and 0
# for the others. (Drawn as an image, such a gradient is a *saliency map*. Goodfellow, Bengio and
# Courville, Deep Learning, 2016, section 6.5.2.)


# %%
def gradient(model, x, dz):
    """Return how the logits, summed with weights dz, change with each pixel of x (1, 28, 28)."""
    model.forward(x)
    return model.input_gradient(np.array([dz]))


ONE = np.eye(10)  # ONE[k] asks for logit k alone
TROUSER, COAT, SHIRT = 1, 4, 6

exact = model.astype(np.float64)  # the same weights, with 16 digits
d = np.random.default_rng(0).uniform(-1e-4, 1e-4, (1, 28, 28))
first = x[:1].astype(np.float64)
measured = (exact.predict(first + d) - exact.predict(first - d))[0, TROUSER] / 2
predicted = np.sum(gradient(exact, first, ONE[TROUSER]) * d)
print(f"the trouser logit changes by {measured:.8e}; the gradient predicts {predicted:.8e}")

# %% [markdown]
# ## Gradient ascent on the image
#
# In training the weights move against the gradient of the loss. Now the weights stay, and the image
# moves along the gradient of a logit, a little at a time, beginning with plain grey:
#
#     x <- x + step * dz/dx        and then cut off what leaves the range from 0 to 1
#
# So we look for the image that makes the logit largest (*activation maximization*). Then we begin
# with a real shirt, and raise the coat logit minus the logit of the present answer, until the
# answer is coat: an *adversarial example*. (Simonyan, Vedaldi and Zisserman, Deep Inside
# Convolutional Networks, 2013, section 2; Szegedy et al., Intriguing properties of neural networks,
# 2013, section 4.)


# %%
def ascend(x, ask, steps):
    """Follow the gradient; no pixel moves by more than 0.01 a step. Return the images visited."""
    visited = [x]
    for _ in range(steps):
        dz = ask(model.predict(visited[-1]).argmax())
        if not dz.any():
            break  # nothing more is asked for
        dx = gradient(model, visited[-1], dz)
        visited.append(np.clip(visited[-1] + 0.01 * dx / np.abs(dx).max(), 0, 1))
    return visited


ascent = ascend(np.full((1, 28, 28), 0.5, np.float32), lambda answer: ONE[TROUSER], 200)
logit_at = [model.predict(image)[0, TROUSER] for image in ascent]
best_real = model.predict(x)[:, TROUSER].max()
print(f"trouser logit: grey {logit_at[0]:.1f}, after 200 steps {logit_at[-1]:.1f}", end="; ")
print(f"the highest of 1,000 real images {best_real:.1f}")

chosen = np.flatnonzero((y == SHIRT) & (answers == SHIRT) & (sure > 0.8))[0]
path = ascend(x[[chosen]], lambda answer: ONE[COAT] - ONE[answer], 400)
change = path[-1] - path[0]
print(f"image {chosen}, {sure[chosen]:.1%} shirt, is a coat after {len(path) - 1} steps", end="; ")
print(f"its pixels changed by {np.abs(change).mean():.3f} on average")

# %%
figure = plt.figure(figsize=(9, 7), layout="constrained")
rows = figure.subfigures(3, 1)


def draw(panel, image, title, **how):
    panel.imshow(image, **{"cmap": "gray", "vmin": 0, "vmax": 1, **how})
    panel.set_title(title, fontsize=9)
    panel.set(xticks=[], yticks=[])


for row, chosen_six, title in (
    (rows[0], surest_mistakes, "Wrong, but most sure"),
    (rows[1], least_sure, "Least sure"),
):
    row.suptitle(title, fontsize=11)
    for panel, i in zip(row.subplots(1, 6), chosen_six, strict=True):
        draw(panel, x[i], f"{names[answers[i]]} {sure[i]:.1%}\ntrue: {names[y[i]]}")
rows[2].suptitle("Ascent: from grey on the trouser logit, and from a shirt to a coat", fontsize=11)
panels = rows[2].subplots(1, 6)
for panel, step in zip(panels, (0, 20, 200), strict=False):
    draw(panel, ascent[step][0], f"step {step}\ntrouser logit {logit_at[step]:.1f}")
draw(panels[3], path[0][0], f"Shirt {sure[chosen]:.1%}\nstep 0")
most, last = np.abs(change).max(), tinynn.softmax(model.predict(path[-1]))[0, COAT]
draw(panels[4], change[0], f"the change, up to {most:.2f}\nblue brighter, red darker", cmap="RdBu")
panels[4].images[0].set_clim(-most, most)
draw(panels[5], path[-1][0], f"Coat {last:.1%}\nstep {len(path) - 1}")

out = Path("runs/lessons/00_what_the_network_sees.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# `input_gradient` is right: the change that it predicts and the change measured with two logits
# agree in all the digits printed. Gradient ascent shows that the network does not see as
# we do. An image with a higher trouser logit than any real image is grey noise, with a dark gap
# where the legs part. The shirt became a coat by changes after which we still see a shirt: the
# network has learnt what tells ten kinds apart in 6,000 images, not what clothes are. Where it is
# wrong but sure, look again: some of these images are hard for us, too.
#
# ## Questions
#
# 1. Shuffle the 784 numbers of `change` over the pixels, and add the result to the shirt. Is the
#    answer still shirt? What counted in the change, if not its size?
# 2. `input_gradient` needs no more than the weights. Suppose that for one image all units of each
#    ReLU are active: which product of matrices is then the gradient of the ten logits?
