"""Benchmarks: our explorers beside SPIN on the same model. Knows everything; nothing knows it."""
