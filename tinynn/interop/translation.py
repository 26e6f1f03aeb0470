"""What all translations share: the library that they need, and which models they can translate."""

from importlib import import_module
from typing import Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.layers import LAYERS
from tinynn.model import Sequential


def library(name: str, extra: str, more: str = "") -> Any:
    """Return an optional library; ImportError with the line that installs it if it is missing.

    name: of the module. extra: the name in setup.cfg under which tinynn installs it. more: what
    else may be the reason.

    >>> library("no_such_library", "onnx")
    Traceback (most recent call last):
        ...
    ImportError: tinynn.interop.onnx needs the library no_such_library, which cannot be imported ...
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"tinynn.interop.{extra} needs the library {name}, which cannot be imported here "
            f"({error}). Install it in the folder of the checkout: pip install -e '.[{extra}]'"
            f"{more and f'. {more}'}"
        ) from error


def refuse_untranslatable(model: Any, caller: str) -> None:
    """Raise InputError if `model` is not a Sequential, or has a layer that is not one of tinynn's.

    >>> from tinynn import Dense
    >>> class Double(Dense): ...
    >>> refuse_untranslatable(Sequential([Double(2)], input_shape=(3,)), "to_torch")
    Traceback (most recent call last):
        ...
    tinynn.errors.InputError: 0.Double is a layer of your own, and to_torch translates only tinynn's
        layers: ...
    """
    checks.instance(model, Sequential, "model", f"The model comes first: {caller}(model, ...).")
    for layer in model.layers:
        if LAYERS.get(type(layer).__name__) is not type(layer):
            raise InputError(
                f"{layer.name} is a layer of your own, and {caller} translates only tinynn's "
                f"layers: {', '.join(sorted(LAYERS))}. Build it of these, or put it after the "
                "translated model, in that library."
            )
