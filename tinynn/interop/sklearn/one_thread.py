"""The same bits in any process: BLAS computes in one thread while an estimator trains or predicts.

joblib gives the processes of n_jobs=2 fewer threads than the one that starts them has, and sums in
another number of threads may be rounded otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from tinynn.products import blas_kernel
from tinynn.threads import second_thread


class OneThread:
    """Limits BLAS to one thread for as long as anyone asks for it, from any thread."""

    def __init__(self) -> None:
        self.lock, self.users = Lock(), 0
        self.controller: Any = None
        self.limit: Any = None

    @contextmanager
    def in_blas(self) -> Iterator[None]:
        """Limit it; when the last one leaves, give back what it had before.

        >>> with ONE_THREAD.in_blas():
        ...     pools = ThreadpoolController().select(user_api="blas").info()
        >>> {pool["num_threads"] for pool in pools}
        {1}
        """
        second_thread()  # found now: tinynn's own, which changes no bits, stays
        with self.lock:
            if not self.users:
                self.controller = self.controller or ThreadpoolController()
                self.limit = self.controller.limit(limits=1, user_api="blas")
                blas_kernel.cache_clear()  # whether `product` makes tiles may depend on threads
            self.users += 1
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if not self.users:
                    self.limit.restore_original_limits()
                    blas_kernel.cache_clear()


ONE_THREAD = OneThread()
