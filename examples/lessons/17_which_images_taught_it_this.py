# %% [markdown]
# # 17. Which images taught it this?
#
# A network takes a boot for a sneaker. It has learnt that from its training images alone. But from
# which of the 6,000? We could train 6,000 times, each time without one image. Tonight a dot product
# for each image gives an answer in a second. Then we train again without the images that it names.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import SGD, Checkpoint, CosineDecay, CrossEntropy, Dense, Flatten, ReLU, Softmax

(images, y), (test_images, y_test) = tinynn.datasets.load_sample()
x, x_test = tinynn.scale_pixels(images), tinynn.scale_pixels(test_images)
names, loss = tinynn.datasets.CLASS_NAMES, CrossEntropy()
SNEAKER, BOOT = names.index("Sneaker"), names.index("Ankle boot")
out = Path("runs/lessons/17_which_images_taught_it_this.png")
files = out.with_name("17_step_{step}.npz")  # the network at the beginning, and after each epoch
out.parent.mkdir(parents=True, exist_ok=True)


def train(chosen, *callbacks):
    layers = [Flatten(), Dense(64), ReLU(), Dense(10), Softmax()]
    model = tinynn.Sequential(layers, input_shape=(28, 28), seed=0)
    trainer = tinynn.Trainer(model, loss, SGD(CosineDecay(0.05), momentum=0.9))
    trainer.fit(x[chosen], y[chosen], epochs=3, batch_size=32, callbacks=callbacks)
    return model


everything = np.arange(len(x))
model = train(everything, Checkpoint(files, if_exists="replace"))
predicted = model.predict(x_test).argmax(axis=1)
(wrong,) = np.nonzero((y_test == BOOT) & (predicted == SNEAKER))
boot = x_test[wrong[:1]], y_test[wrong[:1]]  # the first of them: (1, 28, 28), (1,)
sure = model.predict(boot[0])[0, SNEAKER]
print(f"{len(wrong)} boots are taken for sneakers, the first with probability {sure:.2f}")

# %% [markdown]
# ## What one step on one image does
#
# A step of gradient descent on training image n moves the weights w by -rate g_n, where g_n is the
# gradient of that image's loss. What does this do to the loss L of our boot, whose gradient is g?
#
#     L(w - rate g_n) - L(w)  =  -rate (g_n . g)  + terms with rate^2
#
# Where the dot product g_n . g is positive, the step *helps*: it lowers the loss of the boot as a
# boot. Where it is negative, it *harms*. We try it with one boot and one sneaker.


# %%
def gradient(model, x, y):
    model.backward(loss.backward(model.forward(x), y))
    return model.grads.copy()


def loss_of_boot(model):
    return loss.forward(model.predict(boot[0]), boot[1])


precise, rate, tried = model.astype(np.float64), 1e-5, {}
g = gradient(precise, *boot)
for kind in (BOOT, SNEAKER):
    n = np.flatnonzero(y == kind)[:1]
    g_n = gradient(precise, x[n], y[n])
    moved = precise.astype(np.float64)  # a copy
    moved.params -= rate * g_n
    product, fall = g_n @ g, (loss_of_boot(precise) - loss_of_boot(moved)) / rate
    tried[int(n[0])] = product, fall
    print(f"image {n[0]}, {names[kind]}: g_n . g {product:.4f}, the loss falls by {fall:.4f} rate")

# %% [markdown]
# ## 6,000 dot products, and no gradient
#
# Each g_n has 50,890 numbers, 6,000 of them a gigabyte. They are not needed: for one image, the
# gradient of the weights of a `Dense` is the outer product of its input x_n and of dout_n (evening
# 2: dW = x.T @ dout, with one row). And the dot product of two outer products is
#
#     sum_ij (x_n[i] dout_n[j]) (x[i] dout[j])  =  (x_n . x) (dout_n . dout)
#
# `influence` takes all images forward and back once, and multiplies.

# %%
at_the_end = tinynn.influence(precise, loss, x, y, *boot)
for n, (product, _) in tried.items():
    print(f"image {n}: by whole gradients {product:.8f}, by products {at_the_end.values[n]:.8f}")

# %% [markdown]
# At the end of training most images are learnt, and their gradients are small; they taught earlier.
# So we add up rate (g_n . g) over the checkpoints, each with its learning rate. (Pruthi, Liu, Kale
# and Sundararajan, Estimating Training Data Influence by Tracing Gradient Descent, 2020.)

# %%
result = tinynn.influence(model, loss, x, y, *boot, checkpoints=files)
helpful, harmful = result.most_helpful(300), result.most_harmful(300)
print(result)
for words, chosen in (("helpful", helpful), ("harmful", harmful)):
    counts = np.bincount(y[chosen[:50]], minlength=10)
    told = ", ".join(f"{counts[k]} {names[k]}" for k in np.argsort(-counts) if counts[k])
    print(f"the 50 most {words}: {told}")

# %% [markdown]
# ## Is that true?
#
# We train without the 300 most harmful images, without 300 others, as many of each class (to leave
# any out changes the order of the rest: that alone changes a loss), and without the most helpful.


# %%
def without(left_out):
    return loss_of_boot(train(np.setdiff1d(everything, left_out)))


rng, drawn_at_random = np.random.default_rng(0), []
for k, count in enumerate(np.bincount(y[harmful])):
    others = np.setdiff1d(np.flatnonzero(y == k), harmful)
    drawn_at_random.extend(rng.choice(others, count, replace=False))
ends = {
    "with all images": loss_of_boot(model),
    "without 300 harmful": without(harmful),
    "without 300 of the same classes": without(drawn_at_random),
    "without 300 helpful": without(helpful),
}
for words, end in ends.items():
    print(f"{words:<31} loss of the boot {end:.2f}, as a boot with {np.exp(-end):.0%}")

# %%
figure = plt.figure(figsize=(9, 3.9), layout="constrained")
grid = figure.add_gridspec(2, 8)
shown = [(grid[:, :2], boot[0][0], "black", "boot, taken for a sneaker")]
for i in range(3):
    for row, (chosen, colour) in enumerate(((helpful, "#0072B2"), (harmful, "#D55E00"))):
        title = f"{'harmful' if row else 'helpful'}:\n{names[y[chosen[i]]]}"
        shown.append((grid[row, 2 + i], x[chosen[i]], colour, title))
for place, image, colour, title in shown:
    panel = figure.add_subplot(place)
    panel.imshow(image, cmap="gray")
    panel.set(xticks=[], yticks=[])
    panel.set_title(title, fontsize=9, color=colour)
    panel.spines[:].set(color=colour, linewidth=2)
bars = figure.add_subplot(grid[:, 5:])
heights = bars.barh([*ends], [*ends.values()], color=["black", "#D55E00", "#999999", "#0072B2"])
bars.bar_label(heights, fmt="%.2f", padding=3)
bars.set(title="trained again", xlabel="loss of the boot, as a boot", xlim=(0, 9))
bars.tick_params(axis="y", labelsize=8)
bars.invert_yaxis()
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# The images that harm most are sneakers, high ones, which look like our boot. Without the 300 most
# harmful images its loss falls far more than without 300 others of the same classes. So the dot
# product of two gradients finds what taught the network this answer, without training again.
#
# ## Questions
#
# 1. Among the 300 most harmful are also T-shirts. Compute the influence at each checkpoint alone,
#    `checkpoints=path`. Which one names them, and what does the network know there?
# 2. Ask about the other answer, `one_y=SNEAKER`. Of the 50 images that help it most, how many are
#    among the 50 that harmed the answer boot most? Why not all of them?
