"""A matplotlib Figure that notebooks show. It loads matplotlib: import it where one is drawn.

A figure that is only saved needs no display. Yet matplotlib looks at $MPLBACKEND, the display that
pyplot should use, when it is imported, and refuses to be if it does not know that one: a notebook's
(`module://matplotlib_inline.backend_inline`), which every program started from a notebook
inherits, is known only where matplotlib_inline is installed. So it is imported without.
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
        os.environ["MPLBACKEND"] = display  # as the user's programs, started from here, expect it
    with suppress(ValueError):  # unknown: where pyplot is used, it finds one by itself
        matplotlib.rcParams["backend"] = display

# isort: split
from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure that is seen when it is the last value of a notebook's cell.

    Jupyter shows a plain one only once pyplot is loaded, or after `%matplotlib inline`.
    """

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
