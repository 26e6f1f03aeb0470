"""The time of one training step of a convolutional network, in each library, beside PyTorch's.

    round 1: tinynn, PyTorch, ..., numpy-ml     round 2: tinynn, PyTorch, ..., numpy-ml     ...

The contenders (conv_contenders.py) take turns, each in a process of its own, so that a busy minute
slows all of them; ratios are taken within a round. Batch 64, real images. All begin with the same
weights and get the same batches, so after 10 steps the losses agree in three digits. (Not in more:
where several pixels of a window are the largest, libraries give the gradient to the first or to
all, and float32 sums over a channel are more or less exact.)
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

from conv_contenders import BATCH, CONTENDERS, NETWORKS, WARM_UP

REFERENCE = "PyTorch"
PATIENCE = 900  # seconds, for one contender in one round
Rounds = list[dict[str, dict]]


def run(name: str, network: str, steps: int) -> dict:
    """Run one contender in a process of its own; a failure is returned as a result, too."""
    script = Path(__file__).with_name("conv_contenders.py")
    command = [sys.executable, "-W", "ignore", script, name, network, "--steps", str(steps)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"name": name, "left_out": f"not done after {PATIENCE} seconds"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"name": name, "left_out": f"failed: {lines[-1]}"}
    return json.loads(done.stdout.splitlines()[-1])


def ratios(rounds: Rounds, name: str, other: str) -> list[float]:
    """Return the ratio of medians of two contenders, in each round in which both ran."""
    pairs = [(done.get(name, {}), done.get(other, {})) for done in rounds]
    return [median(a["ms"]) / median(b["ms"]) for a, b in pairs if "ms" in a and "ms" in b]


def table(rounds: Rounds) -> str:
    """Return a row for each contender that ran in all rounds, and a line for each that did not."""
    lines = ["| | ms a step (rounds from, to) | times PyTorch (rounds from, to) | peak MB | loss |",
             "|---|---|---|---|---|"]  # fmt: skip
    left_out = []
    for name in rounds[0]:
        results = [done[name] for done in rounds]
        reasons = [result["left_out"] for result in results if "left_out" in result]
        if reasons:
            left_out.append(f"left out: {name} ({reasons[0]})")
            continue
        ms = [median(result["ms"]) for result in results]
        times = ratios(rounds, name, REFERENCE)
        ratio = f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})" if times else "-"
        lines.append(
            f"| {name} | {median(ms):.1f} ({min(ms):.1f} to {max(ms):.1f}) | {ratio} "
            f"| {max(result['peak_mb'] for result in results):.0f} "
            f"| {results[0]['losses'][WARM_UP - 1]:.3f} |"
        )
    return "\n".join([*lines, *left_out])


def conditions(rounds: Rounds, network: str, steps: int) -> str:
    """Return how the numbers came about: machine, date, network, threads, versions."""
    versions: dict[str, str] = {}
    for result in rounds[0].values():
        versions.update(result.get("versions", {}))
    threads = [
        f"  {name}: {', '.join(result['threads']) or 'pools that do not tell'}"
        for name, result in rounds[0].items()
        if "threads" in result
    ]
    settings = [f"{k}={v}" for k, v in os.environ.items() if k.endswith("_NUM_THREADS")]
    return "\n".join(
        [
            f"{date.today()}, {platform.machine()}, {processor()}, {os.cpu_count()} cores, kernel "
            f"{platform.release()}, load {os.getloadavg()[0]:.1f}",
            f"network {network}: {NETWORKS[network]}, batch {BATCH}, rounds: {len(rounds)}, "
            f"{steps} steps in each after {WARM_UP}",
            "ms a step: median over rounds of a round's median; times PyTorch: median of the "
            "rounds' ratios; peak MB: of the process, with imports and images; loss: of step "
            f"{WARM_UP}, before its update",
            f"thread settings in the environment: {', '.join(settings) or 'none'}",
            "versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()),
            "thread pools:",
            *threads,
        ]
    )


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")


def main() -> None:
    """Run the contenders in turns, and print the table after each round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="short")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="that are timed in each round")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CONTENDERS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write each step's time here too")
    args = parser.parse_args()
    if args.rounds < 1 or args.steps < 1:
        parser.error("--rounds and --steps: 1 or more")

    rounds: Rounds = []
    for n in range(args.rounds):
        done: dict[str, dict] = {}
        for name in args.only or CONTENDERS:
            done[name] = result = run(name, args.network, args.steps)
            text = result.get("left_out") or f"{median(result['ms']):.1f} ms a step"
            print(f"round {n + 1} of {args.rounds}: {name}, {text}", file=sys.stderr, flush=True)
        rounds.append(done)
        print(f"\nAfter round {n + 1} of {args.rounds}\n{table(rounds)}\n", flush=True)
        if args.json:
            args.json.write_text(json.dumps(rounds, indent=1), encoding="utf-8")
    for other in ("PyTorch, channels_last", "textbook NumPy"):
        if times := ratios(rounds, "tinynn", other):
            print(f"tinynn takes {median(times):.2f} times as long as {other}")
    print(conditions(rounds, args.network, args.steps))


if __name__ == "__main__":
    main()
