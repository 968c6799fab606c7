"""x86: a BPF tail call, two jumps that are switched in turn, with a grace period between.

    bypass:  jmp over      or nop      over the tail call
             pop                       undo the frame
    target:  nop           or jmp prog the tail call itself
    over:

Source: Linux kernel/bpf/arraymap.c, prog_array_map_poke_run(), arch/x86/net/bpf_jit_comp.c, which
changes each jump with text_poke_bp() if it has the bytes expected, as of 4b7de801606e (2023). To
set an entry of the map, the target comes first, then the bypass; to clear it, the bypass first, and
the target only when all programs that were behind the bypass have finished: synchronize_rcu(). It
waits for them wherever they are, since they run under rcu_read_lock(): it is the machine's
synchronize_rcu_tasks(). Left out: replacing one program by another, several programs of one map.

What the verdicts mean: a program that finds nop at the bypass, undoes its frame, and finds nop at
the target goes on without a frame. No breakpoint helps, as each jump is whole; that of the target
is for nobody, since it is changed while all are led over it. In the other suite the map and the
code disagree: a poke was left out, and the next one finds other bytes.
"""

from dataclasses import replace

from modelcheck import (
    STRICT_TOO,
    Bug,
    Cell,
    Element,
    Form,
    Handler,
    Patcher,
    Protocol,
    Site,
    Suite,
    Variant,
    block,
    emulate,
    iret,
    is_equal,
    lock,
    lookup,
    on_each_cpu,
    runs,
    store,
    synchronize_rcu_tasks,
    unlock,
    violates,
    when,
    without_property,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("0f 1f 44 00 00")
JMP_OVER = bytes.fromhex("e9 06 00 00 00")
JMP_PROG = bytes.fromhex("e9 e7 57 07 00")
JMP_OTHER = bytes.fromhex("e9 1b 2c 0a 00")
POP = b"\x58"

poke = Cell("poke")

# The bypass leads over all; without it, the pass goes through the pop to the target.
OFF = Form("off", JMP_OVER + POP + NOP, runs(5))
ON = Form("on", NOP + POP + JMP_PROG, runs(5, 1, 5))
NO_TARGET = Form("target off", JMP_OVER + POP + NOP, runs(5, start=6))


def tail_call(old: Form, new: Form) -> Site:
    return Site("tail", old.data, new.data, 0xFFFFFFFFA0001000, old.runs, new.runs, (NO_TARGET,))


def text_poke_bp(label: str, site: Site, at: int, new: bytes) -> Element:
    return block(
        label,
        store("publish", poke, "tail"),
        write("int3", site, INT3, at=at),
        on_each_cpu("sync-1"),
        write("tail", site, new[1:], at=at + 1),
        on_each_cpu("sync-2"),
        write("head", site, new[:1], at=at),
        on_each_cpu("sync-3"),
        store("retire", poke, None),
    )


handler = Handler(INT3, (lookup("find", poke), emulate("emulate", poke), iret("iret")))


def protocol(name: str, site: Site, *program: Element) -> Protocol:
    return Protocol(
        name,
        sites=(site,),
        cells=(poke,),
        program=program,
        handler=handler,
        patcher_executes=False,
    )


absent = tail_call(OFF, ON)
install = protocol(
    "install",
    absent,
    text_poke_bp("target", absent, 6, JMP_PROG),
    text_poke_bp("bypass", absent, 0, NOP),
)

present = tail_call(ON, OFF)
remove = protocol(
    "remove",
    present,
    text_poke_bp("bypass", present, 0, JMP_OVER),
    synchronize_rcu_tasks("synchronize_rcu"),
    text_poke_bp("target", present, 6, NOP),
)

# Two updates of one entry of the map while a program that uses it is loaded.
target = Site(
    "target", NOP, JMP_OTHER, 0xFFFFFFFFA0001000, between=(Form("first", JMP_PROG, runs(5)),)
)
kallsyms = Cell("kallsyms", 0)
poke_mutex = Cell("poke_mutex", 0)


def expecting(label: str, old: bytes, new: bytes) -> Element:
    """bpf_arch_text_poke(): it fails unless the old bytes are there."""
    return block(
        label,
        write("int3", target, INT3, expects=old),
        on_each_cpu("sync-1"),
        write("tail", target, new[1:], at=1),
        on_each_cpu("sync-2"),
        write("head", target, new[:1]),
        on_each_cpu("sync-3"),
    )


def updates(first: Element, second: Element) -> Protocol:
    return Protocol(
        "updates",
        sites=(target,),
        cells=(kallsyms, poke_mutex),
        program=(
            lock("lock first", poke_mutex),
            first,
            unlock("unlock first", poke_mutex),
            lock("lock second", poke_mutex),
            second,
            unlock("unlock second", poke_mutex),
        ),
        patchers=(Patcher("loading", (store("bpf_prog_kallsyms_add", kallsyms, 1),)),),
        handler=Handler(INT3, (emulate("emulate"), iret("iret"))),
        patcher_executes=False,
    )


def if_known(label: str, update: Element) -> Element:
    """Leave the poke out if the program's address is not in kallsyms: -EINVAL, passed over."""
    return when(is_equal(label, kallsyms, 1), update)


first_update = expecting("first update", NOP, JMP_PROG)
second_update = expecting("second update", JMP_PROG, JMP_OTHER)
always = updates(first_update, second_update)
losing = replace(
    updates(if_known("in kallsyms?", first_update), if_known("now?", second_update)),
    waived=(
        without_property(
            "ends-as-new",
            because="a lost poke leaves the old jump, which is the bug itself; what is told here "
            "is the BUG() by which it was found, at the next update",
        ),
    ),
)

INVALID = violates("no-torn-instruction", "no-torn-sequence")

SUITES = (
    Suite(
        remove,
        (
            Variant("no-grace", remove.without("synchronize_rcu"), INVALID),
            Variant("target-first", remove.swapped("bypass", "target"), INVALID),
            Variant("grace-first", remove.moved("synchronize_rcu", before="bypass"), INVALID),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        install,
        (Variant("bypass-first", install.swapped("bypass", "target"), INVALID),),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        always,
        (
            Variant(
                "poke-lost",
                losing,
                violates("no-unexpected-bytes"),
                bug=Bug(
                    "2023-12",
                    "Linux BPF",
                    "bpf: Fix prog_array_map_poke_run map poke update",
                    "4b7de801606e",
                    "A program was tracked as a user of the map before its address was in "
                    "kallsyms. An update of the map in between left its jump as it was, since "
                    "bpf_arch_text_poke() knew no such program, and that error was passed over. "
                    "The next update expected the jump of the first one and found a nop: BUG.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
