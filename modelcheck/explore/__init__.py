"""Explorers: from a system to a verdict. Knows systems; knows nothing of code or protocols."""
