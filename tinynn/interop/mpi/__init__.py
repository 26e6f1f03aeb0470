"""One training in several processes, on one machine or many, by MPI: the callback DataParallel.

    mpiexec -n 4 python program.py      starts the program four times: ranks 0, 1, 2 and 3

data_parallel.py has the arithmetic: which samples, which weights, which averages. Below it stand
job.py (how ranks wait, and how a job ends), settings.py (what they must have alike) and buffers.py
(running statistics of all samples).
"""

from tinynn.interop.mpi.data_parallel import DataParallel

__all__ = ["DataParallel"]
