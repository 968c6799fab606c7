"""The system: one small form for every model, in integers. Knows the machine's interface only."""
