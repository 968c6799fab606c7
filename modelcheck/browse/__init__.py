"""A browser of counterexamples in a terminal: what it shows, and the screens that show it."""
