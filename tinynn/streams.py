"""Random numbers of layers: a function of the model's seed, the layer's position and the step.

    default_rng(SeedSequence(seed, spawn_key=(2, position, step)))

So there is no state to save, and the same step draws the same: in another process, after a stop,
in a copy. The first number of a spawn key says what for: (0,) are weights, (1, epoch) the order of
an epoch, and 2 are these.
"""

from typing import Any

import numpy as np


class Streams:
    """Where the layers of one model get random numbers; it counts the model's steps.

    >>> streams = Streams(seed=0)
    >>> first = streams.of(position=1).random()
    >>> streams.of(position=1).random() == first
    True
    >>> streams.after_backward()
    >>> streams.before_forward()
    >>> streams.step, streams.of(position=1).random() == first
    (1, False)
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.step = 0
        self.stepped = False  # whether backward has been called since the last forward

    def of(self, position: int) -> "np.random.Generator":
        """Return the numbers that a layer draws in this step, from their beginning."""
        key = (2, position, self.step)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def before_forward(self) -> None:
        """Count a step, if this is the first forward of training since a backward."""
        if self.stepped:
            self.step += 1
            self.stepped = False

    def after_backward(self) -> None:
        """Let the next forward be of another step; several backwards count once."""
        self.stepped = True

    def state(self) -> dict[str, Any]:
        """Return what `go_to` takes to be here again."""
        return {"step": self.step, "stepped": self.stepped}

    def go_to(self, step: int, stepped: bool = False) -> None:
        """Be at a step: the next forward draws its numbers, or, if stepped, those of the next."""
        self.step, self.stepped = step, stepped
