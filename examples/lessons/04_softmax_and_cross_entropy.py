# %% [markdown]
# # 4. Softmax and cross-entropy together
#
# On evening 2 we used dz = p - y for the slope of the loss in the scores, and put off its reason.
# Here it is, for one sample; with N of them, 1/N stands before everything. The loss -log p of the
# right answer is named *cross-entropy*. With y_j = 1 at the right answer and 0 elsewhere:
#
#     p_j = exp(z_j) / sum of exp(z_k)                L = - sum of y_j log p_j
#
# Two slopes, one for each part. A probability grows with its own score, and shrinks as another one
# grows, because all of them share one sum:
#
#     dp_j/dz_k = p_j (1 - p_k)  if j = k             dL/dp_j = - y_j / p_j
#     dp_j/dz_k = - p_j p_k      if not
#
# The chain rule multiplies the two and adds up over j. Each p_j above meets a p_j beneath the line,
# and both are gone:
#
#     dz_k = - y_k (1 - p_k) + sum of y_j p_k over the other j
#          = - y_k + p_k (sum of all y_j)
#          = p_k - y_k                                because the y_j add up to 1
#
# (Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.)

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import CrossEntropy, MeanSquaredError, Softmax, SoftmaxCrossEntropy, softmax


def slope(loss, z, y):
    """Return dz, by way of p: backward through the loss, then through Softmax."""
    layer = Softmax()
    p = layer.forward(z)
    return layer.backward(loss.backward(p, y))


rng = np.random.default_rng(0)
z = rng.normal(0, 3, size=(50, 10))  # scores of 50 samples for 10 answers
y = np.eye(10)[rng.integers(10, size=50)]  # (50, 10)
on_paper = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - y) / 50  # (p - y) / N
in_parts = slope(CrossEntropy(), z, y)
in_one = SoftmaxCrossEntropy().backward(z, y)
print(f"Softmax, then CrossEntropy: {abs(in_parts - on_paper).max():.0e} from (p - y) / N")
print(f"SoftmaxCrossEntropy:        {abs(in_one - on_paper).max():.0e} from it")

# %% [markdown]
# ## Confidently wrong
#
# Why not the squared error of evening 1? Take two answers. All depends on the *gap*, the score of
# the right one minus that of the other: at 10 the network is right and sure of it, at -10 wrong and
# just as sure. With p for the right answer's probability, the slopes in its score are
#
#     cross-entropy:    p - 1                         squared error:    - 2 p (1 - p)^2
#
# The factor p in the second is softmax's own slope, which nothing cancels. Where the network is
# wrong and sure, p is nearly 0, and so is the slope: the worse the mistake, the less it learns.
# (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.3.)

# %%
right = np.array([[1.0, 0.0]])  # (1, 2): the first of two answers is right
gaps = np.linspace(-15, 15, 121)
losses = {"cross-entropy": CrossEntropy(), "squared error": MeanSquaredError()}
sizes, ways = {}, {}
for name, loss in losses.items():
    sizes[name] = [abs(slope(loss, np.array([[gap, 0.0]]), right)[0, 0]) for gap in gaps]
    at_ten = abs(slope(loss, np.array([[-10.0, 0.0]]), right)[0, 0])
    scores, ways[name] = np.array([[-10.0, 0.0]]), []  # now go downhill, from sure and wrong
    for _ in range(8000):
        ways[name].append(scores[0, 0] - scores[0, 1])
        scores -= slope(loss, scores, right)  # with learning rate 1
    first = np.argmax(np.array(ways[name]) > 0)
    print(f"{name}: slope {at_ten:.1e} at a gap of -10; right from step {first} on")

# %% [markdown]
# ## A gap of 1000
#
# On paper p cancels. In a computer it may be gone before: exp(-1000) is 0, also in float64, and
# then -1/p is infinite. (exp(1000) is infinite, too. But the same number taken from all scores
# changes no p, so softmax takes away the largest first, and no exp is over 1.)
#
# `Softmax` therefore lets no probability fall under 1e-30, the *floor*. It is far too small to
# change a sum, and far from the smallest number of float32, 1e-38, so that -1e30 times 1e-30 is -1,
# as on paper. A floor that only the loss knew of would keep -1/p finite; but softmax's own slope
# would still have the factor 0, and the worst mistake would teach nothing. Let us try all three,
# NumPy's warnings of 1/0 turned off, because 1/0 is what we want to see.

# %%
z32, right32 = np.array([[-1000, 0]], np.float32), right.astype(np.float32)
p = softmax(z32)  # without a floor: exactly 0 and 1
with np.errstate(all="ignore"):
    for name, divisor, own in (
        ("no floor", p, p),
        ("a floor in the loss", np.maximum(p, 1e-30), p),
        ("a floor in softmax", np.maximum(p, 1e-30), np.maximum(p, 1e-30)),
    ):
        dp = -right32 / divisor
        dz = own * (dp - (dp * own).sum(axis=1, keepdims=True))  # the two slopes from above
        print(f"{name + ':':<21}dz = {dz[0]}")
far_parts = slope(CrossEntropy(), z32, right32)
far_one = SoftmaxCrossEntropy().backward(z32, right32)
print(f"tinynn, in two parts: dz = {far_parts[0]} in {far_parts.dtype}, in one: {far_one[0]}")

# %% [markdown]
# ## The picture
#
# Left, the slope over the gap; mind that each mark of the axis is a hundred times the one beneath.
# Right, going downhill from a gap of -10: the network is right as soon as the gap is above 0.

# %%
figure = plt.figure(figsize=(9, 4), layout="constrained")
slopes, learning = figure.subplots(1, 2)
for (name, way), colour, style in zip(
    ways.items(), ("#0072B2", "#D55E00"), ("-", "--"), strict=True
):
    slopes.semilogy(gaps, sizes[name], style, color=colour, label=name)
    learning.semilogx(range(1, 8000), way[1:], style, color=colour, label=name)
slopes.axvline(-10, color="#000000", ls=":", label="a gap of -10")
slopes.set(title="What a mistake teaches", ylabel="size of the slope in the right score")
slopes.set_xlabel("gap: from sure and wrong to sure and right")
slopes.legend(fontsize=9, loc="lower center")
learning.axhline(0, color="#000000", ls=":", label="both answers alike")
learning.set(title="The way out of a mistake", xlabel="step, at learning rate 1", ylabel="gap")
learning.legend(fontsize=9, loc="center", bbox_to_anchor=(0.55, 0.3))
Path("runs/lessons").mkdir(parents=True, exist_ok=True)
figure.savefig("runs/lessons/04_softmax_and_cross_entropy.png", dpi=100)

# %% [markdown]
# ## What this proves
#
# Softmax and cross-entropy, each with a slope of its own, make p - y together, to rounding, and in
# float32 also at a gap of 1000. So who is sure and wrong has a slope of 1 with cross-entropy, and
# of 1e-4 with squared error.
#
# ## Questions
#
# 1. At which p is the slope of the squared error largest, and how large is it there? Set the
#    derivative of 2 p (1 - p)^2 to zero, then find the place in the picture.
# 2. At a gap of -1000 `SoftmaxCrossEntropy` has the loss 1000, the two parts have 69.08. Where does
#    69.08 come from, and why does training not mind?
