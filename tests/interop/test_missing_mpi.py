"""Without mpi4py, or without an MPI library, DataParallel says which line installs it."""

import subprocess
import sys
from types import ModuleType

import pytest

from tinynn.interop.mpi import DataParallel


def test_without_mpi4py_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)  # as if it were not installed
    with pytest.raises(ImportError) as caught:
        DataParallel()
    assert "tinynn.interop.mpi needs mpi4py" in str(caught.value)
    assert "pip install -e '.[mpi]' mpich" in str(caught.value)


def test_without_an_mpi_library_it_is_told_how_to_get_one(monkeypatch):
    class WithoutLibrary(ModuleType):
        @property
        def MPI(self):  # noqa: N802
            raise RuntimeError("cannot load MPI library\nlibmpi.so: cannot open shared object file")

    monkeypatch.setitem(sys.modules, "mpi4py", WithoutLibrary("mpi4py"))
    with pytest.raises(ImportError) as caught:
        DataParallel()
    assert "mpi4py finds no MPI library (cannot load MPI library)" in str(caught.value)
    assert "pip install mpich" in str(caught.value)


@pytest.mark.slow
def test_importing_the_module_loads_no_mpi4py():
    program = "import sys, tinynn.interop.mpi; print('mpi4py' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.stdout.strip() == "False", process.stderr
