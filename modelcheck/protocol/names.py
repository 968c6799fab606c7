"""Text that is shown to people: names, and what files bring. Knows nothing.

A terminal, an editor or a browser acts on some characters instead of showing them: it moves the
cursor, sets the clipboard, turns the direction of a line. Names have none of these. What comes from
elsewhere is refused or written out before it is shown.
"""

import unicodedata

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""The Unicode categories of what is acted on: controls, formats (among them those of direction),
surrogates, line and paragraph separators (The Unicode Standard, table 4-4)."""

LAYOUT = "\n\t"
"""What lays out text of several lines."""


def hidden(text: str, allowed: str = "") -> str:
    """The first character of a text that is not shown but acted on; empty if there is none."""
    if text.isprintable():
        return ""
    found = (c for c in text if unicodedata.category(c) in HIDDEN and c not in allowed)
    return next(found, "")


def printable(text: str) -> str:
    """The text with all that is acted on written out, as in \\x1b; its lines stay as they are."""
    if not hidden(text, LAYOUT):
        return text
    return "".join(ascii(c)[1:-1] if hidden(c, LAYOUT) else c for c in text)


def plural(number: int, noun: str) -> str:
    """A number and its noun: 1 byte, 2 bytes."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
