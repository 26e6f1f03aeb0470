"""Exercises that grade themselves: `python -m tinynn.exercises FOLDER`.

A student's file runs in a process of its own, and only answers calls there: what is right is known
and decided in another process, which no submission reaches.
"""
