"""The time of one training step, from shuffled data to updated weights, in each framework.

    round 1: tinynn, naive NumPy, PyTorch, ...   round 2: tinynn, naive NumPy, PyTorch, ...   ...

The contenders (contenders.py) take turns, each in a process of its own, so that a busy minute slows
all of them, and ratios are taken within a round. The seed of a round decides weights and batches.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from statistics import median

from contenders import BATCH, CONTENDERS, KERAS_CHUNK, SCORED, SIZES, WARM_UP, WINDOW

REFERENCE = "tinynn"
PATIENCE = 900  # seconds, for one contender in one round


def run(name: str, steps: int, seed: int) -> dict:
    """Run one contender in a process of its own; a failure is returned as a result, too."""
    script = Path(__file__).with_name("contenders.py")
    command = [sys.executable, script, name, "--steps", str(steps), "--seed", str(seed)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"name": name, "left_out": f"not done after {PATIENCE} seconds"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"name": name, "left_out": f"failed: {lines[-1]}"}
    return json.loads(done.stdout.splitlines()[-1])


def with_range(values: list[float], digits: int) -> str:
    """Return the median, followed by the smallest and the largest value.

    >>> with_range([1.0, 2.0, 4.0], digits=1)
    '2.0 (1.0 to 4.0)'
    """
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(rounds: list[dict[str, dict]]) -> str:
    """Return a row for each contender that ran in all rounds, and a line for each that did not."""
    rows = [("", "ms a step", f"times {REFERENCE}", "loss")]
    left_out = []
    for name in rounds[0]:
        results = [done[name] for done in rounds]
        reasons = [result["left_out"] for result in results if "left_out" in result]
        if reasons:
            left_out.append(f"left out: {name} ({reasons[0]})")
            continue
        windows = [window for result in results for window in result["windows"]]
        ratios = [
            median(done[name]["windows"]) / median(done[REFERENCE]["windows"])
            for done in rounds
            if "windows" in done.get(REFERENCE, {})
        ]
        ratio = with_range(ratios, 2) if ratios else "-"
        losses = [result["loss"] for result in results]
        rows.append((name, with_range(windows, 2), ratio, with_range(losses, 3)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *left_out])


def picture(rounds: list[dict[str, dict]], path: Path) -> None:
    """Draw a bar for each contender: the median of its windows, and a line from round to round."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    medians = {
        name: [median(done[name]["windows"]) for done in rounds]
        for name in rounds[0]
        if all("windows" in done[name] for done in rounds)
    }
    names = sorted(medians, key=lambda name: median(medians[name]), reverse=True)
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(names) + 1.2), layout="constrained")
    for row, name in enumerate(names):
        own, colour = medians[name], "tab:orange" if name == REFERENCE else "tab:gray"
        axes.barh(row, median(own), color=colour, height=0.7)
        axes.plot([min(own), max(own)], [row, row], color="black", linewidth=1)
        axes.text(max(own) + 0.03, row, f"{median(own):.2f}", va="center")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 1.1 * max(map(max, medians.values())))
    axes.set_xlabel("ms a step (median; the line: slowest and fastest round)")
    axes.set_title(f"One training step of {'-'.join(map(str, SIZES))}, batch {BATCH}, Adam")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def conditions(rounds: list[dict[str, dict]], steps: int) -> str:
    """Return the meaning of the numbers, and how they came about: settings, versions, threads."""
    versions: dict[str, str] = {}
    threads = []
    for name, result in rounds[0].items():
        versions.update(result.get("versions", {}))
        pools = ", ".join(f"{pool}: {size}" for pool, size in result.get("threads", {}).items())
        if pools:
            threads.append(f"  {name}: {pools}")
    network = "-".join(map(str, SIZES))
    settings = [f"{k}={v}" for k, v in os.environ.items() if k.endswith("_NUM_THREADS")]
    return "\n".join(
        [
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} cores, load "
            f"{os.getloadavg()[1]:.1f}; {network}, batch {BATCH}, {steps:,} steps, "
            f"rounds: {len(rounds)}",
            f"ms a step: median over windows of {WINDOW} steps after the first {WARM_UP} "
            "(smallest to largest window of all rounds)",
            f"times {REFERENCE}: median of the rounds' ratios of medians (smallest to largest)",
            f"loss: after the last step, on {SCORED:,} training images; median (and range) over "
            "rounds, which differ in weights and batches",
            f"thread settings in the environment: {', '.join(settings) or 'none'}",
            "versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()),
            "thread pools loaded in each process:",
            *threads,
        ]
    )


def main() -> None:
    """Run the contenders in turns, and print the table after each round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1720, help="1,500 or more for a real run")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CONTENDERS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every window here too")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the table, too")
    parser.add_argument("--list", action="store_true", help="show the names, run nothing")
    args = parser.parse_args()
    if args.list:
        print("\n".join(CONTENDERS))
        return
    if args.steps < WARM_UP + WINDOW or args.steps % KERAS_CHUNK:
        parser.error(f"--steps: a multiple of {KERAS_CHUNK}, at least {WARM_UP + WINDOW}")
    if args.rounds < 1:
        parser.error("--rounds: 1 or more")

    rounds: list[dict[str, dict]] = []
    for seed in range(args.rounds):
        done = {}
        for name in args.only or CONTENDERS:
            done[name] = result = run(name, args.steps, seed)
            text = result.get("left_out") or f"{with_range(result['windows'], 2)} ms a step"
            print(f"round {seed + 1} of {args.rounds}: {name}, {text}", file=sys.stderr, flush=True)
        rounds.append(done)
        print(f"\nAfter round {seed + 1} of {args.rounds}\n{table(rounds)}\n", flush=True)
        if args.json:
            args.json.write_text(json.dumps(rounds, indent=1), encoding="utf-8")
    if args.png:
        picture(rounds, args.png)
    print(conditions(rounds, args.steps))


if __name__ == "__main__":
    main()
