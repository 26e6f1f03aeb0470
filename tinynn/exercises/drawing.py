"""What a grader asks of a function that draws random numbers, beside their distribution."""

from typing import Any

import numpy as np

from tinynn.exercises.wire import encode
from tinynn.exercises.work import Work


def check_generator(work: Work, first: Any, values: tuple[Any, ...], item: str) -> None:
    """Equal generators must draw the same numbers, and others something else.

    first: what was drawn for these values and rng, the last argument, of seed 1. item: its name.
    """
    again, other = (work.call(*values, np.random.default_rng(seed)) for seed in (1, 2))
    if encode(first, []) != encode(again, []):
        raise work.wrong("Two calls with equal generators draw other numbers. Draw all from rng, "
                         "the argument.", item)  # fmt: skip
    if encode(first, []) == encode(other, []):
        raise work.wrong("Two calls with different generators draw the same numbers. Draw all "
                         "from rng, the argument.", item)  # fmt: skip
