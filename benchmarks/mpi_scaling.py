"""How a training step of 784-512-256-128-10 scales over MPI: measured on two cores, then a model.

    strong scaling  the batch B stays, and n ranks share it: B / n images each
    weak scaling    each rank has b images, so the batch grows: B = n b

A model predicts the time of a step, and is compared with the steps that were measured:

    step = compute(images of a rank) + ring(bytes of the gradient) + 2 small collectives
    compute(b) = fixed + b each           fitted to one process, and to two that only run at once
    ring(m) = 2 (n - 1) (latency + m / (n bandwidth))                fitted to Allreduce of m bytes
    a small collective takes log2(n) latencies

The jobs take turns, --rounds times, and the best round of each counts: with two ranks, a step waits
whenever another program holds one of the two processors. Then the model predicts 2 to 1,024
machines, for networks whose latency and bandwidth are assumed.
(Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009.)
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a rank for each core

# isort: split
import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import tinynn  # noqa: F401  before NumPy, as it asks

# isort: split
import numpy as np

from tinynn import Adam, Callback, CrossEntropy, Dense, ReLU, Sequential, Softmax, Trainer
from tinynn.interop.mpi import DataParallel

BYTES = [4**i for i in range(5, 13)]  # of the vectors whose Allreduce is timed
STRONG, WEAK = (64, 256, 1024), (32, 128, 512)  # B of all ranks; b of each
STEPS = 40  # of one measurement, at least; the first five are not timed
MACHINES = [2**i for i in range(11)]
NETWORKS = {  # assumed: seconds of a message, bytes a second
    "1 Gbit/s Ethernet": (50e-6, 0.117e9),
    "10 Gbit/s Ethernet": (20e-6, 1.17e9),
    "100 Gbit/s InfiniBand": (2e-6, 11.7e9),
}


class Clock(Callback):
    """Keeps when each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def config(self) -> dict[str, Any]:
        return {}

    def on_step_end(self, trainer: Any) -> None:
        self.times.append(perf_counter())


def model() -> Sequential:
    """Return the network of the main job."""
    hidden = [part for units in (512, 256, 128) for part in (Dense(units), ReLU())]
    return Sequential([*hidden, Dense(10), Softmax()], input_shape=(784,))


def seconds_a_step(batch: int, share: float, *callbacks: Callback) -> float:
    """Return the time of a step of `fit`; share: of the steps that were faster than it."""
    rng = np.random.default_rng(0)
    count = batch * min(STEPS, -(-8192 // batch))
    x, y = rng.random((count, 784), np.float32), rng.integers(0, 10, count)
    clock = Clock()
    trainer = Trainer(model(), CrossEntropy(), Adam())
    epochs = -(-STEPS * batch // count)
    trainer.fit(x, y, epochs=epochs, batch_size=batch, callbacks=[*callbacks, clock])
    return float(np.quantile(np.diff(clock.times)[5:], share))


def seconds_of_allreduce(comm: Any, size: int, share: float) -> float:
    """Return the time of an Allreduce of so many bytes."""
    from mpi4py import MPI

    vector, times = np.ones(size // 4, np.float32), []
    for _ in range(STEPS):
        comm.Barrier()
        began = perf_counter()
        comm.Allreduce(MPI.IN_PLACE, vector)
        times.append(perf_counter() - began)
        vector[:] = 1
    return float(np.quantile(times[5:], share))


def measure(share: float) -> dict[str, dict[int, float]]:
    """Return all that this job can measure, by batch of all ranks or by bytes."""
    from mpi4py import MPI

    world, found = MPI.COMM_WORLD, dict[str, dict[int, float]]()
    batches = sorted({*STRONG, *(world.size * b for b in WEAK)})
    if world.size == 1:
        found["alone"] = {b: seconds_a_step(b, share) for b in sorted({*STRONG, *WEAK})}
        return found
    found["allreduce"] = {size: seconds_of_allreduce(world, size, share) for size in BYTES}
    found["together"] = {B: seconds_a_step(B, share, DataParallel()) for B in batches}
    of_rank = sorted({B // world.size for B in batches})
    found["at once"] = {}
    for b in of_rank:  # each rank by itself, at the same time
        world.Barrier()
        found["at once"][b] = seconds_a_step(b, share)
    return found


def job(ranks: int, share: float) -> dict[str, dict[int, float]]:
    """Start this program on so many ranks; return what rank 0 has measured."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    mpiexec = shutil.which("mpiexec", path=beside)
    if mpiexec is None:
        sys.exit("error: there is no mpiexec. Write: pip install mpich")
    command = [mpiexec, "-n", str(ranks), sys.executable, __file__, "--share", str(share)]
    done = subprocess.run([*command, "--measure"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {kind: {int(k): v for k, v in values.items()} for kind, values in found.items()}


def line(points: dict[int, float]) -> tuple[float, float]:
    """Return a and b of seconds = a + b size, with the least squares of relative errors."""
    sizes, seconds = np.array([*points]), np.array([*points.values()])
    columns = np.stack([1 / seconds, sizes / seconds], axis=1)
    (fixed, each), *_ = np.linalg.lstsq(columns, np.ones(len(sizes)), rcond=None)
    return max(float(fixed), 0.0), float(each)


def ring(ranks: int, size: int, latency: float, bandwidth: float) -> float:
    """Return the seconds of a ring Allreduce: n - 1 parts are sent to add up, n - 1 to spread."""
    return 2 * (ranks - 1) * (latency + size / (ranks * bandwidth))


def step(
    ranks: int, images: float, compute: tuple[float, float], network: tuple[float, float]
) -> float:
    """Return what the model says of a step in which each rank has so many images."""
    fixed, each = compute
    small = 2 * np.log2(ranks) * network[0]
    return float(fixed + each * images + ring(ranks, 4 * model().params.size, *network) + small)


def rows_of(found: dict[str, dict[int, float]]) -> list[dict[str, Any]]:
    """Return the rows of the CSV: what was measured, beside the model, and what it predicts."""
    alone, at_once = line(found["alone"]), line(found["at once"])
    fixed, each = line(found["allreduce"])  # of two ranks: 2 latency + m / bandwidth
    here = fixed / 2, 1 / each
    rows: list[dict[str, Any]] = []

    def add(
        kind: str, network: str, ranks: int, batch: int, by_model: float, measured: Any
    ) -> None:
        seconds = by_model if measured is None else measured
        rows.append(
            {
                "kind": kind,
                "network": network,
                "ranks": ranks,
                "size": batch,
                "measured_ms": "" if measured is None else round(1e3 * measured, 4),
                "model_ms": round(1e3 * by_model, 4),
                "images_a_second": "" if kind == "allreduce" else round(batch / seconds),
            }
        )

    for size, seconds in found["allreduce"].items():
        add("allreduce", "here", 2, size, ring(2, size, *here), seconds)
    for kind, batches in (("strong", STRONG), ("weak", [2 * b for b in WEAK])):
        for B in batches:
            one = B if kind == "strong" else B // 2
            add(kind, "here", 1, one, step(1, one, alone, here), found["alone"][one])
            add(kind, "here", 2, B, step(2, B / 2, at_once, here), found["together"][B])
    for name, network in NETWORKS.items():
        for kind, batch in (("strong", STRONG[-1]), ("weak", WEAK[1])):
            for n in MACHINES:
                images = batch / n if kind == "strong" else batch
                add(kind, name, n, round(n * images), step(n, images, alone, network), None)
    for name, value in (
        ("compute of one process, ms", 1e3 * alone[0]),
        ("and for each image, us", 1e6 * alone[1]),
        ("of two at once, ms", 1e3 * at_once[0]),
        ("and for each image, us", 1e6 * at_once[1]),
        ("latency, us", 1e6 * here[0]),
        ("bandwidth, GB/s", here[1] / 1e9),
    ):
        print(f"{name}: {value:.3g}")
    return rows


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw Allreduce and steps, measured and by the model, and the images a second predicted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, middle, *right) = plt.subplots(1, 4, figsize=(16, 4), layout="constrained")
    measured = [row for row in rows if row["network"] == "here"]
    of = [row for row in measured if row["kind"] == "allreduce"]
    left.loglog([r["size"] for r in of], [r["measured_ms"] for r in of], "o", label="measured")
    left.loglog([r["size"] for r in of], [r["model_ms"] for r in of], "-", label="model")
    left.set(xlabel="bytes", ylabel="ms", title="Allreduce, two ranks here")
    for kind, marker in (("strong", "o"), ("weak", "s")):
        for ranks, colour in ((1, "tab:gray"), (2, "tab:orange")):
            own = [r for r in measured if (r["kind"], r["ranks"]) == (kind, ranks)]
            times = ([r[name] for r in own] for name in ("measured_ms", "model_ms"))
            label = f"{kind}, {ranks} rank{'s' * (ranks > 1)}"
            middle.loglog(*times, marker, color=colour, label=label)
    ends = [min(r["model_ms"] for r in measured), max(r["model_ms"] for r in measured)]
    middle.loglog(ends, ends, ":", color="black", linewidth=1)
    middle.set(xlabel="measured, ms", ylabel="model, ms", title="A step, here")
    for axes, kind, title in zip(
        right,
        ("strong", "weak"),
        (f"Strong scaling, B = {STRONG[-1]:,}", f"Weak scaling, {WEAK[1]} images a machine"),
        strict=True,
    ):
        for name in NETWORKS:
            own = [r for r in rows if (r["kind"], r["network"]) == (kind, name)]
            axes.loglog([r["ranks"] for r in own], [r["images_a_second"] for r in own], label=name)
        ideal = [own[0]["images_a_second"] * n for n in MACHINES]
        axes.loglog(MACHINES, ideal, ":", color="black", linewidth=1, label="n times one machine")
        axes.set_xscale("log", base=2)
        axes.set(xlabel="machines", ylabel="images a second, by the model", title=title)
    for axes in (left, middle, *right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure with one rank and with two, in turns; keep the best rounds; write the two files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument(
        "--share",
        type=float,
        default=0.5,
        help="the time of a step that this share of steps is faster than; 0.5 is the median; less "
        "on a machine that others use, too (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the two files")
    parser.add_argument("--measure", action="store_true", help="used by the program itself")
    args = parser.parse_args()
    if args.measure:
        found = measure(args.share)
        from mpi4py import MPI

        if MPI.COMM_WORLD.rank == 0:
            print(json.dumps(found))
        return
    rounds: dict[str, dict[int, list[float]]] = {}
    for turn in range(args.rounds):
        for ranks in (1, 2):
            for kind, values in job(ranks, args.share).items():
                for size, seconds in values.items():
                    rounds.setdefault(kind, {}).setdefault(size, []).append(seconds)
        print(f"round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
    rows = rows_of(
        {kind: {k: min(v) for k, v in values.items()} for kind, values in rounds.items()}
    )
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "mpi_scaling.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    picture(rows, args.out / "mpi_scaling.png")
    for row in rows:
        if row["network"] == "here":
            print(*row.values(), sep="  ")


if __name__ == "__main__":
    main()
