"""What architectures promise, one file each; here they are by name. Knows bytes."""

from collections.abc import Mapping
from difflib import get_close_matches

from modelcheck.arch.architecture import Architecture
from modelcheck.arch.arm64 import ARM64
from modelcheck.arch.parisc import PARISC
from modelcheck.arch.ppc64 import PPC64
from modelcheck.arch.riscv64 import RISCV64
from modelcheck.arch.s390x import S390X
from modelcheck.arch.thumb import THUMB
from modelcheck.arch.x86_64 import X86_64

ARCHITECTURES: Mapping[str, Architecture] = {
    one.name: one for one in (X86_64, ARM64, THUMB, RISCV64, PPC64, S390X, PARISC)
}


def nearest(name: str) -> str | None:
    """The architecture that was meant by a name that is none, if there is one alike."""
    names = {
        other: one.name for one in ARCHITECTURES.values() for other in (one.name, *one.known_as)
    }
    found = get_close_matches(name.lower(), names, n=1)
    return names[found[0]] if found else None
