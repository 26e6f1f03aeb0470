"""The door: each mistake that can be foreseen, and what a good teacher would say to it.

A check returns what it was given, as an array where that is meant, or raises a ValueError that
tells what was expected, what came, where, and the likely remedy. All are called before anything is
changed. They stand here so that the mathematics elsewhere can be read without them.
"""

from tinynn.checks.answers import (
    class_rows,
    class_targets,
    labels,
    not_saturated,
    pixels,
    probabilities,
    repeats,
    same_shape,
    targets,
    vector,
)
from tinynn.checks.arguments import (
    count,
    decay,
    dense,
    generator,
    instance,
    instances,
    precision,
    returned_rate,
    sample_shape,
    scale,
)
from tinynn.checks.attributes import absent, assignable
from tinynn.checks.door import door
from tinynn.checks.networks import (
    batch,
    drawn,
    flat,
    fresh_layers,
    memory,
    output_gradient,
    own_classes,
    parameter_shapes,
    returned,
    same_length,
    shape_after,
    with_own,
)
from tinynn.checks.training import (
    better_than_guessing,
    data,
    fitting,
    held_out,
    one_step,
    paired,
    softmax_once,
)

__all__ = [
    "absent",
    "assignable",
    "batch",
    "better_than_guessing",
    "class_rows",
    "class_targets",
    "count",
    "data",
    "decay",
    "dense",
    "door",
    "drawn",
    "fitting",
    "flat",
    "fresh_layers",
    "generator",
    "held_out",
    "instance",
    "instances",
    "labels",
    "memory",
    "not_saturated",
    "one_step",
    "output_gradient",
    "own_classes",
    "paired",
    "parameter_shapes",
    "pixels",
    "precision",
    "probabilities",
    "repeats",
    "returned",
    "returned_rate",
    "same_length",
    "same_shape",
    "sample_shape",
    "scale",
    "shape_after",
    "softmax_once",
    "targets",
    "vector",
    "with_own",
]
