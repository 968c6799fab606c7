"""What a fetch may read, as one version for each place of code. Knows nothing."""

Vector = tuple[int, ...]
"""For each place of code that may be stored to, a version of it: the oldest that a fetch may still
read. () is all zeros."""


def join(left: Vector, right: Vector) -> Vector:
    """The later of two, place by place."""
    if not left or left == right:
        return right
    return tuple(map(max, left, right)) if right else left


def only(size: int, number: int, version: int) -> Vector:
    """A version of one place of `size`, and zeros of the others."""
    return tuple(version if n == number else 0 for n in range(size))
