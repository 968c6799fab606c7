"""x86: a static call to nothing, a RET that is patched into a jump.

Source: Linux arch/x86/kernel/static_call.c; Peter Zijlstra's mail on static_call and RET (2021),
which weighs synchronize_rcu_tasks() against padding. A tail call to NULL becomes RET, one byte
where the jump has five. Today the other four are int3, and text_poke treats all five as one
instruction. If code stood there instead, somebody could be in it, or come to it by a jump.

What the verdicts mean: behind a padded RET nobody can be, so it is replaced like any instruction.
Behind a bare one, a task at the next instruction goes on within the displacement of the new jump.
A grace period does not help where tasks can still get there.
"""

from dataclasses import replace

from modelcheck import (
    Form,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    on_each_cpu,
    runs,
    synchronize_rcu_tasks,
    violates,
    write,
)

INT3 = b"\xcc"
JMP = bytes.fromhex("e9 e7 57 07 00")
PADDED = bytes.fromhex("c3 cc cc cc cc")
BARE = bytes.fromhex("c3 90 90 90 90")
TEXT = 0xFFFFFFFF81001000


def text_poke(name: str, site: Site) -> Protocol:
    return Protocol(
        name,
        sites=(site,),
        program=(
            write("int3", site, INT3),
            on_each_cpu("sync-1"),
            write("tail", site, JMP[1:], at=1),
            on_each_cpu("sync-2"),
            write("head", site, JMP[:1]),
            on_each_cpu("sync-3"),
        ),
        handler=Handler(INT3, (emulate("emulate"), iret("iret"))),
        properties=("no-torn-instruction", "no-torn-sequence"),
    )


padded = text_poke("padded", Site("call", PADDED, JMP, TEXT, old_runs=runs(1), new_runs=runs(5)))
padded = replace(padded, properties=("no-torn-instruction",))

# Four NOPs behind the RET, to which something else jumps.
behind = Site(
    "call",
    BARE,
    JMP,
    TEXT,
    old_runs=runs(1),
    new_runs=runs(5),
    between=(Form("behind the RET", BARE, runs(1, 1, 1, 1, start=1)),),
    entries=(0, 1),
)
bare = text_poke("bare", behind)

TORN = violates("no-torn-instruction", "no-torn-sequence")
FETCH = ("coherent", "store-order", "per-chunk")

SUITES = (
    Suite(padded, cpus=1, fetch=FETCH),
    Suite(
        bare,
        (
            Variant(
                "with-a-grace-period",
                bare.inserted(synchronize_rcu_tasks("grace"), after="sync-1"),
                TORN,
            ),
        ),
        expect=TORN,
        cpus=1,
        fetch=FETCH,
    ),
)
