"""When the numbers run away: say where it began, what led there, and what helps.

A loss that is not a number says nothing about its cause. So the batch is put through the model once
more, layer by layer, until the first array that is not finite.
"""

import copy

import numpy as np

from tinynn import checks
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.training.run import Run


class TrainingDiverged(ArithmeticError):
    """A loss or a parameter that is NaN or infinite: it says where, and what to try.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential, Trainer
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> x = np.arange(4.0)[:, None]
    >>> Trainer(model, MeanSquaredError(), SGD(learning_rate=1e6)).fit(x, 2 * x, 100, batch_size=4)
    Traceback (most recent call last):
        ...
    tinynn.training.divergence.TrainingDiverged: Training diverged in epoch 6, step 6. ...
    """


def all_finite(run: Run) -> bool:
    """Whether all parameters and buffers are numbers, and all that the optimizer remembers.

    Adam's squares of gradients are the first to leave the range of numbers; divided by infinity,
    every step is 0, and training stands still without a word.
    """
    vectors = (run.model.params, run.model.buffers, *run.optimizer.slots.values())
    return all(np.isfinite(vector).all() for vector in vectors)


def diverged(run: Run) -> TrainingDiverged:
    """Return the error, to be raised, for a run that met a number which is not finite."""
    losses = ", ".join(f"{loss:.4g}" for loss in run.recent_losses) or "none"
    text = (
        f"Training diverged in epoch {run.epoch}, step {run.step}. Losses before: {losses}."
        f"\n  First not finite: {_first_not_finite(run)}."
        f"\n  Try {'; '.join(_remedies(run))}; or clip the gradients in a callback's "
        "on_gradients."
    )
    if run.checkpoint:
        text += (
            f"\n  The last good checkpoint stands: {run.checkpoint}. Resume it with its own "
            "settings and fewer epochs, then train on with others."
        )
    return TrainingDiverged(text)


def _remedies(run: Run) -> list[str]:
    """Name what to try: first to scale what is not scaled, unless the learning rate is huge."""
    x, y = run.batch[:2]  # third are weights, if samples have any
    rate = run.optimizer.rate(max(run.optimizer.t, 1))
    largest, unscaled = float(np.abs(x).max()), []
    if largest > 10:
        unscaled.append(f"x scaled to about 0 to 1 (in this batch {x.min():g} to {x.max():g})")
    if run.baseline.unscaled:
        unscaled.append(
            f"y scaled to mean 0 and standard deviation 1, {run.baseline.scaling}, "
            "which you undo on what the model predicts "
            f"(in this batch y is {y.min():g} to {y.max():g})"
        )
    if run.validation is not None:
        held_out = run.validation[0]
        if float(np.abs(held_out).max()) > 20 * largest:
            unscaled.append(
                "validation x scaled as x is "
                f"(it runs from {held_out.min():g} to {held_out.max():g})"
            )
    smaller = f"a smaller learning rate (now {rate:g})"
    return [smaller, *unscaled] if rate >= 1 else [*unscaled, smaller]


def _first_not_finite(run: Run) -> str:
    """Name the first array that is not finite, going forward through the batch and back again."""
    model = run.model
    if not np.isfinite(model.params).all():
        return _first_broken_parameter(model)
    held_out = (run.validation,) if run.validation is not None else ()
    copied = copy.deepcopy(model)  # which draws what the model drew, and may write its own buffers
    for (x, y, *_), data in zip(
        (run.batch, *held_out), ("", " for the validation data"), strict=False
    ):
        out = np.array(x, model.dtype)  # a copy: a layer may work in place
        for layer, its_copy in zip(model.layers, copied.layers, strict=True):
            for name, view in layer.buffers().items():
                if not np.isfinite(view).all():
                    return f"{layer.name}.{name}, {_count(view)} of its numbers"
            out = its_copy.forward(out, training=not data)
            if not checks.scored(out, run.loss.classifies):
                return f"what {layer.name} returns{data}, {_count(out)} of its numbers"
        masked = checks.masked_answer(out, y) if run.loss.classifies else ""
        if masked:
            return f"what {model.layers[-1].name} returns{data}: {masked}"
    for name, vector in run.optimizer.slots.items():
        if not np.isfinite(vector).all():
            kind = type(run.optimizer).__name__
            return f"{name}, which {kind} remembers of the gradients, {_count(vector)} of it"
    return "the loss itself, whose square or logarithm left the range of numbers"


def _first_broken_parameter(model: Sequential) -> str:
    """Name what ruined the parameters: the gradients of the step before, or the step itself.

    One broken gradient breaks all below it. Backward goes from the last layer to the first, so it
    began with the last of them.
    """
    broken = [
        (layer, name)
        for layer in model.layers
        for name in layer.parameters()
        if not np.isfinite(getattr(layer, f"d{name}")).all()
    ]
    if broken:
        layer = broken[-1][0]
        name = next(name for owner, name in broken if owner is layer)
        text = f"the gradient of {layer.name}.{name}, {_count(getattr(layer, f'd{name}'))} of it"
        if layer is not model.layers[-1]:
            above = model.layers[model.layers.index(layer) + 1]
            text += f", which came down through {above.name}"
        if layer is not broken[0][0]:
            text += f", and on down to {broken[0][0].name}.{broken[0][1]}"
        return text
    name, array = next(
        (n, a) for n, a in model.named_parameters().items() if not np.isfinite(a).all()
    )
    return f"{name}, {_count(array)} of its parameters"


def _count(array: Array) -> str:
    return f"{np.count_nonzero(~np.isfinite(array)):,} of {array.size:,}"
