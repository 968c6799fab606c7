"""What the question whether a log is a run of a protocol is made of."""
