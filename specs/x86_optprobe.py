"""x86: an optimised kprobe, a 5-byte jump over several instructions (Linux, arch_optimize_kprobes).

Source: Linux arch/x86/kernel/kprobes/opt.c and kernel/kprobes.c; 5c02ece81848 (2019) puts the
first sync in, f66c0447cca1 (2019) clears the flag after the text. A kprobe puts int3 over the
first instruction, whose handler steps a copy of it and goes on behind it. Later the whole region
becomes a jump to a detour; then a task that was interrupted between the old instructions would go
on in the middle of the jump. So the kernel waits until no task is inside: synchronize_rcu_tasks().
Then text_poke_bp() writes int3 once more, and syncs, though both are there: it knows nothing of the
probe. Left out: several probes, the delayed work, how the detour is made, and that while
text_poke_bp() is at it, its own handler acts as the jump, before that of kprobes is asked.

Held against the logs x86-kprobe-arm-and-optimize-rr, x86-optprobe-unoptimize-rr of tests/logs.

What the verdicts mean: the grace period must begin when every CPU sees int3, because one that does
not can enter the region again; hence a sync first. stop_machine() does not help at all: it stops a
CPU where it is, between two instructions of the region. The second int3 changes nothing, and its
sync is not needed (no-second-int3 is safe): a log of the kernel has both. When a probe is removed,
it is freed after a grace period, which again must begin when nobody sees its int3 any more. (With a
sync there, the grace period is not what drains the handlers, since they run with interrupts off.)
Under fetch model coherent, grace-before-sync is broken by a CPU that is in the middle of a fetch
all the while, which a real grace period would wait for.
"""

from dataclasses import replace

from modelcheck import (
    STRICT_TOO,
    Bug,
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    is_equal,
    lookup,
    on_each_cpu,
    runs,
    stop_machine,
    store,
    synchronize_rcu,
    synchronize_rcu_tasks,
    violates,
    when,
    without_property,
    write,
)

INT3 = b"\xcc"
PUSH_MOV_NOP = bytes.fromhex("55 48 89 e5 90")
JMP = bytes.fromhex("e9 e7 57 07 00")

region = Site(
    "probed",
    PUSH_MOV_NOP,
    JMP,
    address=0xFFFFFFFF81001000,
    old_runs=runs(1, 3, 1),
    new_runs=runs(5),
)
optimized = Cell("optimized", 0)

# A trap runs the detour if the probe is optimised, and otherwise a copy of the first instruction.
handler = Handler(
    INT3,
    (
        when(
            is_equal("optimized?", optimized, 1),
            emulate("detour", instruction="new"),
            otherwise=(emulate("step", instruction="old"),),
        ),
        iret("iret"),
    ),
)

INSIDE = ("no-torn-instruction", "no-torn-sequence")

optimise = Protocol(
    "optimise",
    sites=(region,),
    cells=(optimized,),
    program=(
        write("arm", region, INT3),
        on_each_cpu("sync-1"),
        store("flag", optimized, 1),
        synchronize_rcu_tasks("grace"),
        write("int3", region, INT3),
        on_each_cpu("sync-2"),
        write("tail", region, JMP[1:], at=1),
        on_each_cpu("sync-3"),
        write("head", region, JMP[:1]),
        on_each_cpu("sync-4"),
    ),
    handler=handler,
)

unoptimise = Protocol(
    "unoptimise",
    sites=(
        Site(
            "probed",
            JMP,
            PUSH_MOV_NOP,
            address=0xFFFFFFFF81001000,
            old_runs=runs(5),
            new_runs=runs(1, 3, 1),
        ),
    ),
    cells=(Cell("optimized", 1),),
    program=(
        write("int3", region, INT3),
        on_each_cpu("sync-1"),
        write("tail", region, PUSH_MOV_NOP[1:], at=1),
        on_each_cpu("sync-2"),
        store("clear flag", optimized, 0),
        write("disarm", region, PUSH_MOV_NOP[:1]),
        on_each_cpu("sync-3"),
    ),
    # The detour is the old form of the region here, and to step the first instruction is the new.
    handler=Handler(
        INT3,
        (
            when(
                is_equal("optimized?", optimized, 1),
                emulate("detour", instruction="old"),
                otherwise=(emulate("step", instruction="new"),),
            ),
            iret("iret"),
        ),
    ),
)

# A plain kprobe is removed and freed; its handler steps a copy of the first instruction. The code
# ends as it began.
plain = Site(
    "probed",
    PUSH_MOV_NOP,
    PUSH_MOV_NOP,
    address=0xFFFFFFFF81001000,
    old_runs=runs(1, 3, 1),
    new_runs=runs(1, 3, 1),
)
kprobe = Cell("kprobe", "probe")
step = emulate("step", kprobe, instruction="old")

unregister = Protocol(
    "unregister",
    sites=(plain,),
    cells=(kprobe,),
    program=(
        write("arm", plain, INT3),
        on_each_cpu("sync-1"),
        write("disarm", plain, PUSH_MOV_NOP[:1]),
        on_each_cpu("sync-2"),
        synchronize_rcu("synchronize_rcu"),
        store("free", kprobe, None),
    ),
    handler=Handler(INT3, (lookup("find", kprobe), step, iret("iret"))),
)

no_sync_2 = replace(
    unregister.without("sync-2"),
    waived=(
        without_property(
            "visible-after-return",
            because="the bug was found by the trap that nobody knew, which the missing sync leads "
            "to as well",
        ),
    ),
)

text = stop_machine("stop", write("text", region, JMP, order="single"))

SUITES = (
    Suite(
        optimise,
        (
            Variant(
                "grace-before-sync",
                optimise.moved("grace", before="sync-1").moved("flag", before="grace"),
                violates(*INSIDE),
                bug=Bug(
                    "2019-10",
                    "Linux x86",
                    "x86/kprobes: Fix ordering while text-patching",
                    "5c02ece81848",
                    "Registering wrote int3 without a sync before synchronize_rcu_tasks(). The "
                    "grace period could be over while a CPU had not yet seen the int3: it entered "
                    "the region again, and the tail of the jump was written under it.",
                ),
            ),
            Variant("no-grace", optimise.without("grace"), violates(*INSIDE)),
            Variant("no-second-int3", optimise.without("int3", "sync-2")),
            Variant("flag-late", optimise.moved("flag", after="grace"), violates(*INSIDE)),
            Variant(
                "stop-machine",
                optimise.without(
                    "arm", "sync-1", "flag", "grace", "int3", "sync-2", "tail", "sync-3", "sync-4"
                )
                .replaced("head", text)
                .with_handler(None),
                violates(*INSIDE),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        unoptimise,
        (
            Variant(
                "flag-before-text",
                unoptimise.moved("clear flag", before="int3"),
                violates(*INSIDE),
                bug=Bug(
                    "2019-11",
                    "Linux kprobes",
                    "kprobes: Set unoptimized flag after unoptimizing code",
                    "f66c0447cca1",
                    "The flag was cleared before the bytes were restored. A CPU that hit the int3 "
                    "then stepped the first instruction and went on behind it, where the "
                    "displacement of the jump still was.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        unregister,
        (
            Variant(
                "no-sync-2",
                no_sync_2,
                violates(
                    "no-unhandled-trap", under=("store-order", "per-chunk", "incoherent", "strict")
                ),
                bug=Bug(
                    "2019-10",
                    "Linux x86",
                    "x86/kprobes: Fix ordering while text-patching (unregister)",
                    "5c02ece81848",
                    "The old byte was written back without a sync before synchronize_rcu(). A CPU "
                    "that still saw the int3 then trapped when the grace period was over and the "
                    "probe had been freed.",
                ),
            ),
            Variant("no-grace", unregister.without("synchronize_rcu")),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
)
