"""Benchmarks: our engines beside SPIN on the same model. Knows everything; nothing knows it."""
