"""Draw the curves of several runs in one PNG and print their last and best epochs.

    python examples/compare_runs.py runs/fashion_mlp runs/fashion_mlp.1

RUN is a folder with a log.csv, or a CSV file that tinynn.CSVLogger wrote; it may still be training.
If one cannot be read, an error says so, the others are drawn, and the exit status is 1.
"""

import argparse
import io
import math
import sys
from pathlib import Path

from tinynn import plots
from tinynn.files.atomic import without_tilde
from tinynn.training.csv_log import read_log


def main() -> None:
    args = arguments()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may have letters it cannot encode
        sys.stdout.reconfigure(errors="backslashreplace")
    if args.out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".pdf", ".svg"):
        sys.exit(f"error: --out {args.out} should end in .png, .jpg, .pdf or .svg")
    logs, failed = {}, False
    for run in args.runs:
        log = run / "log.csv" if run.is_dir() else run
        try:
            if not log.exists():
                raise ValueError(f"there is no {log}")
            rows = read_log(log)
        except (OSError, ValueError) as error:
            print(f"error: {run} cannot be read as a run: {error}", file=sys.stderr)
            failed = True
            continue
        if rows:
            logs[str(run)] = log
            epochs = "1 epoch" if len(rows) == 1 else f"{len(rows)} epochs"
            print(f"{run}: {epochs}, {last_and_best(rows)}")
        else:
            print(f"{run}: no epoch has ended yet, left out")
    if not logs:
        sys.exit("error: there is nothing to draw")
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        plots.learning_curves(*logs.values(), labels=list(logs), path=args.out)
    except Exception as error:  # a broken matplotlib can raise anything
        sys.exit(f"error: {args.out} could not be drawn. {type(error).__name__}: {error}")
    print(args.out)
    if failed:
        sys.exit(1)


def last_and_best(rows: list[dict[str, str]]) -> str:
    """Return the last and the best value of a run, in validation if it has any."""
    column = next(
        name for name in ("val_accuracy", "accuracy", "val_loss", "loss") if name in rows[0]
    )
    values = {row["epoch"]: float(row[column] or "nan") for row in rows}
    last = f"{column} {values[rows[-1]['epoch']]:.4f}"
    known = [epoch for epoch, value in values.items() if not math.isnan(value)]
    if not known:
        return last
    best = (max if "accuracy" in column else min)(known, key=values.__getitem__)
    return f"{last}, best {values[best]:.4f} in epoch {best}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw the curves of several runs in one PNG.")
    parser.add_argument("runs", type=without_tilde, nargs="+", metavar="RUN",
        help="folder with a log.csv, or a CSV file")  # fmt: skip
    picture = Path("runs/compare.png")
    parser.add_argument("--out", type=without_tilde, default=picture, metavar="FILE",
        help="the picture, replaced if it exists (default: %(default)s)")  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
