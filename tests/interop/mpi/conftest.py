"""Jobs of several real processes on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 120  # for a job that ends by itself, on a busy machine


def launcher():
    """Return the command that starts jobs: of this environment, or of the system."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    mpiexec = shutil.which("mpiexec", path=beside)
    assert mpiexec, "no mpiexec: pip install mpich"
    version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True).stdout
    open_mpi = ["--allow-run-as-root", "--oversubscribe"] if "Open MPI" in version else []
    return [mpiexec, *open_mpi]


@pytest.fixture(scope="session")
def start():
    """Return a function that starts a program on n ranks."""
    command = launcher()

    def start(folder, n, program, *arguments, **keywords):
        text = folder / "program.py"
        if not isinstance(program, Path):
            text.write_text(program, encoding="utf-8")
            program = text
        return subprocess.Popen(
            [*command, "-n", str(n), sys.executable, str(program), *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,
        )

    return start


@pytest.fixture(scope="session")
def run(start):
    """Return a function that runs a program to its end: exit status, output, errors."""

    def run(*arguments, **keywords):
        process = start(*arguments, **keywords)
        try:
            out, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        return process.returncode, out, errors

    return run
