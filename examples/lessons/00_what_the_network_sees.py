# %% [markdown]
# # What the network sees
#
# The main job, examples/fashion_mlp.py, trains a network that tells ten kinds of clothes apart, and
# says how often it is right. Here we open that network up, trained on a tenth of its images. What
# does it get wrong, and yet is sure of? Where does it hesitate? What does it look for in an image?
# This page stands beside the ten evenings: read it first, to see where they lead, or last, when no
# word in it is new.
#
# The network is 784-512-256-128-10: an image comes in as 784 numbers from 0 (black) to 1 (white),
# three layers of units each make new numbers of the last, and ten *scores* z come out, one for each
# kind. The highest score is the answer. *Softmax* turns the scores into shares that add up to 1; we
# read them as how sure the network is:
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
trainer.fit(tinynn.scale_pixels(train_images), train_y, epochs=8)  # 8 rounds through all

p = tinynn.softmax(model.predict(x))  # (1000, 10)
answers, sure = p.argmax(axis=1), p.max(axis=1)
wrong = np.flatnonzero(answers != y)
proudest = wrong[np.argsort(-sure[wrong])][:6]  # wrong, and most sure of it
doubtful = np.argsort(sure)[:6]
print(f"right on {np.mean(answers == y):.1%} of 1,000 new images")
for i in (proudest[0], doubtful[0]):
    print(f"image {i}: says {names[answers[i]]}, {sure[i]:.1%} sure; it is: {names[y[i]]}")

# %% [markdown]
# ## The slope of a score
#
# How does one score change if one pixel gets a little brighter? That is a slope, and each of the
# 784 pixels has its own: together they are the *gradient* of the score, and make an image of their
# own. For a small change d of the pixels the score changes by
#
#     z_k(x + d) - z_k(x) = sum over all pixels of (dz_k/dx) d, nearly
#
# The chain rule carries the slope back through the layers, as it does in training, but one step
# further: down to the pixels. `model.input_gradient` does that, given the slope of what we ask for
# with respect to the scores: 1 for the score k, 0 for the others. (Goodfellow, Bengio and
# Courville, Deep Learning, 2016, section 6.5.2.)


# %%
def slope(model, x, scores):
    """Return how a weighted sum of the scores changes with each pixel of x (1, 28, 28)."""
    model.forward(x)
    return model.input_gradient(np.array([scores]))


ONE = np.eye(10)  # ONE[k] asks for score k alone
TROUSER, COAT, SHIRT = 1, 4, 6

exact = model.astype(np.float64)  # the same weights, with 16 digits
d = np.random.default_rng(0).uniform(-1e-4, 1e-4, (1, 28, 28))
first = x[:1].astype(np.float64)
measured = (exact.predict(first + d) - exact.predict(first - d))[0, TROUSER] / 2
promised = np.sum(slope(exact, first, ONE[TROUSER]) * d)
print(f"the trouser score changes by {measured:.8e}; the slope promises {promised:.8e}")

# %% [markdown]
# ## Uphill
#
# In training the weights go down the slope of the loss. Now the weights stay, and the image goes up
# the slope of a score, a little at a time, beginning with plain grey:
#
#     x <- x + step * dz/dx        and then cut off what leaves the range from 0 to 1
#
# What we get is on the way to what excites that score most. From a real shirt we go uphill
# on the coat score minus that of the present answer, until the answer is coat. (Simonyan, Vedaldi
# and Zisserman, Deep Inside Convolutional Networks, 2013, section 2; Szegedy et al., Intriguing
# properties of neural networks, 2013, section 4.)


# %%
def uphill(x, ask, steps):
    """Go up the slope, by 0.01 a step at the steepest pixel; return the images on the way."""
    met = [x]
    for _ in range(steps):
        scores = ask(model.predict(met[-1]).argmax())
        if not scores.any():
            break  # nothing more is asked for
        dx = slope(model, met[-1], scores)
        met.append(np.clip(met[-1] + 0.01 * dx / np.abs(dx).max(), 0, 1))
    return met


exciting = uphill(np.full((1, 28, 28), 0.5, np.float32), lambda answer: ONE[TROUSER], 200)
excited = [model.predict(image)[0, TROUSER] for image in exciting]
best_real = model.predict(x)[:, TROUSER].max()
print(f"trouser score: grey {excited[0]:.1f}, after 200 steps {excited[-1]:.1f}", end="; ")
print(f"the highest of 1,000 real images {best_real:.1f}")

chosen = np.flatnonzero((y == SHIRT) & (answers == SHIRT) & (sure > 0.8))[0]
way = uphill(x[[chosen]], lambda answer: ONE[COAT] - ONE[answer], 400)
change = way[-1] - way[0]
print(f"image {chosen}, {sure[chosen]:.1%} shirt, is a coat after {len(way) - 1} steps", end="; ")
print(f"its pixels changed by {np.abs(change).mean():.3f} on average")

# %%
figure = plt.figure(figsize=(9, 7), layout="constrained")
rows = figure.subfigures(3, 1)


def draw(panel, image, title, **how):
    panel.imshow(image, **{"cmap": "gray", "vmin": 0, "vmax": 1, **how})
    panel.set_title(title, fontsize=9)
    panel.set(xticks=[], yticks=[])


for row, chosen_six, title in (
    (rows[0], proudest, "Wrong, and most sure of it"),
    (rows[1], doubtful, "Least sure"),
):
    row.suptitle(title, fontsize=11)
    for panel, i in zip(row.subplots(1, 6), chosen_six, strict=True):
        draw(panel, x[i], f"{names[answers[i]]} {sure[i]:.1%}\ntrue: {names[y[i]]}")
rows[2].suptitle("Uphill: from grey on the trouser score, and from a shirt to a coat", fontsize=11)
panels = rows[2].subplots(1, 6)
for panel, step in zip(panels, (0, 20, 200), strict=False):
    draw(panel, exciting[step][0], f"step {step}\ntrouser score {excited[step]:.1f}")
draw(panels[3], way[0][0], f"Shirt {sure[chosen]:.1%}\nstep 0")
most, last = np.abs(change).max(), tinynn.softmax(model.predict(way[-1]))[0, COAT]
draw(panels[4], change[0], f"the change, up to {most:.2f}\nblue brighter, red darker", cmap="RdBu")
panels[4].images[0].set_clim(-most, most)
draw(panels[5], way[-1][0], f"Coat {last:.1%}\nstep {len(way) - 1}")

out = Path("runs/lessons")
out.mkdir(parents=True, exist_ok=True)
figure.savefig(out / "00_what_the_network_sees.png", dpi=100)

# %% [markdown]
# ## What this proves
#
# `input_gradient` is the slope: what it promised and what two predictions measured agree in all the
# digits printed. And following it shows how far the network is from seeing. The image that it
# calls trouser with a higher score than any real one is grey noise, with a dark gap where the legs
# part. The shirt became a coat by changes that leave it a shirt to us: the network has learnt what
# tells ten kinds apart in 6,000 images, not what clothes are. Where it is wrong and sure of it,
# look again: some would be hard for us, too.
#
# ## Questions
#
# 1. Deal the 784 numbers of `change` out over the pixels at random, and add that to the shirt. Is
#    it still a shirt? What was it in the change that counted, if not its size?
# 2. `input_gradient` needs no more than the weights. Suppose that each ReLU of one image lets all
#    its units pass: which product of matrices is then the slope of the ten scores?
