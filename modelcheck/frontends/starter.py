"""The starter spec that `new` writes. Knows nothing."""

_TEXT = '''"""{name}: in one line, what is patched into what, and by whom.

Source: the file, commit or manual section that this protocol is taken from.
Left out: what the protocol does that is not modelled here.
"""

from modelcheck import (
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    store,
    violates,
    write,
)

# The instruction before and after. Its address decides how it lies in cache lines.
site = Site(
    "foo",
    old=bytes.fromhex("0f 1f 44 00 00"),  # nop
    new=bytes.fromhex("e8 e7 57 07 00"),  # call
    address=0x1000,
)
INT3 = b"\\xcc"

# Data that the patcher shares with the trap handler. None means: nothing published.
entry = Cell("entry")

protocol = Protocol(
    "{name}",
    sites=(site,),
    cells=(entry,),
    # What the patcher does, in order. Every step has a label; variants are made by it.
    program=(
        store("publish", entry, "foo"),
        write("int3", site, INT3),
        on_each_cpu("sync-1"),  # all CPUs serialise, and the patcher waits for it
        write("tail", site, site.new[1:], at=1),
        on_each_cpu("sync-2"),
        write("head", site, site.new[:1]),
        on_each_cpu("sync-3"),
        store("retire", entry, None),
    ),
    # What a CPU does that executes the trap. Its steps interleave with everything else.
    handler=Handler(
        trap=INT3,
        program=(
            lookup("find", entry),
            emulate("emulate", entry),
            iret("iret"),
        ),
    ),
    # Every property that applies is watched. What the protocol does not promise is waived, with the
    # reason: waived=(without_property("visible-after-return", because="nobody is told"),)
    arch="x86-64",  # how memory behaves, what decodes, what may be modified while it runs
)

# The protocol is expected to be safe; each variant is an edit, with what it should violate.
SUITE = Suite(
    protocol,
    variants=(
        Variant(
            "no-sync-1",
            protocol.without("sync-1"),
            violates("no-torn-instruction"),
        ),
        Variant(
            "no-sync-3",
            protocol.without("sync-3"),
            violates("no-unhandled-trap", "no-stale-handler-data", "visible-after-return"),
        ),
    ),
)
'''


def starter(name: str) -> str:
    """A commented spec for a protocol of this name, which runs as it is."""
    return _TEXT.replace("{name}", name)
