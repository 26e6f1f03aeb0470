# %% [markdown]
# # 12. Normalisation in twenty layers
#
# In lesson 7, twenty layers could learn only if the first weights had the right standard deviation:
# each layer multiplies its input by a factor of std(W) * sqrt(fan_in / 2), and if that is not 1,
# image and gradient vanish or explode. Tonight each layer's output is divided by its standard
# deviation, whatever that is. Then we train.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinynn
from tinynn import BatchNorm, Dense, Flatten, LayerNorm, ReLU, Sequential

(images, labels), _ = tinynn.datasets.load_sample()
x, y = tinynn.scale_pixels(images[:200]), labels[:200]
loss = tinynn.SoftmaxCrossEntropy()

# %% [markdown]
# ## Two layers that normalise
#
# To *normalise* some numbers is to subtract their mean and to divide by their standard deviation.
# `BatchNorm` does it for each unit, over the images of the batch; `LayerNorm` for each image, over
# the units. Then gamma multiplies and beta is added: parameters, which begin at 1 and 0.
#
#     out = gamma * (z - mean) / std + beta
#
# If the weights W of the layer before are multiplied by a number a > 0, so are z, its mean and its
# std: out stays as it is. As the loss at a W is the loss at W, its gradient is a times smaller:
#
#     out(a W) = out(W)        dW(a W) = dW(W) / a
#
# (Ioffe and Szegedy, Batch Normalization, 2015, section 3.3; Ba, Kiros and Hinton, Layer
# Normalization, 2016, section 5.1.) We multiply the weights of the tenth of twenty layers by 100.


# %%
def network(initializer, normalise):
    """Return twenty hidden layers; the logits are not normalised, so they have He's weights."""
    layers = [Flatten()]
    for _ in range(20):
        layers += [Dense(128, initializer), *([normalise()] if normalise else []), ReLU()]
    return Sequential([*layers, Dense(10, tinynn.he_normal)], input_shape=(28, 28), seed=0)


KINDS = {"without": None, "BatchNorm": BatchNorm, "LayerNorm": LayerNorm}
changes = {}
print("the tenth layer's W, times 100   loss              norm of its dW")
for kind, normalise in KINDS.items():
    model = network(tinynn.he_normal, normalise)
    tenth = [layer for layer in model.layers if isinstance(layer, Dense)][9]
    for factor in (1, 100):
        tenth.W *= factor
        z = model.forward(x)
        model.backward(loss.backward(z, y))
        changes.setdefault(kind, []).extend([loss.forward(z, y), np.linalg.norm(tenth.dW)])
    before, norm, after, norm_after = changes[kind]
    print(f"{kind:<29} {before:5.3f} -> {after:<6.3f}   {norm:.2g} -> {norm_after:.2g}")

# %% [markdown]
# ## Four initializations again
#
# We measure what each ReLU gets on the way forward, z or the normalised z, and its gradient.


# %%
def standard_deviations(model):
    """Return the standard deviation of what each ReLU gets, and that of its gradient."""
    out, forward, backward = x, [], []
    for layer in model.layers:
        if isinstance(layer, ReLU):
            forward.append(out.std())
        out = layer.forward(out)
    dout = loss.backward(out, y)
    for layer in reversed(model.layers):
        dout = layer.backward(dout)
        if isinstance(layer, ReLU):
            backward.insert(0, dout.std())
    return np.array(forward), np.array(backward)


initializers = {
    "too small": lambda shape, rng: rng.normal(0, 0.02, shape),
    "glorot_uniform": tinynn.glorot_uniform,
    "he_normal": tinynn.he_normal,
    "too large": lambda shape, rng: rng.normal(0, 0.2, shape),
}
measured, curves = {}, {}
print("factor of a layer           forward  backward   gradient, first layer / last layer")
for kind, normalise in KINDS.items():
    for name, initializer in initializers.items():
        measured[kind, name] = standard_deviations(network(initializer, normalise))
        forward, backward = measured[kind, name]
        there, ratio = (forward[-1] / forward[0]) ** (1 / 19), backward[0] / backward[-1]
        print(f"{kind:<10} {name:<15} {there:8.2f}  {ratio ** (1 / 19):8.2f}   {ratio:.2g}")

# %% [markdown]
# With normalisation the factor is the same for all four: 1 on the way forward; on the way back
# about 1.2 with `BatchNorm` and 1 with `LayerNorm` (the first question asks why).
#
# ## Do they learn?
#
# As in the last question of lesson 7, each network takes 100 steps of `SGD(0.01)`.


# %%
def train(model, steps=100):
    """Return the loss before each step; stop if it explodes."""
    losses, optimizer = [], tinynn.SGD(0.01)
    for _ in range(steps):
        z = model.forward(x)
        losses.append(loss.forward(z, y))
        if losses[-1] > 100:
            break
        model.backward(loss.backward(z, y))
        optimizer.step(model.params, model.grads)
    return losses


for kind in ("without", "BatchNorm"):
    for name, initializer in initializers.items():
        losses = curves[kind, name] = train(network(initializer, KINDS[kind]))
        print(f"{kind:<10} {name:<15} loss at step {len(losses):>3}: {losses[-1]:.4g}")

# %%
figure = plt.figure(figsize=(9, 4), layout="constrained")
there, back, learning = figure.subplots(1, 3)
colours = dict(zip(initializers, ("#D55E00", "#0072B2", "#009E73", "#000000"), strict=True))
widths = dict(zip(initializers, (7, 5, 3, 1), strict=True))  # lines on one another can be seen
for (kind, name), losses in curves.items():
    plain = kind == "without"
    style = {"c": colours[name], "ls": ":" if plain else "-"}
    for panel, deviations in zip((there, back), measured[kind, name], strict=True):
        panel.semilogy(range(1, 21), deviations, lw=1.5 if plain else widths[name], **style)
    learning.plot(losses, label=None if plain else name, **style)
there.set(title="Forward", xlabel="layer", ylabel="standard deviation")
back.set(title="Back", xlabel="layer", ylabel="standard deviation of the gradient")
learning.set(title="100 steps of SGD", xlabel="step", ylabel="loss", ylim=(0, 3.4))
for label, line in (("with BatchNorm", "-"), ("without", ":")):
    there.plot([], [], line, c="gray", label=label)
figure.legend(loc="outside lower center", ncols=6, fontsize=9)
out = Path("runs/lessons/12_normalisation.png")
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=100)
print(f"The picture is in {out.resolve()}")

# %% [markdown]
# ## What this proves
#
# After normalisation the size of the weights no longer changes what a layer returns. So the factor
# of a layer is the same for all four initializations, and with `BatchNorm` all four learn. Without
# it only He's do: two stay at ln 10 = 2.30, and "too large" begins far above the picture. The size
# of the weights still counts in one place: larger weights have smaller gradients.
#
# ## Questions
#
# 1. Numbers with mean 0 and standard deviation 1 have, after ReLU, the mean square 1/2 and the mean
#    1 / sqrt(2 pi). So what is their variance over independent images, which `BatchNorm` divides
#    by? Why is the factor on the way back sqrt(pi / (pi - 1)) = 1.21, and 1 with `LayerNorm`?
# 2. Compare the logits of image 0 in `model.forward(x[:10])` and in `model.forward(x)`: with
#    `BatchNorm`, with `LayerNorm`, and with `predict` in place of `forward`. What must `BatchNorm`
#    use in prediction, so that an answer does not depend on the other images?
