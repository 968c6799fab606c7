"""Traces and results for people. Knows everything above it."""
