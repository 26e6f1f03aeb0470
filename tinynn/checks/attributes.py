"""Attributes of layers, losses, optimizers, callbacks, models: which there are, and which not.

A name that nothing reads would be set in vain, and a name that is not there is mostly one that
another library has. Both are told what is meant instead.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from opcode import opmap
from types import CodeType, FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

# What a class of the user's own may read attributes by, without naming them.
BY_ANY_NAME = {"setattr", "getattr", "vars", "__dict__", "__setattr__", "__getattribute__", "eval"}
# What a layer's methods of these names read is read while a model is built, and never after.
BUILDING = {"__init__", "output_shape", "parameter_shapes", "initialize"}
METHODS = (FunctionType, MethodType)
STORE = opmap["STORE_ATTR"]
NAMES: "WeakKeyDictionary[type, set[str]]" = WeakKeyDictionary()  # what the methods of each keep

FROZEN = (
    "Nothing can be frozen yet. In a callback's on_gradients, from the first step on, write "
    "model.layers[i].dW[...] = 0 for each array that shall stay."
)
OVERWRITTEN = "Each backward overwrites model.grads: there is nothing to set to zero."
MODES = "There is no mode: write model.forward(x, training=False), or model.predict(x)."
SAVED = "Write save_model(model, path), and load_model(path) to have it back."
PARAMETERS = "Write model.params, one flat vector, or model.named_parameters()."
GRADIENTS = "Write model.grads, one flat vector, or model.layers[i].dW."
FIT = "Write Trainer(model, loss, optimizer).fit(x, y, epochs=10)."
EVALUATE = "Write Trainer(model, loss, optimizer).evaluate(x, y)."

# The names of other libraries, and what to write here.
ELSEWHERE: dict[str, dict[str, str]] = {
    "Layer": {
        **dict.fromkeys(("trainable", "requires_grad", "frozen"), FROZEN),
        **dict.fromkeys(("input_dim", "in_features"), "The layer before decides it."),
        **dict.fromkeys(("out_features", "output_dim"), "Write units."),
        "activation": "Put a layer after it: Dense(512), ReLU().",
        "kernel_initializer": "Write initializer.",
    },
    "Sequential": {
        **dict.fromkeys(("trainable", "requires_grad", "requires_grad_"), FROZEN),
        **dict.fromkeys(("parameters", "weights", "trainable_weights", "coefs_"), PARAMETERS),
        **dict.fromkeys(("get_weights", "trainable_variables", "state_dict"), PARAMETERS),
        **dict.fromkeys(("set_weights", "load_state_dict"), "Write model.params = vector."),
        **dict.fromkeys(("grad", "gradients"), GRADIENTS),
        **dict.fromkeys(("fit", "compile", "train_on_batch", "optimizer", "loss"), FIT),
        **dict.fromkeys(("evaluate", "score", "test_on_batch"), EVALUATE),
        **dict.fromkeys(("train", "eval", "training"), MODES),
        **dict.fromkeys(("save", "save_weights", "load", "load_weights"), SAVED),
        **dict.fromkeys(("add", "pop", "append"), "Give all layers at once: Sequential([...])."),
        **dict.fromkeys(("modules", "children"), "Write model.layers."),
        **dict.fromkeys(("to", "float", "double", "half"), "Write model.astype(np.float64)."),
        "zero_grad": OVERWRITTEN,
        "count_params": "Write model.params.size.",
        "predict_proba": "Write model.predict(x).",
    },
    "Loss": {
        "reduction": "Every loss is a mean over the batch.",
        "label_smoothing": "Smooth the answers: y = 0.9 * one_hot(y, C) + 0.1 / C.",
        "from_logits": "For raw scores there is SoftmaxCrossEntropy().",
    },
    "Optimizer": {
        **dict.fromkeys(("lr", "eta", "alpha", "learning_rate_init", "base_lr"), "learning_rate"),
        "eps": "epsilon",
        "betas": "Write beta1 and beta2.",
        "rho": "Write momentum or beta2.",
        "param_groups": "All parameters have one learning_rate.",
        **dict.fromkeys(("apply_gradients", "minimize", "apply"), "Write step(params, grads)."),
        **dict.fromkeys(("state_dict", "get_config"), "Write state(), or config()."),
        "load_state_dict": "Write load_state(state).",
        "zero_grad": OVERWRITTEN,
    },
    "Callback": {
        **dict.fromkeys(("model", "params", "trainer"), "Each event is given the trainer."),
        **dict.fromkeys(
            ("restore_best_weights", "save_best_only"),
            "EarlyStopping always goes back to the best weights.",
        ),
        **dict.fromkeys(("filename", "filepath"), "path"),
    },
    "Trainer": {
        "train": "Write fit(x, y, epochs=10).",
        "predict": "Write trainer.model.predict(x).",
        "score": "Write evaluate(x, y).",
        "test": "Write evaluate(x, y).",
        "save": "Write save_model(trainer.model, path).",
        **dict.fromkeys(("stop_training", "should_stop"), "stop"),
        **dict.fromkeys(("lr", "learning_rate"), "Write trainer.optimizer.learning_rate."),
    },
}
OF_PARAMETERS = {
    **dict.fromkeys(("weight", "weights", "kernel", "w", "matrix", "coef_"), "W"),
    **dict.fromkeys(("bias", "biases", "offset", "intercept_"), "b"),
    **dict.fromkeys(("grad", "weight_grad", "grad_weight", "kernel_grad", "gradient"), "dW"),
    **dict.fromkeys(("bias_grad", "grad_bias"), "db"),
}


def assignable(thing: Any, name: str, value: Any) -> ValueError | None:
    """An attribute that may be set: one that something reads, and that is not settled already.

    >>> from tinynn import SGD
    >>> print(assignable(SGD(), "lr", 0.1))
    SGD has no lr, so nothing would read it. Did you mean learning_rate?
    """
    if name in thing._fixed:
        return _settled(thing, name, value)
    kind = type(thing)
    declared = any(name in vars(base) for base in kind.__mro__)
    if declared or name in NAMES.get(kind, ()):
        return None
    NAMES[kind] = _kept(kind)  # anew: a class may have got another method since
    own = [method for method in vars(thing).values() if isinstance(method, METHODS)]
    if BY_ANY_NAME & NAMES[kind] or name in NAMES[kind].union(*map(_names_in, own)):
        return None
    hint = _elsewhere(thing, name) or _near(thing, name)
    if not hint:
        hint = f"If a method of yours reads it, declare it in that class: {name} = None."
    return ValueError(f"{_label(thing)} has no {name}, so nothing would read it. {hint}")


def absent(thing: Any, name: str) -> Any:
    """Raise AttributeError for an attribute that is not there: who else has it, or will.

    >>> from tinynn import Dense, Sequential
    >>> absent(Sequential([Dense(2)], input_shape=(3,)), "fit")
    Traceback (most recent call last):
        ...
    AttributeError: Sequential has no fit. Write Trainer(model, loss, optimizer).fit(x, y,
        epochs=10).
    """
    kind = type(thing)
    if name.startswith("__"):  # Python's own questions, in copying for instance
        raise AttributeError(name)
    if hasattr(kind, name):  # a property that has failed: its own error says why
        return object.__getattribute__(thing, name)
    raise AttributeError(f"{_label(thing)} has no {name}{_why_absent(thing, name)}")


def _why_absent(thing: Any, name: str) -> str:
    layer = "Layer" in _kinds(thing)
    shapes = _names_in(getattr(type(thing), "parameter_shapes", None)) if layer else set()
    if layer and not thing.built and (name in shapes or name in _annotated(type(thing))):
        return " yet: Sequential gives a layer its parameters."
    hint = _elsewhere(thing, name)
    if not hint and any(name in _set_in(m) for b in type(thing).__mro__ for m in vars(b).values()):
        return ". Call forward first?" if layer else " yet: a method of it sets that."
    hint = hint or _near(thing, name)
    return f". {hint}" if hint else "."


def _label(thing: Any) -> str:
    return str(thing.name) if "Layer" in _kinds(thing) else type(thing).__name__


def _kinds(thing: Any) -> list[str]:
    """Which of tinynn's kinds of things this is one of."""
    return [base.__name__ for base in type(thing).__mro__ if base.__name__ in ELSEWHERE]


def _elsewhere(thing: Any, name: str) -> str:
    """What to write here for a name that other libraries have."""
    kinds = _kinds(thing)
    if "Layer" in kinds and name in OF_PARAMETERS:
        right, own = OF_PARAMETERS[name], {*thing.parameters(), *_annotated(type(thing))}
        if right in own or right[1:] in own:
            return f"Did you mean {right}?"
        if thing.built:
            told = ", ".join(thing.parameters())
            return f"Its parameters are {told}." if told else "It has no parameters."
    for kind in kinds:
        if name in ELSEWHERE[kind]:
            hint = ELSEWHERE[kind][name]
            return f"Did you mean {hint}?" if hint.replace("_", "").isalnum() else hint
    return ""


def _near(thing: Any, name: str) -> str:
    """A name that is there, or will be, and nearly the same."""
    names = {*dir(thing), *_annotated(type(thing))}
    there = {known.lower(): known for known in sorted(names) if not known.startswith("_")}
    close = get_close_matches(name.lower(), there, n=1, cutoff=0.7)
    return f"Did you mean {there[close[0]]}?" if close else ""


def _settled(thing: Any, name: str, value: Any) -> ValueError | None:
    """What a model was built by: no longer to be changed, unless nothing of its build depends."""
    if "Layer" not in _kinds(thing):
        why = f"model.{name} was decided when the model was built, and its arrays were made for it."
        do = "For another, make a new Sequential."
        if name == "layers":
            do = "Set weights by model.layers[0].W = ...; for other layers make a new Sequential."
        if name == "dtype":
            do = "A copy in another precision is model.astype(dtype)."
        return ValueError(f"{why} {do}")
    do = "For another, make a new Sequential of new layers."
    if thing.parameters():
        do += f" To set weights: model.layers[{thing.position}].{next(iter(thing.parameters()))} ="
        do += " ..."
    after = _mentioned(type(thing), BUILDING)
    if name in ("position", "built") or not (name in after or after & BY_ANY_NAME):
        return ValueError(
            f"{thing.name} was built, and {name} is read only then: set now, it changes nothing. "
            f"{do}"
        )
    if _shapes(thing) != _shapes(thing, name, value):
        return ValueError(
            f"{thing.name} was built, and {name}={value!r} would make other shapes of it. {do}"
        )
    return None


def _shapes(layer: Any, *changed: Any) -> Any:
    """The shapes that a layer has, or would have if one attribute were another."""
    kept = dict(vars(layer))
    try:
        if changed:
            vars(layer)[changed[0]] = changed[1]
        shape = layer._input_shape
        return tuple(layer.output_shape(shape)), dict(layer.parameter_shapes(shape))
    except Exception as error:  # of any kind: this is the user's own code, and a value of any kind
        return repr(error)
    finally:
        vars(layer).update(kept)


def _annotated(kind: type) -> set[str]:
    """Names with a line such as `W: Array` in a class or one above."""
    return {name for base in kind.__mro__ for name in getattr(base, "__annotations__", ())}


def _mentioned(kind: type, apart: set[str]) -> set[str]:
    """Names that the methods of a class and those above it mention, but for those set apart."""
    found = _annotated(kind)
    for base in kind.__mro__:
        ours = base.__module__.partition(".")[0] == "tinynn"
        for key, thing in vars(base).items():
            if key not in apart:
                found |= _names_in(thing) - (BY_ANY_NAME if ours else set())
    return found


def _kept(kind: type) -> set[str]:
    """Names that the methods of a class set, as far as they can be read.

    Of a class of the user's own, all that they mention: it may set them in ways of its own.
    """
    found = _annotated(kind)
    for base in kind.__mro__:
        ours = base.__module__.partition(".")[0] == "tinynn"
        for thing in vars(base).values():
            found |= _set_in(thing) if ours else _names_in(thing)
    return found


def _names_in(thing: Any) -> set[str]:
    """Names, and texts that are names, in the code of a method."""
    found: set[str] = set()
    for code in _codes(thing):
        found.update(code.co_names)
        found.update(text for text in code.co_consts if isinstance(text, str))
    return found


def _set_in(thing: Any) -> set[str]:
    """Names of attributes that the code of a method sets: what STORE_ATTR's numbers stand for."""
    return {
        code.co_names[number]
        for code in _codes(thing)
        for instruction, number in zip(code.co_code[::2], code.co_code[1::2], strict=True)
        if instruction == STORE and number < len(code.co_names)
    }


def _codes(thing: Any) -> Iterator[CodeType]:
    """The code of a function, of what it is wrapped in, and of all functions within."""
    waiting, seen = [thing], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, type):
            continue
        seen.add(id(part))
        if isinstance(part, CodeType):
            yield part
            waiting += [code for code in part.co_consts if isinstance(code, CodeType)]
            continue
        if isinstance(part, (staticmethod, classmethod, MethodType)):
            waiting.append(part.__func__)
        if isinstance(part, property):
            waiting += [part.fget, part.fset, part.fdel]
        if isinstance(part, FunctionType):
            cells = [cell.cell_contents for cell in part.__closure__ or () if _filled(cell)]
            waiting += [part.__code__, *filter(callable, cells)]
        if hasattr(type(part), "__get__") or callable(part):  # a decorator of any kind
            waiting += [v for v in getattr(part, "__dict__", {}).values() if callable(v)]


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
