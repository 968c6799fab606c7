"""What a protocol changes: sites (code bytes) and cells (data). Knows nothing but bytes."""

from dataclasses import dataclass

from modelcheck.protocol.errors import SpecError

Value = int | str | None


@dataclass(frozen=True)
class Site:
    """An instruction in memory, its bytes before the patch and after it.

    `old` and `new` have the same length, at least one byte. `address` is the virtual address of
    the first byte; its place within a fetch chunk decides which bytes are fetched together.
    """

    name: str
    old: bytes
    new: bytes
    address: int = 0

    def __post_init__(self) -> None:
        if not self.old or len(self.old) != len(self.new):
            raise SpecError(
                f"site {self.name!r}: old has {len(self.old)} bytes and new has {len(self.new)}; "
                "give both the same length, at least one byte"
            )
        if not 0 <= self.address <= 2**64 - len(self.old):
            raise SpecError(f"site {self.name!r}: address {self.address:#x} is not within 64 bits")

    def __len__(self) -> int:
        return len(self.old)

    @property
    def equal_bytes(self) -> tuple[int, ...]:
        """Offsets of the bytes that old and new share: a tear there cannot be seen."""
        return tuple(
            i for i, (old, new) in enumerate(zip(self.old, self.new, strict=True)) if old == new
        )


@dataclass(frozen=True)
class Cell:
    """A word of data that the patcher and the trap handler share, read and written atomically.

    None and 0 mean "nothing published"; a handler that looks the cell up then finds no entry.
    """

    name: str
    initial: Value = None
