"""A matplotlib Figure that notebooks show. It loads matplotlib: import it where one is drawn."""

from io import BytesIO

from matplotlib.figure import Figure


class Picture(Figure):
    """A Figure that is seen when it is the last value of a notebook's cell.

    Jupyter shows a plain one only once pyplot is loaded, or after `%matplotlib inline`.
    """

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()
