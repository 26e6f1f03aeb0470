"""The error for a training that diverged: where NaN or infinity first appeared, and what helps.

A loss that is NaN does not tell its cause. So the batch goes through the model once more, layer by
layer, until the first array that is not finite.
"""

import copy

import numpy as np

from tinynn import checks
from tinynn.model import Sequential
from tinynn.parameters import Array
from tinynn.training.clipping import ClipGradientNorm, ClipGradientValue
from tinynn.training.run import Run


class TrainingDiverged(ArithmeticError):
    """A loss or a parameter became NaN or infinite. The message says where, and what to try.

    >>> from tinynn import SGD, Dense, MeanSquaredError, Sequential, Trainer
    >>> model = Sequential([Dense(1)], input_shape=(1,))
    >>> x = np.arange(4.0)[:, None]
    >>> Trainer(model, MeanSquaredError(), SGD(learning_rate=1e6)).fit(x, 2 * x, 100, batch_size=4)
    Traceback (most recent call last):
        ...
    tinynn.training.divergence.TrainingDiverged: Training diverged in epoch 6, step 6. ...
    """


def all_finite(run: Run) -> bool:
    """Whether all parameters, all buffers and all slots of the optimizer are finite.

    Slots are checked because Adam's squared gradients overflow first. Updates divided by infinity
    are 0: training would change nothing any more, and nobody would see why.
    """
    vectors = (run.model.params, run.model.buffers, *run.optimizer.slots.values())
    return all(np.isfinite(vector).all() for vector in vectors)


def diverged(run: Run) -> TrainingDiverged:
    """Return the error to raise for a run in which a number is not finite."""
    losses = ", ".join(f"{loss:.4g}" for loss in run.recent_losses) or "none"
    text = (
        f"Training diverged in epoch {run.epoch}, step {run.step}. Losses before: {losses}."
        f"\n  First not finite: {_first_not_finite(run)}."
        f"\n  Try {'; '.join(_remedies(run))}; or {_clipping(run)}."
    )
    if run.checkpoint:
        text += (
            f"\n  The last good checkpoint is {run.checkpoint}. Resume it with the same settings "
            "and fewer epochs, then call fit again with other settings."
        )
    return TrainingDiverged(text)


def _remedies(run: Run) -> list[str]:
    """Name what to try: first to scale the data that are unscaled, unless the rate is 1 or more."""
    x, y = run.batch[:2]  # a third array would be the samples' weights
    rate = run.optimizer.rate(max(run.optimizer.t, 1))
    largest, unscaled = float(np.abs(x).max()), []
    if float(np.abs(checks.entering(run.model, x)).max()) > 10:
        unscaled.append(f"scaling x to about 0 to 1 (in this batch {x.min():g} to {x.max():g})")
    if run.baseline.unscaled:
        unscaled.append(
            f"scaling y to mean 0 and standard deviation 1, {run.baseline.scaling}, "
            "and undoing this on the model's predictions "
            f"(in this batch y is {y.min():g} to {y.max():g})"
        )
    if run.validation is not None:
        held_out = run.validation[0]
        if float(np.abs(held_out).max()) > 20 * largest:
            unscaled.append(
                "scaling validation x as x is scaled "
                f"(it runs from {held_out.min():g} to {held_out.max():g})"
            )
    smaller = f"a smaller learning rate (now {rate:g})"
    return [smaller, *unscaled] if rate >= 1 else [*unscaled, smaller]


def _clipping(run: Run) -> str:
    """Advise clipping; where the gradients are clipped already, a smaller limit."""
    for callback in run.callbacks:
        if isinstance(callback, (ClipGradientNorm, ClipGradientValue)):
            return f"a smaller limit of {type(callback).__name__} (now {callback.limit:g})"
    return "clipping the gradients: give fit callbacks=[ClipGradientNorm(1)]"


def _first_not_finite(run: Run) -> str:
    """Name the first array that is not finite, in the order in which a step computes them."""
    model = run.model
    if not np.isfinite(model.params).all():
        return _first_broken_parameter(model)
    held_out = (run.validation,) if run.validation is not None else ()
    copied = copy.deepcopy(model)  # draws the same random numbers, and has buffers of its own
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
                return f"the output of {layer.name}{data}, {_count(out)} of its numbers"
        masked = checks.masked_answer(out, y) if run.loss.classifies else ""
        if masked:
            return f"the output of {model.layers[-1].name}{data}: {masked}"
    for name, vector in run.optimizer.slots.items():
        if not np.isfinite(vector).all():
            kind = type(run.optimizer).__name__
            return f"the slot {name} of {kind}, {_count(vector)} of its numbers"
    return "the loss itself: a square or a logarithm in it is out of the range of floats"


def _first_broken_parameter(model: Sequential) -> str:
    """Name the first array of the last step that was not finite: a gradient, or a parameter.

    A gradient that is not finite makes those of all layers before it not finite. Backward goes from
    the last layer to the first, so the last such layer was the first to be computed.
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
        count = _count(getattr(layer, f"d{name}"))
        text = f"the gradient of {layer.name}.{name}, {count} of its numbers"
        if layer is not model.layers[-1]:
            above = model.layers[model.layers.index(layer) + 1]
            text += f"; it came from {above.name}"
        if layer is not broken[0][0]:
            text += f"; all gradients down to {broken[0][0].name}.{broken[0][1]} followed"
        return text
    name, array = next(
        (n, a) for n, a in model.named_parameters().items() if not np.isfinite(a).all()
    )
    return f"{name}, {_count(array)} of its numbers"


def _count(array: Array) -> str:
    return f"{np.count_nonzero(~np.isfinite(array)):,} of {array.size:,}"
