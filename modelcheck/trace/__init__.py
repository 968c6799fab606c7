"""Counterexamples: recorded from the machine, kept as JSON, replayed by the machine alone.

Knows protocols and the machine; knows nothing of the search that found them.
"""
