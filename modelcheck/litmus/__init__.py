"""The second machine: litmus tests for instruction fetch, judged by published verdicts.

Knows the model interface (machine.py alone) and the explorers (verdict.py alone).
"""
