"""What a protocol changes: sites (code bytes) and cells (data). Knows bytes, and how to check."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, permutations
from typing import Annotated

from modelcheck.protocol.checking import Name, Natural, Positive, Rule, SpecValue, Text, checked
from modelcheck.protocol.errors import SpecError
from modelcheck.protocol.names import hidden

Value = int | str | tuple[str, ...] | None


def _can_be_shown(value: Value) -> bool:
    names = (value,) if isinstance(value, str) else value
    return not isinstance(names, tuple) or not any(map(hidden, names))


Held = Annotated[
    Value, Rule("value", "None, a whole number, a name, or a tuple of names", _can_be_shown)
]
"""What a cell may hold; its names have no characters that cannot be shown."""

Runs = tuple[tuple[int, int], ...]
"""The instructions of one pass through a site as (offset, length), in the order of execution."""


@checked
def runs(*lengths: Positive, start: Natural = 0) -> Runs:
    """Instructions of these lengths, one behind the other from byte `start` on."""
    ends = [start]
    for length in lengths:
        ends.append(ends[-1] + length)
    return tuple((begin, end - begin) for begin, end in pairwise(ends))


@dataclass(frozen=True)
class Form(SpecValue):
    """One thing that a site may be: its bytes, and which instructions a pass through it runs."""

    name: Name
    data: bytes
    runs: Runs


@dataclass(frozen=True)
class Site(SpecValue):
    """Code in memory, its bytes before the patch and after it: one instruction, or a region.

    `old` and `new` have the same length, at least one byte. `address` is the virtual address of
    the first byte; its place within a fetch chunk decides which bytes are fetched together.

    Where one of them is several instructions, `old_runs` and `new_runs` say which (see `runs`); a
    CPU may be interrupted between them for as long as it likes. CPUs enter at the offsets
    `entries`. `between` has forms that the site may also take on the way. A `foreign` site is not
    the patcher's: its handler must find that out and leave the trap to others. Where bytes are
    no instructions of the architecture, or several taken as one, `undecoded` says why; a spec
    that does not is refused.
    """

    name: Name
    old: bytes
    new: bytes
    address: int = 0
    old_runs: Runs = ()
    new_runs: Runs = ()
    between: tuple[Form, ...] = ()
    entries: tuple[int, ...] = (0,)
    foreign: bool = False
    undecoded: Text = field(default="", compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.old or len(self.old) != len(self.new):
            raise SpecError(
                f"site {self.name!r}: old has {len(self.old)} bytes and new has {len(self.new)}; "
                "give both the same length, at least one byte"
            )
        if not 0 <= self.address <= 2**64 - len(self.old):
            raise SpecError(f"site {self.name!r}: address {self.address:#x} is not within 64 bits")
        for form in self.forms:
            if len(form.data) != len(self):
                raise SpecError(
                    f"site {self.name!r}: form {form.name!r} has {len(form.data)} bytes, not "
                    f"{len(self)}"
                )
            for offset, length in form.runs:
                if offset < 0 or length < 1 or offset + length > len(self):
                    raise SpecError(
                        f"site {self.name!r}: an instruction of {length} bytes at offset {offset} "
                        f"is not within its {len(self)} bytes"
                    )
        self._check_beginnings()
        for entry in self.entries:
            if not 0 <= entry < len(self):
                raise SpecError(f"site {self.name!r}: no byte {entry} to enter at")

    def _check_beginnings(self) -> None:
        """No ISA has an instruction that is the beginning of another."""
        at: dict[int, set[bytes]] = {}
        for form in self.forms:
            for offset, length in form.runs:
                at.setdefault(offset, set()).add(form.data[offset : offset + length])
        for offset, known in at.items():
            for one, other in permutations(known, 2):
                if other.startswith(one):
                    raise SpecError(
                        f"site {self.name!r}: at offset {offset} one form has {one.hex(' ')} and "
                        f"another {other.hex(' ')}, which begins with it: no CPU tells them apart"
                    )

    def __len__(self) -> int:
        return len(self.old)

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        """All that the site may be: old, new, and what lies between."""
        whole = runs(len(self))
        old = Form("old", self.old, self.old_runs or whole)
        return (old, Form("new", self.new, self.new_runs or whole), *self.between)

    @cached_property
    def is_region(self) -> bool:
        """Whether a CPU can be somewhere inside: a pass through it is more than one instruction."""
        whole = runs(len(self))
        return self.entries != (0,) or any(form.runs != whole for form in self.forms)

    @cached_property
    def equal_bytes(self) -> tuple[int, ...]:
        """Offsets of the bytes that old and new share: a tear there cannot be seen."""
        return tuple(
            i for i, (old, new) in enumerate(zip(self.old, self.new, strict=True)) if old == new
        )


@dataclass(frozen=True)
class Cell(SpecValue):
    """A word of data that patcher and CPUs share, read and written atomically.

    None, 0 and () mean "nothing published"; a handler that looks the cell up then finds no entry.
    A tuple has the names of sites, to be searched. With `per_cpu`, each CPU has one of its own: a
    patcher's steps act on all of them, a CPU's on its own. What a handler looks up is to be retired
    when all programs have ended; `stays` says why it is not, if it is not.
    """

    name: Name
    initial: Held = None
    per_cpu: bool = False
    stays: Text = ""
