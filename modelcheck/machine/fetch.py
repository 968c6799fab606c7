"""Fetch models: the rules that say which versions of a byte a CPU may fetch. Knows nothing else."""

from dataclasses import dataclass
from enum import Enum


class Staleness(Enum):
    """How old a fetched value may be."""

    NEWEST = "newest memory at each chunk read"
    MONOTONE = "any version since this CPU's last fetch or sync; never older again"
    SINCE_SYNC = "any version since this CPU's last sync, also older after newer"


@dataclass(frozen=True)
class FetchModel:
    """The rules of instruction fetch.

    With `ordered`, the chunks of an instruction are read in ascending order, and one history of
    all code stores is what a CPU sees: no chunk comes from before the chunk to its left. Without,
    chunks are read in any order and each has a history of its own. With `coherent`, caches are,
    whatever a protocol says of them: to serialise is enough. With `strict`, running bytes
    that changed since the CPU's last sync is an error in itself; see `strict` below.
    """

    name: str
    ordered: bool
    staleness: Staleness
    strict: bool
    coherent: bool
    meaning: str
    source: str


MODELS: dict[str, FetchModel] = {
    model.name: model
    for model in (
        FetchModel(
            "coherent",
            ordered=True,
            staleness=Staleness.NEWEST,
            strict=False,
            coherent=True,
            meaning="Chunks in ascending order, each the newest memory when it is read. A write "
            "can still overtake a partial fetch.",
            source="An idealised coherent instruction cache without prefetch.",
        ),
        FetchModel(
            "coherent-any-order",
            ordered=False,
            staleness=Staleness.NEWEST,
            strict=False,
            coherent=True,
            meaning="As coherent, but the chunks of an instruction are read in any order.",
            source="An idealised coherent instruction cache, line fills in any order.",
        ),
        FetchModel(
            "store-order",
            ordered=True,
            staleness=Staleness.MONOTONE,
            strict=False,
            coherent=True,
            meaning="Each CPU follows the global order of code stores at its own pace, and never "
            "goes back.",
            source="AMD64 APM vol. 2, 7.6.1: fetchers observe stores in program order. Arm with "
            "CTR_EL0.DIC=1 and IDC=1: CoFF is forbidden, and no maintenance is needed.",
        ),
        FetchModel(
            "per-chunk",
            ordered=False,
            staleness=Staleness.MONOTONE,
            strict=False,
            coherent=False,
            meaning="Each CPU follows the stores to each chunk at a pace of its own, and never "
            "goes back in a chunk.",
            source="What Intel's manuals leave open (SDM vol. 3A, Handling Self- and "
            "Cross-Modifying Code), and any site that crosses a line.",
        ),
        FetchModel(
            "incoherent",
            ordered=False,
            staleness=Staleness.SINCE_SYNC,
            strict=False,
            coherent=False,
            meaning="Any version since the CPU's last sync, for each chunk anew.",
            source="Arm with CTR_EL0.DIC=0, RISC-V with Ziccif only: the litmus test CoFF "
            "is allowed.",
        ),
        FetchModel(
            "strict",
            ordered=False,
            staleness=Staleness.SINCE_SYNC,
            strict=True,
            coherent=False,
            meaning="As incoherent, and to run bytes that changed since the CPU's last sync is an "
            "error, unless the change put the trap on an instruction's first byte or took it off.",
            source="Intel specification updates, erratum 'Unsynchronized Cross-Modifying Code "
            "Operations Can Cause Unexpected Instruction Execution Results'.",
        ),
    )
}
