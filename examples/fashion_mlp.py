"""Train 784-512-256-128-10 on Fashion-MNIST; save it, check the file, show how it learned, use it.

    python examples/fashion_mlp.py              15 epochs on the 60,000 images, one to three minutes
    python examples/fashion_mlp.py --sample     on the 6,000 that come with tinynn, some seconds

The learning rate rises in the first epoch, then falls to 0 as half a cosine; the weights after the
last epoch are kept. With --schedule constant, the plain recipe, the rate stays as it is.

All files of a run are written under --out. log.csv grows while the run trains: watch it with
`tail -f`, or draw it with examples/compare_runs.py. What each phase does is in fashion_job.py.

The exit status is 0 if all went well, 1 for an error, 3 if some pictures could not be drawn
but all else is done, 130 or 143 if a signal ended the run.
"""

from fashion_job import Job, flags, learning_rate, run  # imports tinynn, then NumPy

from tinynn import Adam, CrossEntropy, Dense, Flatten, ReLU, Sequential, Softmax, Trainer, plots

LEARNING_RATES = {"cosine": 7e-4, "constant": 1e-3}  # chosen on validation images: benchmarks/


def network(seed: int) -> Sequential:
    """Return 784-512-256-128-10, with the initial weights that the seed decides."""
    return Sequential(
        [
            Flatten(),
            Dense(512), ReLU(),
            Dense(256), ReLU(),
            Dense(128), ReLU(),
            Dense(10), Softmax(),
        ],
        input_shape=(28, 28),
        seed=seed,
    )  # fmt: skip


def main() -> None:
    args = flags(
        "Train a network on Fashion-MNIST, save it, verify it, show how it learned.",
        out="runs/fashion_mlp",
        epochs=15,
        batch_size=32,
        learning_rate=LEARNING_RATES,
        label_smoothing=0.0,
        optimizer="Adam",
        warm_up="epoch",
    ).parse_args()
    args.learning_rate = args.learning_rate or LEARNING_RATES[args.schedule]
    job = Job(args)

    with job.phase("load"):
        data = job.load()

    job.open_folder(images=len(data[0][0]))

    with job.phase("preprocess"):
        (x, y), validation, (x_test, y_test) = job.preprocess(data)

    with job.phase("model"):
        model = network(args.seed)
        model.summary()

    with job.phase("train"):
        steps = -(-len(x) // args.batch_size)  # of an epoch
        rate = learning_rate(args, steps, warmup=steps, warmup_steps=f"{steps:,} steps of epoch 1")
        trainer = Trainer(model, CrossEntropy(args.label_smoothing), Adam(rate), seed=args.seed)
        with job.interruptible(trainer):
            history = trainer.fit(
                x, y, args.epochs, args.batch_size, validation, job.callbacks(), job.checkpoint
            )

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

    job.end(trainer, test)


if __name__ == "__main__":
    run(main)
