"""Protocols as data: what is patched, by which steps, and what is expected of it.

Knows nothing of any other part of the package.
"""
