# %% [markdown]
# # 3. Is the gradient right?
#
# A wrong gradient raises no error. The loss may still fall, but not as far, and nobody knows why.
# The loss itself can tell what is right: move one weight by a small h, and see how much the loss
# changes. That is a *finite difference*, on one side or, better, on both:
#
#     one-sided:  (L(w + h) - L(w)) / h          central:  (L(w + h) - L(w - h)) / 2h
#
# How small should h be? Tonight we measure that, and then let `check_gradients` find a bug.
#
# ## Two errors pull in opposite directions
#
# By Taylor's formula L(w + h) = L + h L' + h^2/2 L'' + h^3/6 L''' + ..., all taken at w. In the
# central difference the terms with even powers cancel. What remains beside the derivative L' is the
#
#     truncation error:   h^2/6 L'''             (one-sided: h/2 L'')
#
# So make h tiny? A computer keeps only some digits: 16 in *float64*, 7 in *float32*. The distance
# from 1 to the next number that it can store is the *machine epsilon*, eps: 2e-16 and 1e-7. Each L
# is wrong by about eps, and the difference of two of them is then divided by a small number:
#
#     rounding error:     about eps / h
#
# The sum of h^2 and eps / h is smallest where one grows as fast as the other falls:
#
#     2 h = eps / h^2     so, up to a factor near 1,     h = eps^(1/3)
#
# (Nocedal and Wright, Numerical Optimization, 2006, section 8.1.)

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tinynn import SGD, Dense, Layer, ReLU, Sequential, SoftmaxCrossEntropy, check_gradients

weights = np.linspace(-2, 2, 400)  # we compare at each of these, and take the mean of the errors


def loss_at(w):
    return np.log(1 + np.exp(-w))  # -log p of evening 2: the right answer's logit is w, the other 0


def central(w, h):
    return (loss_at(w + h) - loss_at(w - h)) / (2 * h)


def one_sided(w, h):
    return (loss_at(w + h) - loss_at(w)) / h


def errors(difference, steps, dtype):
    """Return the mean error of a finite difference for each step h, computed in dtype."""
    w = weights.astype(dtype)
    right = -1 / (1 + np.exp(w.astype(np.float64)))  # by the rules of calculus
    return [np.abs(difference(w, h) - right).mean() for h in steps.astype(dtype)]


steps = 10 ** np.arange(-12, 0.1, 0.25)  # 1e-12 to 1
steps32 = 10 ** np.arange(-6, 0.1, 0.25)
central64 = errors(central, steps, np.float64)
central32 = errors(central, steps32, np.float32)
one64 = errors(one_sided, steps, np.float64)
for name, h, error, dtype in (("64", steps, central64, "f8"), ("32", steps32, central32, "f4")):
    best, theory = np.argmin(error), np.finfo(dtype).eps ** (1 / 3)
    print(f"float{name}: error {error[best]:.0e} at h = {h[best]:.0e}; eps^(1/3) is {theory:.0e}")

# %% [markdown]
# On *logarithmic* axes, where equal distances are equal factors, h^2 is a line that rises with
# slope 2, and eps / h a line that falls with slope -1: together a V. At its bottom eleven digits
# are right in float64, five in float32: so check in float64, whatever the network is trained in.
#
# ## A bug that raises no error
#
# A layer out = x W gives back dx = dout W^T, where dout is the gradient of the loss with respect to
# out, and W^T is the *transpose* of W: rows and columns exchanged (`W.T`). Here somebody forgot the
# T. W has four rows and four columns, so the shapes fit nevertheless.


# %%
class MyDense(Dense):
    def input_gradient(self, dout):
        return dout @ self.W


rng = np.random.default_rng(0)
x = rng.normal(size=(60, 2))
y = (x[:, 0] * x[:, 1] > 0).astype(int)  # XOR again, of the signs of two numbers
loss = SoftmaxCrossEntropy()  # softmax and -log p in one, on logits


def network(*hidden):
    return Sequential([Dense(4), *hidden, Dense(2)], input_shape=(2,), seed=4, dtype=np.float64)


for layer in (Dense(4), MyDense(4)):
    model, optimizer, losses = network(ReLU(), layer, ReLU()), SGD(0.3), []
    for _ in range(500):
        z = model.forward(x)
        losses.append(loss.forward(z, y))
        model.backward(loss.backward(z, y))
        optimizer.step(model.params, model.grads)
    print(f"{type(layer).__name__}: the loss falls from {losses[0]:.2f} to {losses[-1]:.3f}")

# %% [markdown]
# Nobody who sees only the second line suspects a bug. (Of seeds 0 to 7, it costs this much with
# two, 4 and 6, and almost nothing with four.) `check_gradients` compares each entry of a gradient
# with a central difference, from the loss back to x. Their distance divided by the larger is the
# *relative error*; 2.MyDense.x is dx of layer 2. A row marked *follows* comes from a wrong array.

# %%
report = check_gradients(network(ReLU(), MyDense(4), ReLU()), loss, x[:5], y[:5])
print(report)

# %%
figure, (vee, bars) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
vee.loglog(steps, one64, "^-", ms=3, color="#009E73", label="one-sided, float64")
vee.loglog(steps32, central32, "s-", ms=3, color="#D55E00", label="central, float32")
vee.loglog(steps, central64, "o-", ms=3, color="#0072B2", label="central, float64")
for dtype, colour in (("float32", "#D55E00"), ("float64", "#0072B2")):
    best = np.finfo(dtype).eps ** (1 / 3)
    vee.axvline(best, color=colour, ls=":", label=f"eps^(1/3), {dtype}")
vee.set(title="The best step", xlabel="step h", ylabel="error of the derivative", ylim=(1e-15, 1))
vee.legend(fontsize=9, loc="lower left")

for verdict, colour in (("ok", "#0072B2"), ("WRONG", "#D55E00"), ("follows", "#E69F00")):
    rows = [row for row in report.rows if row.verdict == verdict]
    bars.barh([row.name for row in rows], [row.error for row in rows], color=colour, label=verdict)
bars.axvline(1e-6, color="#000000", ls=":", label="tolerance")
bars.set(title="Where is the bug?", xscale="log", xlim=(1e-12, 1e2), xlabel="worst relative error")
bars.invert_yaxis()
bars.legend(fontsize=9, loc="upper right")
out = Path("runs/lessons/03_is_the_gradient_right.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")


# %%
class MyTanh(Layer):
    """For question 2: out = tanh(x), a smooth step from -1 to 1. It has a bug."""

    def forward(self, x, training=True):
        if training:
            self.x = x
        return np.tanh(x)

    def input_gradient(self, dout):
        return dout * (1 - self.x**2)


# %% [markdown]
# ## What this proves
#
# The error of a central difference, drawn over the step h, is a V, and its bottom lies where theory
# says, near eps^(1/3). A difference needs only the loss, so it can check every line of backward.
#
# ## Questions
#
# 1. The one-sided difference is wrong by about h + eps / h. Where must its bottom be in float64,
#    and how large is the error there? Compute both; the picture agrees up to a factor of ten.
# 2. Check `network(MyTanh())`. Where does the report point, and what is wrong there? Before you
#    correct it, check with x[:5] / 10, too: why is the error so much smaller?
