"""The loop, and what happens around it.

trainer.py holds the loop; history.py what it measures; run.py what is known of a training while it
runs, and the contract of callbacks. csv_log.py, progress.py, print_log.py, early_stopping.py,
checkpoint.py and live_curves.py are a callback each; run_state.py is what a checkpoint holds of a
run, resume.py the way back. The other files are what these ask.
"""
