"""The loop, and what happens around it.

trainer.py holds the loop; run.py what is known of a training, and the contract of callbacks.
csv_log.py, progress.py, early_stopping.py and checkpoint.py are a callback each; resume.py is the
way back from a checkpoint. The other files are what these ask.
"""
