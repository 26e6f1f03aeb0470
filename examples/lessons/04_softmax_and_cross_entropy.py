# %% [markdown]
# # 4. Softmax and cross-entropy together
#
# On evening 2 we used dz = p - y for the gradient of the loss with respect to the logits, without a
# proof. Here is the proof, for one sample; with N samples, all of it is divided by N. The loss
# -log p of the right answer is named *cross-entropy*. With y_j = 1 at the right answer and 0
# elsewhere:
#
#     p_j = exp(z_j) / sum of exp(z_k)                L = - sum of y_j log p_j
#
# There are two derivatives, one for each part. A probability grows with its own logit, and shrinks
# as another logit grows, because all probabilities share one sum:
#
#     dp_j/dz_k = p_j (1 - p_k)  if j = k             dL/dp_j = - y_j / p_j
#     dp_j/dz_k = - p_j p_k      if not
#
# The chain rule multiplies the two and adds up over j. Each p_j in a numerator cancels one in a
# denominator:
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


def gradient(loss, z, y):
    """Return dz in two parts: backward through the loss, then backward through Softmax."""
    layer = Softmax()
    p = layer.forward(z)
    return layer.backward(loss.backward(p, y))


rng = np.random.default_rng(0)
z = rng.normal(0, 3, size=(50, 10))  # logits of 50 samples for 10 answers
y = np.eye(10)[rng.integers(10, size=50)]  # (50, 10)
on_paper = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - y) / 50  # (p - y) / N
in_parts = gradient(CrossEntropy(), z, y)
in_one = SoftmaxCrossEntropy().backward(z, y)
print("the largest distance of an entry of dz from (p - y) / N")
print(f"  Softmax, then CrossEntropy: {abs(in_parts - on_paper).max():.0e}")
print(f"  SoftmaxCrossEntropy:        {abs(in_one - on_paper).max():.0e}")

# %% [markdown]
# ## Confidently wrong
#
# Why not the squared error of evening 1? Take two answers. All depends on the *gap*, also named
# *margin*: the logit of the right answer minus that of the other. At 10 the network is right and
# sure of it; at -10 it is wrong and just as sure. With p for the right answer's probability, the
# derivatives with respect to its logit are
#
#     cross-entropy:    p - 1                         squared error:    - 2 p (1 - p)^2
#
# In the second, a factor p comes from the derivative of softmax, and nothing cancels it. Where the
# network is wrong and sure, p is nearly 0, and so is the gradient: softmax *saturates*. The worse
# the mistake, the less the network learns from it. (Goodfellow, Bengio and Courville, Deep
# Learning, 2016, section 6.2.2.3.)

# %%
right = np.array([[1.0, 0.0]])  # (1, 2): the first of two answers is right
gaps = np.linspace(-15, 15, 121)
losses = {"cross-entropy": CrossEntropy(), "squared error": MeanSquaredError()}
sizes, paths = {}, {}
for name, loss in losses.items():
    sizes[name] = [abs(gradient(loss, np.array([[gap, 0.0]]), right)[0, 0]) for gap in gaps]
    at_ten = abs(gradient(loss, np.array([[-10.0, 0.0]]), right)[0, 0])
    logits, paths[name] = np.array([[-10.0, 0.0]]), []  # gradient descent, from sure and wrong
    for _ in range(8000):
        paths[name].append(logits[0, 0] - logits[0, 1])
        logits -= gradient(loss, logits, right)  # with learning rate 1
    first = np.argmax(np.array(paths[name]) > 0)
    print(f"{name}: gradient {at_ten:.1e} at a gap of -10; right from step {first} on")

# %% [markdown]
# ## A gap of 1000
#
# On paper p cancels. In a computer it may be 0 before that: exp(-1000) is 0, also in float64 (an
# *underflow*), and then -1/p is infinite. (exp(1000) is infinite, an *overflow*. But no p changes
# if one number is subtracted from all logits, so softmax first subtracts the largest: no exp is
# over 1.)
#
# `Softmax` therefore lets no probability fall under 1e-30, the *floor*. The floor is far too small
# to change a sum, and far above the smallest number of float32, 1e-38, so that -1e30 times 1e-30 is
# -1, as on paper. A floor in the loss alone would keep -1/p finite; but the derivative of softmax
# would still have the factor 0, and the network would learn nothing from its worst mistake. Let us
# try all three. NumPy's warnings of 1/0 are turned off, because 1/0 is what we want to see.

# %%
z32, right32 = np.array([[-1000, 0]], np.float32), right.astype(np.float32)
p = softmax(z32)  # without a floor: exactly 0 and 1
with np.errstate(all="ignore"):
    for name, p_of_loss, p_of_softmax in (
        ("no floor", p, p),
        ("a floor in the loss", np.maximum(p, 1e-30), p),
        ("a floor in softmax", np.maximum(p, 1e-30), np.maximum(p, 1e-30)),
    ):
        dp = -right32 / p_of_loss
        dz = p_of_softmax * (dp - (dp * p_of_softmax).sum(axis=1, keepdims=True))
        print(f"{name + ':':<21}dz = {dz[0]}")
far_parts = gradient(CrossEntropy(), z32, right32)
far_one = SoftmaxCrossEntropy().backward(z32, right32)
print(f"tinynn, in two parts: dz = {far_parts[0]} in {far_parts.dtype}, in one: {far_one[0]}")

# %% [markdown]
# ## The picture
#
# Left, the size of the gradient over the gap, on a logarithmic axis. Right, gradient descent from a
# gap of -10: the network is right as soon as the gap is above 0.

# %%
figure = plt.figure(figsize=(9, 4), layout="constrained")
gradients, learning = figure.subplots(1, 2)
for (name, path), colour, style in zip(
    paths.items(), ("#0072B2", "#D55E00"), ("-", "--"), strict=True
):
    gradients.semilogy(gaps, sizes[name], style, color=colour, label=name)
    learning.semilogx(range(1, 8000), path[1:], style, color=colour, label=name)
gradients.axvline(-10, color="#000000", ls=":", label="a gap of -10")
gradients.set(title="The gradient", ylabel="size of dL/dz for the right answer")
gradients.set_xlabel("gap: from sure and wrong to sure and right")
gradients.legend(fontsize=9, loc="lower center")
learning.axhline(0, color="#000000", ls=":", label="both equally likely")
learning.set(
    title="Gradient descent from a mistake", xlabel="step, at learning rate 1", ylabel="gap"
)
learning.legend(fontsize=9, loc="center", bbox_to_anchor=(0.55, 0.3))
out = Path("runs/lessons/04_softmax_and_cross_entropy.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# The derivatives of softmax and of cross-entropy, multiplied, give p - y, up to rounding errors; in
# float32 also at a gap of 1000. Where the network is sure and wrong, at a gap of -10, the gradient
# is 1 with cross-entropy, and 1e-4 with squared error.
#
# ## Questions
#
# 1. At which p is the gradient of the squared error largest, and how large is it there? Set the
#    derivative of 2 p (1 - p)^2 to zero, then find the place in the picture.
# 2. At a gap of -1000 the loss is 1000 with `SoftmaxCrossEntropy`, and 69.08 with the two parts.
#    Where does 69.08 come from, and why does it do no harm in training?
