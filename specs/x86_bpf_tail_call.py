"""x86: BPF tail calls, two jumps of one map slot that are patched in an order.

Source: Linux kernel/bpf/arraymap.c, prog_array_map_poke_run(), and arch/x86/net/bpf_jit_comp.c,
bpf_arch_poke_desc_update(); 4b7de801606e (2023). A tail call is a jump over it (bypass), what
unwinds the stack, and a jump to the next program (target). Without a program bypass is there and
target is a NOP; with one, bypass is a NOP and target is there. Each is a text_poke_bp() of its own,
which is modelled as one store and a sync, in one fetch chunk: x86_int3.py has the steps. BPF
programs run in RCU read-side sections. Left out: what lies between the two jumps.

What the verdicts mean: whoever has passed bypass must find target. So target comes first when a
program is installed, and leaves last, after a grace period, when it is removed. A poke that is
skipped without a word is found out by the next one, which meets other bytes than it expects.
"""

from modelcheck import (
    Bug,
    Element,
    Protocol,
    Site,
    Suite,
    Variant,
    block,
    on_each_cpu,
    runs,
    synchronize_rcu,
    violates,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
BYPASS = bytes.fromhex("e9 05 00 00 00")  # over the target
TO_A = bytes.fromhex("e9 e7 57 07 00")
TO_B = bytes.fromhex("e9 1b 2c 0a 00")
ABSENT, PRESENT = runs(5), runs(5, 5)
TEXT = 0xFFFFFFFFA0001000


def poke(label: str, site: Site, data: bytes, at: int, expects: bytes) -> Element:
    return block(
        label,
        write("write", site, data, at=at, order="single", expects=expects),
        on_each_cpu("sync"),
    )


slot = Site("slot", BYPASS + NOP, NOP + TO_A, TEXT, old_runs=ABSENT, new_runs=PRESENT)
install = Protocol(
    "install",
    sites=(slot,),
    program=(poke("target", slot, TO_A, 5, NOP), poke("bypass", slot, NOP, 0, BYPASS)),
    properties=("no-torn-instruction", "no-torn-sequence"),
)

taken = Site("slot", NOP + TO_A, BYPASS + NOP, TEXT, old_runs=PRESENT, new_runs=ABSENT)
remove = Protocol(
    "remove",
    sites=(taken,),
    program=(
        poke("bypass", taken, BYPASS, 0, NOP),
        synchronize_rcu("grace", regions=True),
        poke("target", taken, NOP, 5, TO_A),
    ),
    properties=("no-torn-instruction", "no-torn-sequence"),
)

target = Site("target", NOP, TO_B, TEXT)
update = Protocol(
    "update",
    sites=(target,),
    program=(poke("to A", target, TO_A, 0, NOP), poke("to B", target, TO_B, 0, TO_A)),
    properties=("no-unexpected-bytes",),
)

TORN = violates("no-torn-instruction", "no-torn-sequence")
FETCH = ("coherent", "store-order", "per-chunk")

SUITES = (
    Suite(
        install,
        (Variant("bypass-first", install.swapped("target", "bypass"), TORN),),
        chunk=16,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        remove,
        (
            Variant("target-first", remove.swapped("target", "bypass"), TORN),
            Variant("no-grace", remove.without("grace"), TORN),
            Variant(
                "grace-without-readers",
                remove.replaced("grace", synchronize_rcu("grace")),
                TORN,
            ),
        ),
        chunk=16,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        update,
        (
            Variant(
                "lost-poke",
                update.without("to A"),
                violates("no-unexpected-bytes"),
                bug=Bug(
                    "2023-12",
                    "Linux bpf",
                    "bpf: Fix prog_array_map_poke_run map poke update",
                    "4b7de801606e",
                    "A poke was refused because the program was not yet known to kallsyms, and "
                    "nobody minded. The map said that the site jumps to A; the next poke expected "
                    "that jump, found a NOP, and BUG() was what it did.",
                ),
            ),
        ),
        chunk=16,
        cpus=1,
        fetch=FETCH,
    ),
)
