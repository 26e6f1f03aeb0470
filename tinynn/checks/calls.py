"""Calls that Python refuses: the end of the message says what to write in tinynn."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from types import FrameType
from typing import Any, NoReturn

from tinynn.foreign_names import answer

UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
MISSING, TOO_MANY = "required positional argument", "takes 1 positional argument but"


def explained(error: TypeError, function: Callable[..., Any], thing: Any) -> TypeError:
    """Python's error for a call with the wrong arguments, with the remedy added.

    thing: the first argument, which for a constructor is the new object. Other errors, which do not
    come from the call itself, stay as they are.

    >>> from tinynn import Adam, Dropout
    >>> Dropout(p=0.5)
    Traceback (most recent call last):
        ...
    TypeError: Dropout() got an unexpected keyword argument 'p'. Did you mean rate?
    >>> Dropout(rat=0.5)
    Traceback (most recent call last):
        ...
    TypeError: Dropout() got an unexpected keyword argument 'rat'. Did you mean rate?
    >>> Adam().step()
    Traceback (most recent call last):
        ...
    TypeError: Optimizer.step() missing 2 required positional arguments: 'params' and 'grads'. Write
        optimizer.step(model.params, model.grads).
    """
    if error.__traceback__ is None or error.__traceback__.tb_next is not None:
        return error
    made = function.__name__ == "__init__"
    called = type(thing).__name__ if made else function.__qualname__
    kinds = [base.__name__ for base in type(thing).__mro__]
    method = "" if made else f".{function.__name__}"
    places = [f"{called}()", *(f"{kind}{method}()" for kind in kinds)]
    found = UNEXPECTED.search(str(error))
    if found:
        hint = _other_argument(found[1], function, [*places, *(kinds if made else ())])
        error.args = (f"{called}() {found[0]}. {hint}",)
    elif MISSING in str(error) and answer("__missing__", *places):
        error.args = (f"{error}. {answer('__missing__', *places)}",)
    elif made and TOO_MANY in str(error):
        error.args = (f"{called}() takes no arguments.",)
    return error


def _other_argument(name: str, function: Callable[..., Any], places: list[str]) -> str:
    """What to write instead of an argument that does not exist."""
    from inspect import signature

    known = [one for one in signature(function).parameters if one != "self"]
    close = get_close_matches(name, known, n=1, cutoff=0.7)
    hint = answer(name, *places) or (f"Did you mean {close[0]}?" if close else "")
    others = f"Its arguments are {', '.join(known)}." if known else "It takes no arguments."
    return hint or others


def not_called(thing: Any, *arguments: Any, **named: Any) -> NoReturn:
    """Raise Python's error for a call of a model, a layer or a loss, with the remedy added.

    >>> from tinynn import ReLU
    >>> ReLU()([1.0])
    Traceback (most recent call last):
        ...
    TypeError: 'ReLU' object is not callable. Give all layers to Sequential([...]); a layer alone is
        layer.forward(x).
    """
    kinds = [base.__name__ for base in type(thing).__mro__]
    hint = answer("__call__", *kinds)
    raise TypeError(f"'{type(thing).__name__}' object is not callable. {hint}")


def can_be_called(thing: Any) -> bool:
    """Whether a thing can be called: a model, a layer or a loss only tells what to write instead.

    >>> from tinynn import ReLU, he_normal
    >>> can_be_called(he_normal), can_be_called(ReLU), can_be_called(ReLU())
    (True, True, False)
    """
    return callable(thing) and type(thing).__call__ is not not_called


def no_such_name(name: str, asking: FrameType) -> Exception:
    """The error for a name that tinynn has not. asking: the frame that looked it up.

    Of an AttributeError, `from tinynn import` would leave out the text, so it gets an ImportError.

    >>> from tinynn import Linear
    Traceback (most recent call last):
        ...
    ImportError: cannot import name 'Linear' from 'tinynn'. Write Dense(units): the layer before it
        determines the number of inputs.
    """
    from dis import opname

    hint = answer(name, "tinynn")
    end = f". {hint}" if hint else ""
    if opname[asking.f_code.co_code[asking.f_lasti]] == "IMPORT_FROM":
        return ImportError(f"cannot import name {name!r} from 'tinynn'{end}", name=name)
    return AttributeError(f"module 'tinynn' has no attribute {name!r}{end}", name=name)
