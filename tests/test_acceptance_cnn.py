"""examples/fashion_cnn.py on the real Fashion-MNIST, three seeds: half an hour, run by hand.

pytest tests/test_acceptance_cnn.py -m cnn -n 0
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples/fashion_cnn.py"

pytestmark = pytest.mark.cnn


def test_three_seeds_reach_0_932_on_average(tmp_path, capsys):
    scores, seconds = [], []
    for seed in range(3):
        out = tmp_path / f"seed{seed}"
        subprocess.run([sys.executable, EXAMPLE, "--seed", str(seed), "--out", out], check=True)
        found = json.loads((out / "metrics.json").read_text())
        samples = [found[part]["samples"] for part in ("train", "val", "test")]
        assert samples == [55_000, 5_000, 10_000]
        assert found["problems"] == []
        scores.append(found["test_accuracy"])
        seconds.append(found["seconds"]["train"])
    with capsys.disabled():
        print(f"\ntest accuracy {scores}, mean {sum(scores) / 3:.4f}; seconds {seconds}")
    assert min(scores) >= 0.928
    assert sum(scores) / 3 >= 0.932
