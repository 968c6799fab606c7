"""Certificates: proofs for any number of CPUs as SMT-LIB text, written and checked.

Knows the machine, and the set of pairs that an abstraction found; trusts neither search nor text.
"""
