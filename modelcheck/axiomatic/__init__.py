"""The torn-read question as an order of events, decided by Z3 without any state space.

Knows protocols and the rules of fetch models; knows no engine, which it is held against.
"""
