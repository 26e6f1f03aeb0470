# %% [markdown]
# # 5. Ten templates
#
# From tonight on the data are real: photographs of clothes, 28 x 28 grey pixels each, of ten kinds
# (Fashion-MNIST; Xiao, Rasul and Vollgraf, 2017). Which kind, or *class*, does a picture show? The
# smallest network that can answer has no hidden layer at all: 784 pixels in, ten logits out. We can
# draw what it has learnt, and tonight we do.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import (
    SGD,
    CrossEntropy,
    Dense,
    Flatten,
    Sequential,
    Softmax,
    Trainer,
    datasets,
    scale_pixels,
    zeros,
)

(x, y), (x_test, y_test) = datasets.load_sample()  # 6,000 images to learn from, 1,000 others
x, x_test = scale_pixels(x), scale_pixels(x_test)  # bytes from 0 to 255 become 0 to 1
names = datasets.CLASS_NAMES

# %% [markdown]
# ## A weight for each pixel is an image
#
# `Flatten` lays the 28 rows of a picture end to end, into one row of 784 numbers. Each of the ten
# neurons of `Dense(10)` has one weight for each of these, so its weights, put back into 28 rows,
# are a picture too. Lay this picture over an image, multiply pixel by pixel, and add up:
#
#     z_c = sum over pixels i of  x_i W_ic  +  b_c
#
# That sum of products is called the *dot product* of image and weights. Where a weight is positive,
# a bright pixel speaks for the class; where it is negative, against the class. A picture with which
# the data are compared is a *template*. `Softmax` turns the ten logits into probabilities, as on
# the evening before, and the largest is the answer. (Bishop, Pattern Recognition and Machine
# Learning, 2006, section 4.3.4.)
#
# ## How a template is drawn
#
# For one image, y_c is 1 for its own class c and 0 for the others, and dz_c = p_c - y_c. Since z_c
# is a weighted sum, the chain rule multiplies this by the pixel, and gives the derivative of the
# loss with respect to W_ic:
#
#     dW_ic = x_i (p_c - y_c)            W_c <- W_c + learning rate * (y_c - p_c) * image
#
# So a step adds the image to the template of its class, and subtracts it from the others, each time
# multiplied by the error of the probability. If all weights start at zero, a template is simply a
# weighted sum of the images seen. (Zero would be a bad start with hidden layers: all units of a
# layer would stay equal. Here each neuron has a gradient of its own from the first step on.)
#
# ## Batches and epochs
#
# One step for all 6,000 images would be slow, one for each would be noisy. In between: shuffle
# them, take 50 at a time, a *batch*, and step against the gradient of its mean loss. That is
# *stochastic gradient descent*, SGD. One pass through all images is an *epoch*: 120 steps.
# (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 8.1.3.) `Trainer` shuffles and
# takes the steps. The learning rate follows a *schedule*: it falls with the step t, so that the
# last batches change little.


# %%
def falling(t):
    return 0.1 / (1 + t / 500)


model = Sequential([Flatten(), Dense(10, zeros), Softmax()], input_shape=(28, 28))
trainer = Trainer(model, CrossEntropy(), SGD(learning_rate=falling), seed=0)
history = trainer.fit(x, y, epochs=25, batch_size=50)
for epoch in (1, 5, 25):
    print(f"epoch {epoch:2}: {history['accuracy'][epoch - 1]:.3f} of the training images right")

p_test = model.predict(x_test)
answers = p_test.argmax(axis=1)  # the class that it finds most probable
right = np.mean(answers == y_test)
print(f"{right:.3f} of 1,000 test images right, which it never saw in training; guessing: 0.1")

# %% [markdown]
# Ten neurons, and about four images in five are right. Which classes are hard?

# %%
recognised = {name: float(np.mean(answers[y_test == c] == c)) for c, name in enumerate(names)}
for name, share in sorted(recognised.items(), key=lambda item: item[1]):
    print(f"{name:<12} {share:.2f}  {'#' * round(40 * share)}")

# %% [markdown]
# ## Laid over a picture, by hand
#
# Take one test image, multiply it by each template, add up. These lines call no layer, and they
# give the same probabilities as the network.

# %%
dense = model.layers[1]
templates = dense.W.T.reshape(10, 28, 28)
image = x_test[np.flatnonzero((y_test == 9) & (answers == 9))[0]]  # an ankle boot, recognised
products = templates * image  # (10, 28, 28)
z = products.sum(axis=(1, 2)) + dense.b  # (10,)
p_hand, p_model = np.exp(z) / np.exp(z).sum(), model.predict(image[None])[0]
print(f"by hand and by the network: at most {np.abs(p_hand - p_model).max():.0e} apart")
first, second = np.argsort(-z)[:2]
print(f"{names[first]} {z[first]:.1f}, {names[second]} {z[second]:.1f}, others less")

# %% [markdown]
# ## The picture
#
# Above, the ten templates: blue speaks for the class, red against it; they are nearly white where
# few images have a bright pixel. Two legs speak for trouser, and cloth between them against; cloth
# where a shirt has its neck speaks against bag, and the shaft of a boot against sneaker. A template
# is not a portrait: it shows what tells its class from the other nine. Below, a boot times its own
# template, and times that of the second best class, pixel by pixel (the colour scale is half as
# wide). All pixels of such a product, plus b, add up to a logit.

# %%
figure = plt.figure(figsize=(9, 6.2), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(2, 1))
limit = 0.6 * np.abs(templates).max()  # one scale for all ten; the few beyond it get its end colour
above.suptitle("The ten templates")
panels = above.subplots(2, 5)
for panel, template, name in zip(panels.flat, templates, names, strict=True):
    shown = panel.imshow(template, cmap="RdBu", vmin=-limit, vmax=limit)
    panel.set_title(name, fontsize=10)
above.colorbar(shown, ax=panels, shrink=0.8, extend="both", label="weight: blue for, red against")

photograph, *laid_over, bars = below.subplots(1, 4, width_ratios=(1, 1, 1, 1.4))
photograph.imshow(image, cmap="gray")
photograph.set_title("a test image, x", fontsize=10)
for panel, c in zip(laid_over, (first, second), strict=True):
    panel.imshow(products[c], cmap="RdBu", vmin=-limit / 2, vmax=limit / 2)
    panel.set_title(f"x times {names[c]}", fontsize=10)
for panel in (*panels.flat, photograph, *laid_over):
    panel.set(xticks=[], yticks=[])
bars.barh(names, z, color=["#0072B2" if logit > 0 else "#D55E00" for logit in z])
bars.axvline(0, color="black", linewidth=0.8)
bars.invert_yaxis()
bars.tick_params(labelsize=8)
bars.set_title("its ten logits, z", fontsize=10)
bars.set_xlabel("sum of image times template, plus b", fontsize=9)

out = Path("runs/lessons/05_ten_templates.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# A logit is the dot product of a template and the picture, plus b. Ten templates, each a sum of
# images added and subtracted, recognise four in five pictures that they have never seen. They also
# show what is missing: one template must serve all shirts.
#
# ## Questions
#
# 1. Add up the ten templates, pixel by pixel: `templates.sum(axis=0)`. What comes out, up to
#    rounding, and which line of "How a template is drawn" says so? (The ten p sum to 1.)
# 2. Why not take each class's average image as its template? Try it: the scores are
#    `x_test.reshape(1000, 784) @ averages - (averages**2).sum(axis=0) / 2`, and the nearest average
#    has the largest. How many are right, and what has training done better?
