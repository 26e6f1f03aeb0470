"""What a notebook shows beneath a cell: is there a notebook, and an output that can change.

    show(first)  ->  an output with an id        show(next)  ->  takes the place of that output

Every notebook program knows this: it needs no widgets, and a notebook that is saved and opened
again has the last state. IPython is imported only where a notebook has loaded it already.
"""

import sys
from typing import Any


def in_notebook() -> bool:
    """Whether this program runs the cells of a notebook: IPython on a terminal has no kernel.

    >>> in_notebook()
    False
    """
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class Output:
    """An output beneath the cell that runs now."""

    def __init__(self) -> None:
        self._shown: Any = None  # IPython's handle of it

    def show(self, contents: dict[str, Any]) -> None:
        """Show contents, by MIME type, in the place of those before."""
        from IPython.display import display

        if self._shown is None:
            self._shown = display(contents, raw=True, display_id=True)
        else:
            self._shown.update(contents, raw=True)
