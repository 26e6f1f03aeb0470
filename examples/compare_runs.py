"""Overlay the curves of several runs in one PNG and print where each stands, also while they train.

    python examples/compare_runs.py runs/fashion_mlp runs/fashion_mlp.1

RUN is a folder with a log.csv, or a CSV file that tinynn.CSVLogger wrote.
"""

import argparse
import sys
from pathlib import Path

from tinynn import plots


def main() -> None:
    args = arguments()
    logs = {}
    for run in args.runs:
        log = run / "log.csv" if run.is_dir() else run
        if not log.is_file():
            sys.exit(f"error: {run} is no run: there is no {log}")
        rows = plots.read_log(log)
        if rows:
            logs[str(run)] = log
            print(f"{run}: {len(rows)} epochs, {last_and_best(rows)}")
        else:
            print(f"{run}: no epoch has ended yet, left out")
    if not logs:
        sys.exit("error: there is nothing to draw")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(*logs.values(), labels=list(logs), path=args.out)
    print(args.out)


def last_and_best(rows: list[dict[str, str]]) -> str:
    """Say where a run stands, by its validation if it has one."""
    column = next(
        name for name in ("val_accuracy", "accuracy", "val_loss", "loss") if name in rows[0]
    )
    values = [float(row[column]) for row in rows]
    best = max(values) if "accuracy" in column else min(values)
    epoch = rows[values.index(best)]["epoch"]
    return f"{column} {values[-1]:.4f}, best {best:.4f} in epoch {epoch}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Overlay the curves of several runs in one PNG.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN",
        help="folder with a log.csv, or a CSV file")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs/compare.png"), metavar="FILE",
        help="the picture, replaced if it exists (default: %(default)s)")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
