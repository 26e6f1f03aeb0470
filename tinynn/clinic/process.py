"""The process in which someone's file runs: started with limits, ended with all that it started."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinynn.clinic.report import Finding

SECONDS, MEGABYTES = 20.0, 2000
START = 20.0  # seconds that a process may take to begin and to end, on a busy machine
ROOT = Path(__file__).parents[2]
BEGIN = (  # it starts in the file's folder, where a file may be called json.py: not in sys.path
    "import sys; del sys.path[0]; sys.path.append(sys.argv[1]); "
    "from {module} import main; main(sys.argv[2:])"
)


def start(
    path: Path, module: str, arguments: Sequence[str], talks: bool = False
) -> subprocess.Popen[bytes]:
    """Start main([path, *arguments]) of one of our modules, in the folder of the file.

    talks: whether we write to its input and read its output; else nobody does.
    """
    begin = BEGIN.format(module=module)
    command = [sys.executable, "-c", begin, str(ROOT), str(path.resolve()), *arguments]
    talk = subprocess.PIPE if talks else subprocess.DEVNULL
    streams: dict[str, Any] = {"stdin": talk, "stdout": talk, "stderr": subprocess.DEVNULL}
    variables = {**os.environ, "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, **streams, env=variables, start_new_session=True, cwd=path.resolve().parent
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started, also what goes on after its end."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def why_no_answer(path: Path, loop: Path, code: int, seconds: float, late: bool) -> Finding:
    """Return why a file's process gave no answer.

    loop: where it wrote the line of an endless loop. code: its exit status. late: whether we ended
    it.
    """
    where = loop.read_text(encoding="utf-8", errors="replace") if loop.exists() else ""
    own = re.search(rf'File "{re.escape(str(path.resolve()))}", line (\d+) in (\S+)', where)
    line, function = (int(own[1]), own[2]) if own else (0, path.stem)
    if where or late:
        mistake = "endless loop"
        text = f"After {seconds:g} seconds it has not ended. Is there an endless loop?"
    elif code < 0:
        mistake = "ended"
        text = (
            f"Its process ended by {_signal(-code)}: an error in compiled code, too little memory, "
            "or the code ends itself."
        )
    else:
        mistake = "ended"
        text = f"The code ends its process, with exit status {code}."
    return Finding("", mistake, str(path.resolve()), line, function, text)


def _signal(number: int) -> str:
    try:
        return f"the signal {signal.Signals(number).name}"
    except ValueError:
        return f"the signal {number}"
