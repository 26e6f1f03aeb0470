# %% [markdown]
# # 14. What a convolution is
#
# A `Dense` layer has a weight for each pixel and each unit, and nothing tells it which pixels are
# neighbours. But a piece of an edge looks the same wherever it is in the image. Tonight we write
# nine numbers that find edges, move them over an image, and see that this is a `Dense` layer after
# all: one in which nearly all weights are zero, and the others are the same nine numbers again and
# again.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import Conv2D, Dense, Sequential, datasets, scale_pixels

_, (images, labels) = datasets.load_sample()
x = scale_pixels(images[labels == 9][:20])  # (20, 28, 28): ankle boots
H = W = 28

# %% [markdown]
# ## Nine numbers
#
# A *kernel* is a small table of weights, here 3 x 3. Lay it over a *window* of 3 x 3 pixels,
# multiply number by number, and add up: that is one number of the output. Move the kernel by a
# pixel for the next one. So that the output is as large as the image, the image gets a frame of
# zeros, one pixel wide (*padding*):
#
#     out[p, q] = sum over i, j of  x[p + i, q + j] K[i, j]          x with its frame
#
# Each kernel below adds up to 0, so where all nine pixels are alike, out is 0. Where the right
# column is brighter than the left one, the first gives a positive number: an edge that goes from
# top to bottom. (In mathematics this is a *correlation*; a convolution has the kernel turned by 180
# degrees. A network learns its kernels, so that makes no difference. Goodfellow, Bengio and
# Courville, Deep Learning, 2016, section 9.1; the first two kernels are Prewitt's, of 1970.)

# %%
kernels = {
    "left to right": np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "top to bottom": np.array([[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
    "outline": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
}


def by_hand(image, kernel):
    """Move the kernel over the image (H, W), window by window."""
    framed, out = np.pad(image, 1), np.zeros((H, W))
    for p in range(H):
        for q in range(W):
            out[p, q] = np.sum(framed[p : p + 3, q : q + 3] * kernel)
    return out


edges = {name: by_hand(x[0], kernel) for name, kernel in kernels.items()}
p, q = np.unravel_index(edges["left to right"].argmax(), (H, W))
print(f"the strongest edge from left to right is at row {p}, column {q}; its window:")
print(np.pad(x[0], 1)[p : p + 3, q : q + 3].round(2))
print(f"right column minus left column: {edges['left to right'][p, q]:.2f}")

# %% [markdown]
# ## The same as a layer
#
# `Conv2D(3, 3)` has three kernels of 3 x 3 for an image with one *channel*, so its W has the shape
# (3, 3, 1, 3): rows and columns of a kernel, channels, kernels. Images get their channel as a last
# axis. We put our nine numbers in, three times.

# %%
conv = Conv2D(3, size=3, padding="same", bias=False)
seeing = Sequential([conv], input_shape=(H, W, 1))
conv.W = np.stack([*kernels.values()], axis=-1)[:, :, None, :]
maps = seeing.predict(x[..., None])  # (20, 28, 28, 3): a map for each kernel
apart = max(np.abs(maps[0, ..., k] - out).max() for k, out in enumerate(edges.values()))
print(f"Conv2D has {conv.W.size} weights; from the loops by hand it is {apart:.0e} apart")

# %% [markdown]
# ## The same as a Dense layer
#
# Each number of the output is a weighted sum of the pixels, and a `Dense` layer with 784 units can
# compute any weighted sums. Unit (p, q) needs the kernel's nine numbers at the pixels of its
# window, and zeros at the 775 others. We take the first kernel, and write this table T.

# %%
T, which = np.zeros((H, W, H, W)), np.full((H, W, H, W), -1)  # pixel (row, column), unit (p, q)
for p, q, i, j in np.ndindex(H, W, 3, 3):
    row, column = p + i - 1, q + j - 1  # -1: the frame
    if 0 <= row < H and 0 <= column < W:  # the frame's zeros count for nothing
        T[row, column, p, q] = kernels["left to right"][i, j]
        which[row, column, p, q] = 3 * i + j  # which of the nine numbers stands here

dense = Dense(H * W, bias=False)
table = Sequential([dense], input_shape=(H * W,))
dense.W = T.reshape(H * W, H * W)
flat = table.predict(x.reshape(-1, H * W))
apart = np.abs(flat.reshape(-1, H, W) - maps[..., 0]).max()
used = np.count_nonzero(which >= 0)
print(f"Dense has {dense.W.size:,} weights, {used:,} of them in a window, for 9 numbers:")
print(f"{dense.W.size // 9:,} times as many. From Conv2D it is {apart:.0e} apart")

# %% [markdown]
# ## Why nine are enough to learn
#
# Both layers now get the same gradient dout of their output. `Dense` has a gradient for each of its
# weights. The nine numbers of the kernel stand at many places of T, and the chain rule adds up over
# all places where a number is used: so the gradient of K[i, j] must be the sum of dT over the
# places where K[i, j] stands. All windows of all images teach the same nine numbers.

# %%
dout = np.random.default_rng(0).normal(size=flat.shape)
table.forward(x.reshape(-1, H * W))
table.backward(dout)
one = Conv2D(1, size=3, bias=False)
alone = Sequential([one], input_shape=(H, W, 1))
one.W = kernels["left to right"][:, :, None, None]
alone.forward(x[..., None])
alone.backward(dout.reshape(-1, H, W, 1))
summed = np.array([dense.dW.reshape(which.shape)[which == k].sum() for k in range(9)])
print("dK by Conv2D            ", one.dW.ravel().round(1))
print("dT, added up by number  ", summed.round(1))

# %%
figure = plt.figure(figsize=(9, 5.6), layout="constrained")
above, below = figure.subplots(2, 4)
above[0].imshow(x[0], cmap="gray")
above[0].set_title("the image", fontsize=10)
for panel, small, (name, kernel), out in zip(
    above[1:], below[1:], kernels.items(), edges.values(), strict=True
):
    limit = np.abs(out).max()
    panel.imshow(out, cmap="RdBu", vmin=-limit, vmax=limit)
    panel.set_title(name, fontsize=10)
    small.imshow(kernel, cmap="RdBu", vmin=-2, vmax=2)
    for (i, j), number in np.ndenumerate(kernel):
        small.text(j, i, number, ha="center", va="center", color="white" if number > 1 else "black")
    small.set_title("its kernel", fontsize=10)
below[0].imshow(dense.W[:84, :84], cmap="RdBu", vmin=-1, vmax=1)
below[0].set_title("left to right as Dense:\nW of 3 rows of pixels", fontsize=10)
below[0].set(xlabel="unit", ylabel="pixel")
for panel in (*above, *below[1:]):
    panel.set(xticks=[], yticks=[])
out = Path("runs/lessons/14_what_a_convolution_is.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# Nine numbers, moved over the image, give the same output as 614,656 weights of a `Dense` layer,
# and their gradient is the sum of that layer's. So a convolution can do nothing that `Dense`
# cannot. It is a `Dense` layer to which we have said two things about images before it learns:
# neighbours belong together (the zeros), and what is worth finding in one place is worth finding in
# all (the same nine numbers). It need not learn these two from images.
#
# ## Questions
#
# 1. Which kernel moves an image by one pixel to the right? What comes in at the left edge? And does
#    `by_hand` of a moved image give the moved output of `by_hand`?
# 2. Two convolutions one after the other, with "left to right" and then "top to bottom", are one
#    convolution with a kernel of 5 x 5, if no ReLU stands between. Find its 25 numbers: what do the
#    two make of an image with one bright pixel in its middle? How many numbers had to be learnt?
