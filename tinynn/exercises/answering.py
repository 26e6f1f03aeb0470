"""The process in which a student's file runs: it answers calls, and knows nothing of what is right.

A request and its answer are one line of JSON each:

    {"call": "relu", "values": [...]}
    {"result": ..., "changed": [[0, ...]], "moves": [...]}
    {"error": [kind, text, line, function], "moves": [...]}         the line of the student's file

changed: arguments that were changed in place. moves: the files that the call has removed and
renamed, in order: ["os.remove", path], ["os.rename", path, new path].
"""

import faulthandler
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from tinynn.clinic.places import function_of_error, place_of_error
from tinynn.clinic.printed import Printed
from tinynn.clinic.report import Finding
from tinynn.clinic.worker import import_file, limit_memory
from tinynn.exercises.wire import decode, encode

MOVES = 100  # that are told of one call


@cache
def moves() -> list[list[str]]:
    """Return the list that gets each file that this process removes or renames from now on."""
    found: list[list[str]] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.remove", "os.rename") and len(found) < MOVES:
            names = [name for name in arguments if isinstance(name, (str, bytes, os.PathLike))]
            found.append([event, *(str(Path(os.fsdecode(name)).absolute()) for name in names)])

    sys.addaudithook(hook)
    return found


class Answers:
    """The answers of a module."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.kept: list[Any] = []

    def functions(self) -> str:
        """Return the names of all that can be called, as JSON."""
        return json.dumps([name for name, value in vars(self.module).items() if callable(value)])

    def answer(self, request: str) -> str:
        """Call a function; return what it returned, or which error it raised."""
        asked = json.loads(request)
        values = [decode(value, self.kept) for value in asked["values"]]
        moves().clear()
        try:
            with redirect_stdout(Printed()), redirect_stderr(Printed()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = encode(getattr(self.module, asked["call"])(*values), self.kept)
            changed = self._changed(asked, values)
            return json.dumps({"result": result, "changed": changed, "moves": moves()})
        except BaseException as error:  # also sys.exit
            text = "".join(traceback.format_exception_only(error)).strip()
            kind, place = type(error).__name__, place_of_error(error)
            what = [kind, text, place.line, function_of_error(error)]
            return json.dumps({"error": what, "moves": moves()})

    def _changed(self, asked: dict[str, Any], values: list[Any]) -> list[Any]:
        """Return the arguments that a call has changed in place, but for generators."""
        now = [encode(value, self.kept) for value in values]
        pairs = enumerate(zip(now, asked["values"], strict=True))
        changed = [[i, new] for i, (new, old) in pairs if json.dumps(new) != json.dumps(old)]
        return [pair for pair in changed if not isinstance(values[pair[0]], np.random.Generator)]


def main(arguments: list[str]) -> None:
    """Import the file arguments[0], and answer: by standard input and output.

    arguments[1]: seconds that its code may take. arguments[2]: megabytes of memory. arguments[3]:
    where to write the line of an endless loop.
    """
    file, seconds, megabytes, loop = arguments
    requests, replies = _own_streams()
    for name in [*sys.modules]:
        if name.split(".")[0] == "tinynn":  # for the student: these exercises are NumPy alone
            sys.modules[name] = None  # type: ignore[assignment]
    limit_memory(int(megabytes))
    sys.dont_write_bytecode = True  # nothing of ours is left in the student's folder
    left = float(seconds)
    with Path(loop).open("w") as where:

        def timed(work: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal left
            faulthandler.dump_traceback_later(max(left, 0.1), exit=True, file=where)
            began = perf_counter()
            result = work(*arguments)
            left -= perf_counter() - began
            faulthandler.cancel_dump_traceback_later()
            return result

        def reply(text: str) -> None:
            replies.write(text.encode() + b"\n")
            replies.flush()

        module = timed(import_file, Path(file))
        if isinstance(module, Finding):
            if "import of tinynn" in module.sentence:
                alone = "These exercises are written in NumPy alone: tinynn cannot be imported."
                module = replace(module, sentence=alone)
            elif "No module named" in module.sentence:
                alone = ". These exercises are written in NumPy alone."
                module = replace(module, sentence=module.sentence + alone)
            reply(json.dumps(asdict(module)))
        else:
            answers = Answers(module)
            reply(timed(answers.functions))
            for request in requests:
                reply(timed(answers.answer, request.decode()))
    os._exit(0)  # a thread of the code, or what it does at its end, may go on for ever


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return this process's input and output, and leave the student's code empty ones."""
    own = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return own
