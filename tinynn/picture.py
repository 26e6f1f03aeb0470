"""A matplotlib Figure that notebooks show. This file loads matplotlib: import it in functions only.

A figure that is only saved needs no display. But when matplotlib is imported, it reads $MPLBACKEND,
the display that pyplot should use, and raises an error if it does not know that display. A
notebook's (`module://matplotlib_inline.backend_inline`), which every program started from a
notebook inherits, is known only if matplotlib_inline is installed. So matplotlib is imported here
without that variable.
"""

import os
import sys
from contextlib import suppress
from io import BytesIO

display = os.environ.get("MPLBACKEND")
if display and "matplotlib" not in sys.modules:
    del os.environ["MPLBACKEND"]
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = display  # for programs that are started from here
    with suppress(ValueError):  # an unknown display: pyplot then chooses one by itself
        matplotlib.rcParams["backend"] = display

# isort: split
from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure that a notebook shows if it is the last value of a cell.

    Jupyter shows a plain Figure only after pyplot is loaded, or after `%matplotlib inline`.
    """

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
