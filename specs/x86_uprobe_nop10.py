"""x86: an optimised uprobe on a 10-byte nop, which becomes two instructions (Linux 7).

    66 2e 0f 1f 84 00 00 00 00 00   nop, ten bytes
    48 8d 64 24 80                  lea -0x80(%rsp), %rsp   steps over the red zone
    e8 d0 d1 d2 d3                  call <uprobe trampoline>
    66 2e 0f 1f 84 e8 d0 d1 d2 d3   the nop again, with the call as its operand

Source: Linux arch/x86/kernel/uprobes.c, int3_update_optimize() and int3_update_unoptimize(), the
successor of the 5-byte form (see x86_uprobe_nop5). Between the two instructions a task of user
space may be stopped for as long as it likes, and no grace period waits for it. So to unoptimise is
to restore bytes 0 to 4 only: what follows is an operand of the nop for all who come from the
front, and still the same call for who comes from the lea. Left out: the page tables that the bytes
are written through, and the check of the bytes before each write.

What the verdicts mean: with the call left where it is the probe goes on and off as often as one
likes, as long as it is always the same call. Another one is written under a task that stands before
it, which would be safe only if the two differed in a single byte. To restore all ten bytes, on
removal or when an optimisation fails, lets a task that has run the lea go on in the middle of the
nop's operand.
"""

from modelcheck import (
    STRICT_TOO,
    Bug,
    Cell,
    Element,
    Form,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    Waiver,
    iret,
    lookup,
    on_each_cpu,
    runs,
    skip,
    violates,
    when,
    without_property,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("66 2e 0f 1f 84 00 00 00 00 00")
LEA = bytes.fromhex("48 8d 64 24 80")
CALL = bytes.fromhex("e8 d0 d1 d2 d3")
OTHER_CALL = bytes.fromhex("e8 a0 a1 a2 d3")
KEPT = NOP[:5] + CALL

BEHIND_LEA = without_property(
    "visible-after-return",
    because="a task that stands behind the lea runs the old call whenever it goes on",
)

one, two = runs(10), runs(5, 5)
uprobe = Cell("uprobe", 1)

# The probe's handler runs, and the nop is stepped over. A trap whose probe has gone is tried again.
handler = Handler(INT3, (when(lookup("probed?", uprobe), skip("step over")), iret("iret")))


def site(old: Form, new: Form, *between: Form) -> Site:
    return Site("nop10", old.data, new.data, 0x401000, old.runs, new.runs, between)


def optimise(site: Site, call: bytes, tag: str = "") -> tuple[Element, ...]:
    """int3_update_optimize(): the uprobe's int3 is there already."""
    return (
        on_each_cpu(f"sync-1{tag}"),
        write(f"tail{tag}", site, LEA[1:] + call, at=1),
        on_each_cpu(f"sync-2{tag}"),
        write(f"lea{tag}", site, LEA[:1]),
        on_each_cpu(f"sync-3{tag}"),
    )


def unoptimise(site: Site, restored: bytes, tag: str = "") -> tuple[Element, ...]:
    """int3_update_unoptimize(): restore the bytes of the nop after the first."""
    return (
        write(f"int3{tag}", site, INT3),
        on_each_cpu(f"sync-4{tag}"),
        write(f"nop tail{tag}", site, restored[1:], at=1),
        on_each_cpu(f"sync-5{tag}"),
        write(f"nop{tag}", site, restored[:1]),
        on_each_cpu(f"sync-6{tag}"),
    )


def protocol(
    name: str, where: Site, *program: Element, waived: tuple[Waiver, ...] = ()
) -> Protocol:
    return Protocol(
        name,
        sites=(where,),
        cells=(uprobe,),
        program=program,
        handler=handler,
        waived=waived,
        patcher_executes=False,
    )


nop, on, kept = Form("nop", NOP, one), Form("on", LEA + CALL, two), Form("kept", KEPT, one)

install = site(nop, on)
optimising = protocol(
    "optimise", install, write("install", install, INT3), *optimise(install, CALL)
)

remove = site(on, kept)
unoptimising = protocol("unoptimise", remove, *unoptimise(remove, KEPT[:5]), waived=(BEHIND_LEA,))

remove_all = site(on, nop)
restoring = protocol("restore", remove_all, *unoptimise(remove_all, NOP), waived=(BEHIND_LEA,))

# On, off, and on again, with tasks between lea and call all the while.
cycle = site(nop, on, kept)


def cycling(call: bytes) -> Protocol:
    where = site(nop, Form("on", LEA + call, two), kept, on)
    return protocol(
        "cycle",
        where,
        write("install", where, INT3),
        *optimise(where, CALL),
        *unoptimise(where, KEPT[:5]),
        write("install again", where, INT3),
        *optimise(where, call, " again"),
        waived=(
            without_property(
                "per-cpu-monotone", because="the probe goes on and off as often as one likes"
            ),
        ),
    )


# The last write fails: the error path restores the tail, and leaves int3.
def failing(restored: bytes) -> Protocol:
    where = site(on, on, nop, kept)
    return protocol(
        "fails",
        where,
        *unoptimise(where, KEPT[:5]),
        write("install again", where, INT3),
        on_each_cpu("sync-1"),
        write("tail", where, LEA[1:] + CALL, at=1),
        on_each_cpu("sync-2"),
        write("restore", where, restored, at=1),
        on_each_cpu("sync-3"),
        waived=tuple(
            without_property(
                name, because="the error path leaves int3, which is stepped over as the nop"
            )
            for name in ("ends-as-new", "visible-after-return")
        ),
    )


TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
BROKEN = violates(TORN, "no-torn-sequence")
MIXES = violates(
    TORN,
    under=("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent"),
    split=True,
) | violates(TORN, UNPERMITTED, under=("strict",))

cycle_same = cycling(CALL)
fails = failing(KEPT[1:5])

SUITES = (
    Suite(
        unoptimising,
        (
            Variant(
                "restore-all",
                restoring,
                BROKEN,
                bug=Bug(
                    "2026",
                    "Linux x86",
                    "uprobes: restore all ten bytes (a mistake that the comments warn of)",
                    "arch/x86/kernel/uprobes.c, int3_update_unoptimize()",
                    "A task is preempted behind the lea. The probe is removed, and with all of "
                    "the nop the call goes, which the task was to run next: it goes on in the "
                    "middle of the nop, at zeros.",
                ),
            ),
            Variant("no-sync-4", unoptimising.without("sync-4"), MIXES),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        optimising,
        (Variant("no-sync-1", optimising.without("sync-1"), MIXES),),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        cycle_same,
        (Variant("other-trampoline", cycling(OTHER_CALL), BROKEN),),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(fails, (Variant("restore-all", failing(NOP[1:]), BROKEN),), cpus=1, fetch=STRICT_TOO),
)
