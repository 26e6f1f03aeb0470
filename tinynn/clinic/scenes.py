"""Inputs for code that comes without any: the first arrays, of usual shapes, that forward takes.

The names of the arguments say what an array is (x, W, b, y); a scene says which shapes fit
together. Two sizes are never the same, so that a mistake in a shape shows; the last scenes are
square, for what no other fits.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynn.clinic.functions import signature
from tinynn.parameters import Array, Generator, Shape

ROLES = {  # the beginnings of names, in lower case, longest first
    "labels": ("label", "target", "y_true", "y", "t"),
    "indices": ("idx", "indices", "index", "tokens", "ids", "words"),
    "gamma": ("gamma", "scale"),
    "beta": ("beta", "shift"),
    "b": ("bias", "b"),
    "Wx": ("wx", "w_x", "wxh", "w_xh"),
    "Wh": ("wh", "w_h", "whh", "w_hh"),
    "h0": ("h0", "h_prev", "prev_h", "h"),
    "W": ("weight", "kernel", "filter", "table", "embedding", "w", "k"),
}
NUMBERS = {"stride": 1, "pad": 0, "padding": 0, "eps": 1e-5, "epsilon": 1e-5, "reg": 0.1,
           "lam": 0.1, "lambd": 0.1, "l2": 0.1, "alpha": 0.3, "slope": 0.1, "rate": 0.5,
           "keep": 0.5, "keep_prob": 0.5, "size": 2, "pool": 2, "delta": 1.0,
           "training": True, "train": True}  # fmt: skip
SIZES = {"n_in": 4, "inputs": 4, "in_features": 4, "fan_in": 4, "input_size": 4, "input_dim": 4,
         "units": 3, "n_out": 3, "outputs": 3, "out_features": 3, "fan_out": 3, "output_size": 3,
         "output_dim": 3, "n_hidden": 6, "hidden": 6, "hidden_size": 6, "hidden_dim": 6,
         "classes": 3, "n_classes": 3, "num_classes": 3, "dim": 4, "features": 4, "channels": 4,
         "p": 0.5}  # fmt: skip
SCENES: tuple[dict[str, Shape], ...] = (
    {"x": (5, 4), "W": (4, 3), "b": (3,), "gamma": (4,), "beta": (4,), "labels": (5,)},
    {"x": (5, 4), "W": (3, 4), "b": (3,), "gamma": (1, 4), "beta": (1, 4), "labels": (5, 4)},
    {"x": (4, 5), "W": (3, 4), "b": (3, 1), "gamma": (4, 1), "beta": (4, 1), "labels": (4, 5)},
    {"x": (4, 1), "W": (3, 4), "b": (3, 1), "labels": (4, 1)},
    {"x": (5, 4), "W": (4, 1), "b": (1,), "labels": (5, 1)},
    {"x": (5, 4), "W": (4,), "b": (4,), "labels": (5, 4)},
    {"x": (3, 5, 4), "h0": (3, 6), "Wx": (4, 6), "Wh": (6, 6), "b": (6,), "W": (4, 6),
     "labels": (3,)},
    {"x": (2, 5, 6, 3), "W": (3, 3, 3, 4), "b": (4,), "gamma": (3,), "beta": (3,)},
    {"x": (2, 3, 5, 6), "W": (4, 3, 3, 3), "b": (4,), "gamma": (3,), "beta": (3,)},
    {"x": (2, 4, 6, 3)},
    {"x": (6, 7), "W": (3, 2), "b": ()},
    {"x": (7,), "W": (7,), "b": (7,), "labels": (7,)},
    {"x": (5, 4), "W": (5, 4), "b": (5, 4)},
)  # fmt: skip
SQUARE: tuple[dict[str, Shape], ...] = (
    {"x": (4, 4), "W": (4, 4), "b": (4,), "gamma": (4,), "beta": (4,), "labels": (4,)},
    {"x": (4, 4), "W": (4, 4), "b": (4, 1), "labels": (4,)},
)


def role_of(name: str) -> str:
    """Return what an argument is by its name; "x" if nothing tells.

    >>> role_of("weights"), role_of("y_true"), role_of("A_prev")
    ('W', 'labels', 'x')
    """
    low = name.lower()
    if len(name) == 2 and name[0] in "Wb" and low not in ("wx", "wh"):
        return name[0]  # the weights and the bias of a gate: Wg, bg
    for role, beginnings in ROLES.items():
        for beginning in beginnings:
            rest = low[len(beginning) :]
            short = len(beginning) < 3 and rest.strip("_0123456789")
            if low.startswith(beginning) and not short:
                return role
    return "x"


def inputs_for(
    function: Callable[..., Any], first: int, accepted: Callable[[tuple[Any, ...]], bool]
) -> Iterator[tuple[Any, ...]]:
    """Yield inputs that forward accepts, of usual shapes first, then square ones.

    first: how many arguments, as ctx, are not ours. accepted: whether forward runs with them.
    """
    names = [p for p in signature(function)[first:] if p.default is inspect.Parameter.empty]
    scenes = [(scene, True) for scene in SCENES] + [(scene, False) for scene in SCENES]
    for scene, whole_labels in [*scenes, *((scene, True) for scene in SQUARE)]:
        rng = np.random.default_rng(3)
        values = tuple(_value(p.name, scene, rng, whole_labels) for p in names)
        if accepted(values):
            yield values


def _value(name: str, scene: dict[str, Shape], rng: Generator, whole_labels: bool) -> Any:
    if name.lower() in NUMBERS:
        return NUMBERS[name.lower()]
    role = role_of(name)
    plain = scene.get("W", scene["x"]) if role in ("Wx", "Wh") else scene["x"]
    shape = scene.get(role, plain)
    if role == "indices":
        return np.array([1, 0, 1, 3, 2])
    if role == "labels" and whole_labels:
        return rng.integers(0, 3, shape) if len(shape) == 1 else _one_hot(shape, rng)
    if role == "labels":
        return rng.normal(size=shape if len(shape) > 1 else scene["x"])
    array = rng.normal(size=shape)
    return np.abs(array) + 0.5 if role == "gamma" else array


def _one_hot(shape: Shape, rng: Generator) -> Array:
    rows = np.zeros(shape)
    rows[np.arange(shape[0]), rng.integers(0, shape[1], shape[0])] = 1
    return rows
