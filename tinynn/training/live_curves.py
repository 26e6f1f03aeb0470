"""The learning curves while a training runs: one picture, drawn anew after each epoch."""

import warnings
from io import BytesIO

from tinynn import checks
from tinynn.files.atomic import PathLike, refuse_no_place
from tinynn.notebook import Output, in_notebook
from tinynn.plots.curves import draw_curves
from tinynn.plots.drawing import saved
from tinynn.training.run import Callback, Run


class LiveCurves(Callback):
    """Draw the learning curves after each epoch: in the same place beneath a notebook's cell.

    path: a file to draw them to, replaced each time, in a notebook or outside; default None: then
    nothing is drawn outside of a notebook, and a warning says so. every_epochs: 1, or more where a
    picture, some tenths of a second, takes longer than an epoch. The last epoch is always drawn.

    If the picture cannot be drawn or written, a warning says so once, and training goes on. Raises
    an OSError at the start of training if there is no folder for the path.

    >>> LiveCurves("curves.png")
    LiveCurves(path='curves.png', every_epochs=1)
    """

    affects_training = False
    output: Output | None = None  # of this training, in a notebook
    drawn = 0  # epochs
    works = True

    def __init__(self, path: PathLike | None = None, every_epochs: int = 1) -> None:
        self.path = path
        self.every_epochs = checks.check_integer("every_epochs", every_epochs)

    def order(self, trainer: Run) -> int:
        return 1  # after whoever writes into the history

    def on_train_begin(self, trainer: Run) -> None:
        if self.path is not None:
            refuse_no_place(self.path)
        self.output = Output() if in_notebook() else None
        self.drawn, self.works = 0, self.output is not None or self.path is not None
        if not self.works:
            warnings.warn(
                "LiveCurves draws nothing: this is no notebook. Give it a path: "
                "LiveCurves('curves.png').",
                stacklevel=2,
            )

    def on_epoch_end(self, trainer: Run) -> None:
        if trainer.epoch % self.every_epochs == 0:
            self._draw(trainer)

    def on_train_end(self, trainer: Run) -> None:
        if len(trainer.history.epochs) > self.drawn:
            self._draw(trainer)

    def _draw(self, trainer: Run) -> None:
        if not self.works:
            return
        try:
            figure = draw_curves([trainer.history])
            saved(figure, self.path)
            if self.output is not None:
                png = BytesIO()
                figure.savefig(png, format="png")
                self.output.show({"image/png": png.getvalue(), "text/plain": repr(figure)})
        except Exception as error:  # a broken matplotlib can raise anything
            self.works = False
            warnings.warn(
                f"LiveCurves draws no more: {type(error).__name__}: {error}. Training goes on.",
                stacklevel=2,
            )
        self.drawn = len(trainer.history.epochs)
