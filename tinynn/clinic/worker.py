"""The process in which a file of someone else runs: main([FILE, ANSWER, ...]), of command.py.

It imports the file, checks it, and writes the answer, as JSON, to another file: so nothing that the
code prints gets into it. After `seconds` it writes where the code is, and ends.
"""

import ast
import faulthandler
import importlib.util
import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tinynn.clinic.modules import check_module
from tinynn.clinic.places import place_of_error
from tinynn.clinic.printed import Printed
from tinynn.clinic.report import Finding, FunctionReport


def check_here(path: Path) -> list[FunctionReport]:
    """Import a file in this process, and check it."""
    module = import_file(path)
    if isinstance(module, Finding):
        return [FunctionReport(path.stem, "a file", (), (module,))]
    return _with_names_told(check_module(module), path)


def import_file(path: Path) -> ModuleType | Finding:
    """Import a file in this process; return what prevents it as a finding."""
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"{path.stem}_of_the_file" if taken else path.stem  # numpy.py must not become numpy
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return _failed(path, "exception", 0, "It is no file of Python: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]  # for code that reads its arguments as it is imported
    try:
        with redirect_stdout(Printed()), redirect_stderr(Printed()):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        return _failed(path, "syntax", error.lineno or 0, f"It is no Python: {error.msg}.")
    except BaseException as error:  # also sys.exit
        line = place_of_error(error).line
        if isinstance(error, SystemExit):
            return _failed(path, "exception", line, "The file ends the program as it is imported.")
        text = "".join(traceback.format_exception_only(error)).strip()
        if isinstance(error, EOFError):
            text += ". It asks for input(), and there is nobody to answer"
        return _failed(path, "exception", line, f"As the file is imported, it raises {text}")
    return module


def _with_names_told(reports: list[FunctionReport], path: Path) -> list[FunctionReport]:
    """Say which functions and classes the file writes twice: only the last one can be checked."""
    lines: dict[str, list[int]] = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            lines.setdefault(node.name, []).append(node.lineno)
    notes = tuple(
        f"{name} is written more than once, in lines {', '.join(map(str, found))}: the last counts."
        for name, found in lines.items()
        if len(found) > 1
    )
    if not notes or not reports:
        return reports
    first = replace(reports[0], conventions=(*reports[0].conventions, *notes))
    return [first, *reports[1:]]


def _failed(path: Path, mistake: str, line: int, sentence: str) -> Finding:
    return Finding("", mistake, str(path), line, path.stem, sentence)


def main(arguments: list[str]) -> None:
    """Check the file arguments[0], and write the answer to arguments[1], in arguments[2] seconds.

    arguments[3]: megabytes of memory. arguments[4]: where to write the line of an endless loop.
    """
    file, answer, seconds, megabytes, loop = arguments
    limit_memory(int(megabytes))
    with Path(loop).open("w") as where:
        faulthandler.dump_traceback_later(float(seconds), exit=True, file=where)
        reports = check_here(Path(file).resolve())
        faulthandler.cancel_dump_traceback_later()
    found: list[dict[str, Any]] = [{**r.as_json(), "text": str(r)} for r in reports]
    Path(answer).write_text(json.dumps(found), encoding="utf-8")
    os._exit(0)  # a thread of the code, or what it does at its end, may go on for ever


def limit_memory(megabytes: int) -> None:
    """Let this process have no more memory, where the system can do that."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = megabytes * 2**20
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
