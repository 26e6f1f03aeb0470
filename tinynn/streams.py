"""Random numbers of layers: a function of the model's seed, the layer's position and the step.

    default_rng(SeedSequence(seed, spawn_key=(2, position, step)))        one process, or rank 0
    default_rng(SeedSequence(seed, spawn_key=(2, position, step, rank)))  another rank

So there is no state to save, and the same step draws the same numbers: in another process, after a
stop, in a copy. The first number of a spawn key says what the numbers are for: (0,) is for initial
weights, (1, epoch) for the order of samples in an epoch, (2, position, step) for layers. If several
processes train one model, each has a rank, and draws other numbers than the others.
"""

from typing import Any

import numpy as np


class Streams:
    """Makes the random numbers of one model's layers, and counts the model's steps.

    >>> streams = Streams(seed=0)
    >>> first = streams.of(position=1).random()
    >>> streams.of(position=1).random() == first
    True
    >>> streams.after_backward()
    >>> streams.before_forward()
    >>> streams.step, streams.of(position=1).random() == first
    (1, False)
    """

    rank = 0  # of this process, where several train the model: see interop/mpi/

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.step = 0
        self.stepped = False  # whether backward has been called since the last forward

    def of(self, position: int) -> "np.random.Generator":
        """Return a Generator of a layer's random numbers in this step, from their beginning."""
        key = (2, position, self.step, *([self.rank] if self.rank else []))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def before_forward(self) -> None:
        """Count a step, if this is the first forward of training since a backward."""
        if self.stepped:
            self.step += 1
            self.stepped = False

    def after_backward(self) -> None:
        """Make the next forward count a step. Several backward passes count once."""
        self.stepped = True

    def state(self) -> dict[str, Any]:
        """Return the arguments with which `go_to` comes back to this point."""
        return {"step": self.step, "stepped": self.stepped}

    def go_to(self, step: int, stepped: bool = False) -> None:
        """Set the step. The next forward draws its numbers; if `stepped`, those of step + 1."""
        self.step, self.stepped = step, stepped
