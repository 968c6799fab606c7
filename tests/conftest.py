"""For all tests: garbage is collected less often, for states are many and never in a circle."""

import gc

gc.set_threshold(200_000, 20, 20)
