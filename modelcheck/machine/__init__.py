"""The machine: what a protocol means. Who may do what next, and what each CPU sees.

Knows protocols; knows nothing of how they are explored or shown.
"""
