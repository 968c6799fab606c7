"""Exports: a machine as a model for another checker. Knows the machine; nothing knows exports."""
