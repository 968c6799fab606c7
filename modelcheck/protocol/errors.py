"""The one error a spec can make, and the name that was meant. Knows lines of specs."""

from collections.abc import Iterable
from difflib import get_close_matches

from modelcheck.protocol.source import Source


class SpecError(ValueError):
    """A spec says something that has no meaning; the message names the place and the remedy.

    `source` is the line of the step that is meant, where another line noticed.
    """

    def __init__(self, what: str, source: Source | None = None) -> None:
        super().__init__(f"{source}: {what}" if source else what)
        self.what = what
        self.source = source


FORMER = {"deadlock-free": "finishes"}
"""What words are called that were called otherwise in earlier versions."""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of the words that was meant by one that is none of them, if one is alike."""
    words = tuple(words)
    if FORMER.get(word) in words:
        return FORMER[word]
    known = {_plain(other): other for other in reversed(tuple(words))}  # the first of equals
    inside = [other for other in known.values() if other.endswith(f"/{word}")]
    if len(inside) == 1:  # a step, by its name without that of its program
        return inside[0]
    found = get_close_matches(_plain(word), known, n=1)
    return known[found[0]] if found else None


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-").replace(" ", "-")


def meant(word: str, words: Iterable[str], known: str = "known") -> str:
    """What to say behind an unknown word: the one that was meant, and all that there are."""
    words = tuple(words)
    near = nearest(word, words)
    asked = f"did you mean {near!r}? " if near else ""
    return f"{asked}{known}: {', '.join(words) or 'none'}"
