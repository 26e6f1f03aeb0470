"""A student's functions, as the grader sees them: each call is answered by the student's process.

The file's text is read here, for the lines of what is wrong; none of its code runs here.
"""

import ast
import inspect
import json
import linecache
import queue
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np

from tinynn.clinic.process import START, end, start, why_no_answer
from tinynn.clinic.report import Finding
from tinynn.exercises.wire import decode, encode

MOST = 2**24  # bytes of one answer
LONGEST = 1000  # characters of the text of an exception


class CallError(Exception):
    """A student's function raised an exception: its class, its text, and the student's line."""

    def __init__(self, kind: str, text: str, line: int, function: str) -> None:
        super().__init__(text)
        self.kind, self.text, self.line, self.function = kind, text, line, function


class Lost(BaseException):
    """A student's process gives no more answers. No code may take this for the student's error."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


class Student:
    """A student's file. ask: returns the answer to a request, as answering.py says."""

    def __init__(
        self, path: Path, source: str, ask: Callable[[str], str], names: list[str]
    ) -> None:
        self.path, self.ask, self.names = path, ask, names
        self.source = source
        self.error: CallError | None = None
        self.moves: list[list[str]] = []  # files that the last call removed or renamed
        lines = source.splitlines(keepends=True)
        linecache.cache[str(path)] = len(source), None, lines, str(path)  # as it was when graded

    @cached_property
    def definitions(self) -> dict[str, ast.FunctionDef]:
        """The functions that the file defines, by their names; of two the last one counts."""
        try:
            body = ast.parse(self.source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # of no use for lines
            return {}
        return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}

    def calls(self, name: str) -> dict[str, int]:
        """Return which other functions of the file a function uses, also by way of others.

        With each stands the line of the function that leads to it.
        """
        found: dict[str, int] = {}
        todo = self._named(name)
        while todo:
            other, line = todo.pop(0)
            if other in self.definitions and other not in (name, *found):
                found[other] = line
                todo += [(further, line) for further, _ in self._named(other)]
        return found

    def _named(self, name: str) -> list[tuple[str, int]]:
        """Return the names that a function reads and does not assign, with their lines."""
        nodes = [*ast.walk(self.definitions[name])] if name in self.definitions else []
        names = [node for node in nodes if isinstance(node, ast.Name)]
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        return [(node.id, node.lineno) for node in names if node.id not in own]

    def call(self, name: str, values: tuple[Any, ...]) -> Any:
        """Call a function; what it changes in place is changed in the values, too.

        Raises CallError if it raises an exception, Lost if there is no answer.
        """
        request = json.dumps({"call": name, "values": [encode(value, []) for value in values]})
        reply = self.ask(request)
        try:
            answer = json.loads(reply)
            self.moves = [[str(part) for part in move] for move in answer["moves"]]
            if "error" in answer:
                kind, text, line, function = answer["error"]
                short = str(text)[:LONGEST]
                self.error = CallError(str(kind), short, int(line), str(function)[:100])
            else:
                result = decode(answer["result"], [])
                changed = [(int(i), decode(value, [])) for i, value in answer["changed"]]
                for i, value in changed:
                    _put(values[i], value)
        except Exception as error:
            text = "What its process answers is no answer: does the code write to where it should "
            text += "not, or return what is too deep?"
            raise Lost(Finding("", "no answer", str(self.path), 0, name, text)) from error
        if "error" in answer and self.error:
            raise self.error
        return result

    def function(self, name: str, arguments: tuple[str, ...], one: bool) -> Callable[..., Any]:
        """Return a function that calls the student's, and shows the student's lines.

        arguments: their names in the exercise. one: it returns one array, also as nested lists.
        """

        def stub(*values: Any) -> Any:
            result = self.call(name, values)
            return np.array(result) if one and isinstance(result, list) else result

        definition = self.definitions.get(name)
        first = definition.lineno if definition else 1
        stub.__code__ = stub.__code__.replace(co_filename=str(self.path), co_firstlineno=first)
        stub.__name__ = stub.__qualname__ = name
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(argument, kind) for argument in arguments]
        stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return stub


def _put(old: Any, new: Any) -> None:
    """Change a value in place as the student's process has changed it."""
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray) and old.shape == new.shape:
        np.copyto(old, new, casting="unsafe")
    elif isinstance(old, dict) and isinstance(new, dict):
        old.update(new)
    elif isinstance(old, list) and isinstance(new, list):
        old[:] = new


class Apart:
    """A student's file in a process of its own, with a limit of time and memory.

    seconds: that its code may take, all calls together. Raises Lost if it cannot be imported.
    """

    def __init__(self, path: Path, seconds: float, megabytes: int) -> None:
        self.path, self.seconds = path, seconds
        self.folder = TemporaryDirectory()
        self.loop = Path(self.folder.name) / "loop.txt"
        given = [str(seconds), str(megabytes), str(self.loop)]
        source = path.read_bytes()
        self.until = monotonic() + seconds + START
        self.process = start(path, "tinynn.exercises.answering", given, talks=True)
        self.replies: queue.Queue[bytes] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self.student = self._begun(source)
        except BaseException:
            self.close()
            raise

    def _begun(self, source: bytes) -> Student:
        try:
            names = json.loads(self._reply())
            if isinstance(names, list):
                text = source.decode("utf-8-sig", errors="replace")
                return Student(self.path.resolve(), text, self.ask, [str(name) for name in names])
            mistake, line, sentence = (names[key] for key in ("mistake", "line", "sentence"))
            finding = self._finding(str(mistake), str(sentence)[:LONGEST], int(line))
        except (ValueError, TypeError, KeyError) as error:
            raise Lost(self._finding("no answer", "Its process begins with no answer.")) from error
        raise Lost(finding)

    def ask(self, request: str) -> str:
        """Return the answer to a request."""
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended: why, the missing answer tells
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
        return self._reply()

    def _reply(self) -> str:
        line, ended = None, False
        while line is None:
            left = self.until - monotonic()
            try:
                line = self.replies.get(timeout=min(max(left, 0.1), 1.0))
            except queue.Empty:
                if left <= 0:
                    end(self.process)
                    late = why_no_answer(self.path, self.loop, 0, self.seconds, True)
                    raise Lost(late) from None
                if ended:
                    line = b""  # a process that it left behind holds the other end of the pipe
                ended = self.process.poll() is not None
        if not line:
            end_of_itself = _waited(self.process)
            raise Lost(why_no_answer(self.path, self.loop, end_of_itself, self.seconds, False))
        if not line.endswith(b"\n"):
            raise Lost(self._finding("too much", "It returns far too many numbers."))
        return line.decode(errors="replace")

    def _finding(self, mistake: str, text: str, line: int = 0) -> Finding:
        return Finding("", mistake, str(self.path), line, self.path.stem, text)

    def _read(self) -> None:
        assert self.process.stdout is not None
        line = b"\n"
        with self.process.stdout as replies:
            while line.endswith(b"\n"):
                line = replies.readline(MOST)
                self.replies.put(line)

    def close(self) -> None:
        """End the process."""
        end(self.process)
        assert self.process.stdin is not None
        with suppress(OSError):  # what was not read any more
            self.process.stdin.close()
        self.reader.join(1)  # no longer: a process left behind may hold the other end of the pipe
        self.folder.cleanup()


def _waited(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a process that has closed its output."""
    try:
        return process.wait(2)
    except subprocess.TimeoutExpired:
        end(process)
        return process.returncode
