"""examples/xor.py learns XOR, with the loss that it says."""

import pytest


@pytest.mark.outcome
def test_xor_is_learned(run_example, tmp_path):
    process = run_example(tmp_path, "xor.py")
    assert process.returncode == 0, process.stderr
    answers = [line for line in process.stdout.splitlines() if "xor" in line]
    assert [line.split("  ")[0] for line in answers] == [
        "0 xor 0 = 0",
        "0 xor 1 = 1",
        "1 xor 0 = 1",
        "1 xor 1 = 0",
    ]
    assert not list(tmp_path.iterdir())
