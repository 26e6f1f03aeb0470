"""What all pictures share: their colours, a blank figure, texts as they are, and saving.

The colours are those of Okabe and Ito, which colour-blind people can tell apart, too.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from tinynn import checks
from tinynn.errors import escape_control
from tinynn.files.atomic import PathLike, refuse_no_place, whole_file

if TYPE_CHECKING:  # matplotlib takes a second to import: it is loaded when a picture is drawn
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LONGEST_ABOVE = 14  # characters of a class, above one of many images
WIDTH, HEIGHT = 6.4, 3.6  # inches, of a panel of curves


def blank(width: float, height: float, to_show: bool = False) -> "Figure":
    """Return an empty Figure of this size in inches, which leaves room for titles and labels.

    to_show: whether plt.show(), or the end of a notebook's cell, shows it; default False. Raises
    ImportError without matplotlib.
    """
    try:
        from tinynn.picture import new_picture
    except ImportError as error:
        raise ImportError(
            f"Pictures need matplotlib, which cannot be imported here ({error}). Install it: pip "
            "install matplotlib"
        ) from error

    return new_picture((width, height), to_show)


def literal(text: str) -> str:
    r"""Return a text as matplotlib draws it letter by letter: for it "$" begins a formula.

    >>> literal("a$b$ \udce9")
    'a\\$b\\$ \\udce9'
    """
    return escape_control(text).replace("$", r"\$")


@checks.short_traceback
def saved(figure: "Figure", path: PathLike | None) -> "Figure":
    """Return the Figure; save it if there is a path, whose ending decides the format (none: PNG).

    If the picture cannot be drawn or written, the file that was there stays as it was.
    """
    if path is not None:
        refuse_no_place(path)
        drawn = io.BytesIO()
        figure.savefig(drawn, format=Path(path).suffix.removeprefix(".") or "png", dpi=120)
        with whole_file(path) as file:
            file.write(drawn.getvalue())
    return figure
