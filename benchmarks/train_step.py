"""The time of one training step, from shuffled data to updated weights, in each framework.

    round 1: tinynn, naive NumPy, PyTorch, ...   round 2: tinynn, naive NumPy, PyTorch, ...   ...

The contenders (contenders.py) take turns, each in a process of its own, so that a busy minute slows
all of them, and ratios are taken within a round. The seed of a round decides weights and batches.

With --beside it makes the second table: each contender alone, beside a busy program on one of the
processors, and beside a second training of its own kind; for each size of batch, in turns too.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import median

from contenders import BATCH, CONTENDERS, KERAS_CHUNK, SCORED, SIZES, WARM_UP, WINDOW

REFERENCE = "tinynn"
PATIENCE = 900  # seconds, for one contender in one round
EARLIER = "tinynn, the earlier"  # the contender that --against adds
SITUATIONS = ("alone", "beside a busy program", "two trainings at once")
BUSY = "import os; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nwhile True: pass"


def command(name: str, against: Path | None, *options: object) -> list[str]:
    """Return the command that runs one contender."""
    script = Path(__file__).with_name("contenders.py")
    python, name = (against, REFERENCE) if name == EARLIER else (sys.executable, name)
    return [str(part) for part in (python, script, name, *options)]


def run(name: str, against: Path | None, *options: object) -> dict:
    """Run one contender in a process of its own; a failure is returned as a result, too."""
    parts = command(name, against, *options)
    try:
        done = subprocess.run(parts, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"name": name, "left_out": f"not done after {PATIENCE} seconds"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"name": name, "left_out": f"failed: {lines[-1]}"}
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def company(situation: str, name: str, against: Path | None, batch: int) -> Iterator[None]:
    """Keep the other program of a situation running, from before the first step that is timed."""
    if situation == "alone":
        yield
        return
    parts = [sys.executable, "-c", BUSY]
    if situation == "two trainings at once":
        options = ("--told", "--batch", batch, "--steps", 60_000, "--seconds", PATIENCE)
        parts = command(name, against, *options)
    other = subprocess.Popen(parts, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        if situation == "two trainings at once":
            other.stdout.readline()
        yield
    finally:
        other.kill()
        other.wait()


def beside(names: list[str], batches: list[int], args: argparse.Namespace) -> list[dict]:
    """Run each contender in each situation and with each batch, in turns; return the rounds."""
    rounds: list[dict] = []
    for seed in range(args.rounds):
        done: dict[str, dict] = {}
        for batch in batches:
            for name in names:
                for situation in SITUATIONS:
                    options = ("--batch", batch, "--steps", 60_000, "--seconds", args.seconds)
                    with company(situation, name, args.against, batch):
                        result = run(name, args.against, *options, "--seed", seed)
                    done[f"{batch}, {name}, {situation}"] = result
                    said = result.get("left_out") or f"{with_range(result['windows'], 2)} ms a step"
                    print(f"{batch}, {name}, {situation}: {said}", file=sys.stderr, flush=True)
        rounds.append(done)
        print(f"\nAfter round {seed + 1} of {args.rounds}\n{table_beside(rounds)}\n", flush=True)
        if args.json:
            args.json.write_text(json.dumps(rounds, indent=1), encoding="utf-8")
    return rounds


def table_beside(rounds: list[dict]) -> str:
    """Return a row for each batch and contender: ms a step alone, and the ratios."""
    titles = [f"{situation}, times alone" for situation in SITUATIONS[1:]]
    rows = [("batch", "", "alone, ms", f"times {REFERENCE}", *titles)]
    for key in rounds[0]:
        batch, _, rest = key.partition(", ")
        name = rest.removesuffix(f", {SITUATIONS[0]}")
        if name == rest:  # of another situation
            continue

        def ratio(of: str, to: str) -> str:
            pairs = [(done[of], done[to]) for done in rounds if of in done and to in done]
            known = [pair for pair in pairs if all("windows" in each for each in pair)]
            values = [median(a["windows"]) / median(b["windows"]) for a, b in known]
            return with_range(values, 2) if values else "-"

        alone = [window for done in rounds for window in done[key].get("windows", ())]
        others = [f"{batch}, {name}, {situation}" for situation in SITUATIONS[1:]]
        first = with_range(alone, 2) if alone else rounds[0][key]["left_out"]
        to_ours = ratio(key, f"{batch}, {REFERENCE}, {SITUATIONS[0]}")
        rows.append((batch, name, first, to_ours, *(ratio(other, key) for other in others)))
    return in_columns(rows)


def in_columns(rows: list[tuple[str, ...]]) -> str:
    """Return rows as lines, with each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


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
    return "\n".join([in_columns(rows), *left_out])


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


def machine(result: dict) -> str:
    """Return the day, the processor, its number and load, and the versions of one result."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # another system, or another kind of processor
        model = platform.processor() or platform.machine()
    pools = ", ".join(f"{pool}: {size}" for pool, size in result.get("threads", {}).items())
    return (
        f"{date.today()}, {model}, {os.cpu_count()} processors, load {os.getloadavg()[1]:.1f}; "
        f"{pools}"
    )


def conditions(rounds: list[dict[str, dict]], args: argparse.Namespace) -> str:
    """Return the meaning of the numbers, and how they came about: settings, versions, threads."""
    versions: dict[str, str] = {}
    threads = []
    for name, result in rounds[0].items():
        versions.update(result.get("versions", {}))
        pools = ", ".join(f"{pool}: {size}" for pool, size in result.get("threads", {}).items())
        if pools and not args.beside:
            threads.append(f"  {name}: {pools}")
    settings = [f"{k}={v}" for k, v in os.environ.items() if k.endswith("_NUM_THREADS")]
    how = f"batch {BATCH}, {args.steps:,} steps"
    if args.beside:
        how = f"{args.seconds:g} seconds or one window of each contender in each situation"
    known = next((result for result in rounds[0].values() if "threads" in result), {})
    meaning = [
        f"ms a step: median over windows of {WINDOW} steps after the first {WARM_UP} "
        "(smallest to largest window of all rounds)",
        f"times {REFERENCE}, times alone: median of the rounds' ratios of medians (smallest to "
        "largest)",
    ]
    if not args.beside:
        meaning.append(
            f"loss: after the last step, on {SCORED:,} training images; median (and range) over "
            "rounds, which differ in weights and batches"
        )
    return "\n".join(
        [
            machine(known),
            f"{'-'.join(map(str, SIZES))}, {how}, rounds: {len(rounds)}",
            *meaning,
            f"thread settings in the environment: {', '.join(settings) or 'none'}",
            "versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()),
            *(["thread pools loaded in each process:", *threads] if threads else []),
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
    parser.add_argument(
        "--beside", type=int, nargs="+", metavar="BATCH", help="the second table, of these batches"
    )
    parser.add_argument("--seconds", type=float, default=3, help="of each run of --beside")
    parser.add_argument(
        "--against", type=Path, metavar="PYTHON", help="of an environment with an earlier tinynn"
    )
    parser.add_argument("--list", action="store_true", help="show the names, run nothing")
    args = parser.parse_args()
    if args.list:
        print("\n".join(CONTENDERS))
        return
    if args.steps < WARM_UP + WINDOW or args.steps % KERAS_CHUNK:
        parser.error(f"--steps: a multiple of {KERAS_CHUNK}, at least {WARM_UP + WINDOW}")
    if args.rounds < 1:
        parser.error("--rounds: 1 or more")

    names = [*(args.only or CONTENDERS), *([EARLIER] if args.against else [])]
    if args.beside:
        if not hasattr(os, "sched_setaffinity"):
            parser.error("--beside: this system cannot bind a program to one processor")
        print(conditions(beside(names, args.beside, args), args))
        return
    rounds: list[dict[str, dict]] = []
    for seed in range(args.rounds):
        done = {}
        for name in names:
            result = run(name, args.against, "--steps", args.steps, "--seed", seed)
            done[name] = result
            text = result.get("left_out") or f"{with_range(result['windows'], 2)} ms a step"
            print(f"round {seed + 1} of {args.rounds}: {name}, {text}", file=sys.stderr, flush=True)
        rounds.append(done)
        print(f"\nAfter round {seed + 1} of {args.rounds}\n{table(rounds)}\n", flush=True)
        if args.json:
            args.json.write_text(json.dumps(rounds, indent=1), encoding="utf-8")
    if args.png:
        picture(rounds, args.png)
    print(conditions(rounds, args))


if __name__ == "__main__":
    main()
