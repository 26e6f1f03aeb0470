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
from typing import Any

from tinynn.notebook import in_notebook

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
    """A Figure that a notebook shows if it is the last value of a cell, and then only once.

    Jupyter shows a plain Figure only after pyplot is loaded, or after `%matplotlib inline`, and
    shows one that pyplot knows again when the cell ends.
    """

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Add nothing to what is shown; it is asked for when the figure is about to be shown."""
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None and "inline" in pyplot.get_backend():
            pyplot.close(self)  # so that the end of the cell does not show it again
        return {}

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def new_picture(size: tuple[float, float], to_show: bool) -> Figure:
    """Return an empty Picture of this size in inches.

    to_show: pyplot is to know it, so that plt.show(), or the end of a cell, shows it. So it is in a
    notebook, and where the program has imported pyplot; nowhere else is pyplot loaded.
    """
    options: dict[str, Any] = {"figsize": size, "layout": "constrained"}
    if to_show and ("matplotlib.pyplot" in sys.modules or in_notebook()):
        import matplotlib.pyplot as plt

        with suppress(Exception):  # a display that does not work: the figure needs none
            return plt.figure(FigureClass=Picture, **options)
    return Picture(**options)
