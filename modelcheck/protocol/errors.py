"""The one error a spec can make. Knows nothing else."""


class SpecError(ValueError):
    """A spec says something that has no meaning; the message names the place and the remedy."""
