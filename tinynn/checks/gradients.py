"""The gradients that layers of the user's own write, as a step of training would need them."""

import copy
from typing import Any

import numpy as np

from tinynn.errors import InputError
from tinynn.origin import is_own
from tinynn.parameters import Array

EARLIER = 64.0  # stands for the gradient of an earlier batch; float32 keeps sums with it


def written_gradients(model: Any, x: Array) -> None:
    """Gradients of which each number is written anew in each backward, by own layers too.

    Where none is written it stays 0, and the layer never learns; where it is added to, those of
    earlier batches stay in it. Two copies of the model do a step of these samples, as a trial: one
    begins with gradients of 0, the other with those of an earlier batch.
    """
    own = [one for one in model.layers if is_own(type(one)) and one.trainable and one.parameters()]
    if not own:
        return
    try:
        fresh, later = _after_step(model, x, 0.0), _after_step(model, x, EARLIER)
    except Exception:  # of any kind: what is wrong in the user's own code, the first step will tell
        return
    for layer in own:
        for name in layer.parameters():
            ours, theirs = (
                getattr(one.layers[layer.position], f"d{name}") for one in (fresh, later)
            )
            with np.errstate(invalid="ignore"):  # of infinite ones
                stays = np.isclose(theirs - ours, EARLIER, rtol=1e-3)
            if stays.any():
                _refuse(layer, name, never=bool(stays.all() and not ours.any()))


def _after_step(model: Any, x: Array, gradient: float) -> Any:
    """Return a copy of a model after a step, before which its gradients were all this number."""
    copied = copy.deepcopy(model)
    with np.errstate(all="ignore"):
        dp = np.ones_like(copied.forward(x))
        copied.grads[:] = gradient
        copied.backward(dp)
    return copied


def _refuse(layer: Any, name: str, never: bool) -> None:
    line = f"Write self.d{name} = ... in def parameter_gradients(self, dout)"
    if never:
        raise InputError(
            f"{layer.name}.parameter_gradients does not write d{name}, so {name} would never be "
            f"trained. {line}. If {name} should stay as it is: layer.trainable = False, or make it "
            "a buffer."
        )
    raise InputError(
        f"{layer.name}.parameter_gradients leaves numbers of earlier batches in d{name}, but each "
        f"backward begins anew. {line}, not +=; where only a part is written, self.d{name}[:] = 0 "
        "before that."
    )
