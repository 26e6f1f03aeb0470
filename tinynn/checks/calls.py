"""Calls that Python refuses: the end of the message says what to write in tinynn."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from types import FrameType
from typing import Any, NoReturn

from tinynn.foreign_names import answer

UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")


def explained(error: TypeError, function: Callable[..., Any], thing: Any) -> TypeError:
    """Python's error for a call with an argument that does not exist, with the remedy added.

    thing: the first argument, which for a constructor is the new object. Other errors, which do not
    come from the call itself, stay as they are.

    >>> from tinynn import Dropout
    >>> Dropout(p=0.5)
    Traceback (most recent call last):
        ...
    TypeError: Dropout() got an unexpected keyword argument 'p'. Did you mean rate?
    >>> Dropout(rat=0.5)
    Traceback (most recent call last):
        ...
    TypeError: Dropout() got an unexpected keyword argument 'rat'. Did you mean rate?
    """
    found = UNEXPECTED.search(str(error))
    if found is None or error.__traceback__ is None or error.__traceback__.tb_next is not None:
        return error
    from inspect import signature

    called = function.__qualname__
    places = [f"{called}()"]
    if function.__name__ == "__init__":
        called = type(thing).__name__
        kinds = [base.__name__ for base in type(thing).__mro__]
        places = [one for kind in kinds for one in (f"{kind}()", kind)]
    known = [name for name in signature(function).parameters if name != "self"]
    close = get_close_matches(found[1], known, n=1, cutoff=0.7)
    hint = answer(found[1], *places) or (f"Did you mean {close[0]}?" if close else "")
    hint = hint or f"Its arguments are {', '.join(known)}."
    error.args = (f"{called}() {found[0]}. {hint}",)
    return error


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
