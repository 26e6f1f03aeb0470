"""The examples as a person runs them: a process of its own, in an empty folder."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

# Several processes with a pool of BLAS threads each get in each other's way on a small machine.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
EXAMPLES = Path(__file__).parents[2] / "examples"


def pytest_collection_modifyitems(items):
    """A run of the main job takes long, most of it for its pictures."""
    for item in items:
        if "sample_run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def run_example():
    """Return a function that runs an example in a folder and returns the finished process."""

    def run(folder, name, *arguments, **environment):
        return subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / name, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **ONE_THREAD, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Return a function like run_example that starts no process, for tests of messages alone."""

    def run(folder, name, *arguments):
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr("sys.argv", [str(EXAMPLES / name), *map(str, arguments)])
        status = 0
        try:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        except SystemExit as end:
            status = end.code
        text, errors = capsys.readouterr()
        if isinstance(status, str):  # what Python would print of it
            status, errors = 1, f"{errors}{status}\n"
        return SimpleNamespace(returncode=status, stdout=text, stderr=errors)

    return run


@pytest.fixture(scope="session")
def at_start():
    """Return a function that returns an environment in which programs run some code first."""

    def write(folder, code):
        (folder / "sitecustomize.py").write_text(code)
        path = [os.environ.get("PYTHONPATH"), str(folder)]  # --rounding puts a folder there, too
        return {"PYTHONPATH": os.pathsep.join(filter(None, path))}

    return write


@pytest.fixture(scope="session")
def sample_run(run_example, tmp_path_factory):
    """One small run of the main job, for all tests that look at its files."""
    folder = tmp_path_factory.mktemp("sample_run")
    process = run_example(folder, "fashion_mlp.py", "--sample", "--epochs", 2)
    assert process.returncode == 0, process.stderr
    return SimpleNamespace(out=folder / "runs/fashion_mlp", text=process.stdout)
