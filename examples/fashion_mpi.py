"""Train fashion_mlp.py's network in several processes, on one machine or many, by MPI.

    mpiexec -n 2 python examples/fashion_mpi.py              15 epochs on the 60,000 images
    mpiexec -n 2 python examples/fashion_mpi.py --sample     on the 6,000 that come with tinynn

It needs mpi4py and an MPI library: pip install -e '.[mpi]' mpich. The processes (ranks) share each
batch: with 2 ranks and --batch-size 32, each computes the gradient of 16 images. So all numbers are
those of fashion_mlp.py, to rounding, whatever the number of ranks. Rank 0 alone prints, draws and
writes. --resume goes on with as many ranks as before; on several machines, --out must be a folder
that all of them see.

The exit status is that of fashion_mlp.py.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the ranks of a machine share its processors

# isort: split
import argparse
import sys
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

from fashion_job import Job, flags, learning_rate, run  # imports tinynn
from fashion_mlp import LEARNING_RATES, network
from run_folder import CHECKPOINT

from tinynn import Adam, CrossEntropy, Trainer, plots
from tinynn.interop.mpi import DataParallel


class Other(Job):
    """The job on another rank than 0: it trains, and leaves the folder to rank 0."""

    def open_folder(self, images: int) -> None:
        self.held_out = self.args.validation_size or images // 12
        self.out = self.args.out
        checkpoint = self.out / CHECKPOINT
        self.checkpoint = checkpoint if self.args.resume and checkpoint.exists() else None

    def interrupted(self, trainer: Trainer) -> None:
        """Rank 0 says it."""


def main() -> None:
    parallel = DataParallel()
    with ExitStack() as silence:
        if parallel.rank:
            nowhere = silence.enter_context(Path(os.devnull).open("w"))
            silence.enter_context(redirect_stdout(nowhere))
            warnings.simplefilter("ignore")
        train(parallel)


def options(parallel: DataParallel) -> argparse.Namespace:
    """Return the options of the command; rank 0 says what is wrong with them."""
    parser = flags(
        "Train a network on Fashion-MNIST in several processes, and save it.",
        out="runs/fashion_mpi",
        epochs=15,
        batch_size=32,
        learning_rate=LEARNING_RATES,
        label_smoothing=0.0,
        optimizer="Adam",
        warm_up="epoch",
    )
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere if parallel.rank else sys.stderr),
    ):
        args = parser.parse_args()
    args.learning_rate = args.learning_rate or LEARNING_RATES[args.schedule]
    return args


def train(parallel: DataParallel) -> None:
    args = options(parallel)
    job = Other(args) if parallel.rank else Job(args)
    job.launcher = "mpiexec", "-n", str(parallel.ranks)

    with job.phase("load"):
        if parallel.rank:
            parallel.wait()  # until rank 0 has the data, perhaps by a download, and a folder
        data = job.load()
        job.open_folder(images=len(data[0][0]))
        if not parallel.rank:
            parallel.wait()
        print(f"{parallel.ranks} ranks, of which each trains on its part of each batch")

    with job.phase("preprocess"):
        (x, y), validation, (x_test, y_test) = job.preprocess(data)

    with job.phase("model"):
        model = network(args.seed)
        model.summary()

    with job.phase("train"):
        steps = -(-len(x) // args.batch_size)  # of an epoch
        rate = learning_rate(args, steps, warmup=steps, warmup_steps=f"{steps:,} steps of epoch 1")
        trainer = Trainer(model, CrossEntropy(args.label_smoothing), Adam(rate), seed=args.seed)
        if parallel.rank:  # there DataParallel leaves out what only watches
            job.interruption.on_train_begin(trainer)
        with job.interruptible(trainer):
            together = [parallel, *job.callbacks()]
            history = trainer.fit(
                x, y, args.epochs, args.batch_size, validation, together, job.checkpoint
            )
    if parallel.rank:
        return
    if not trainer.finished:  # a signal came to another rank
        job.interrupted(trainer)
        sys.exit(1)

    with job.phase("save"):
        job.save(model)

    with job.phase("verify"):
        p_test = job.verify(model, x_test)

    with job.phase("evaluate"):
        test = job.evaluate(trainer.loss, p_test, y_test)

    with job.phase("plot"):
        job.draw("accuracy.png", plots.learning_curves, history)
        job.draw("weights.png", plots.first_layer, model)
        job.diagnose()

    with job.phase("predict"):
        job.show_predictions(x_test, p_test, y_test)

    job.end(trainer, test, ranks=parallel.ranks)


if __name__ == "__main__":
    run(main)
