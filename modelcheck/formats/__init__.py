"""Traces and results for programs: one format a file. Knows answers and traces."""
