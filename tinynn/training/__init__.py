"""The loop, and what happens around it: a log, checkpoints, an early end, a way back from them."""
