"""Runs: recorded from a machine, kept as JSON, replayed by the machine alone, told to readers.

Knows protocols, litmus tests and both machines; knows nothing of the search that found them.
"""
