"""A breakpoint that is to stop everybody, and what becomes of it while one thread steps over it.

Source: llvm/llvm-project issues 174264 and 180101 (2026), on stepping over a breakpoint while other
threads run; Xen 9bb1865cca15 (2016), "x86/vm_event: allow overwriting Xen's i-cache used for
emulation". A debugger, or a monitor of virtual machines, puts int3 in the place of an instruction.
Who has trapped is to execute that instruction, too: either the trap is taken out, one thread steps,
and the trap is put back; or what it has replaced is executed elsewhere, or emulated. Left out: what
is done with the hit.

What the verdicts mean: the breakpoint is the new instruction. Who has trapped once is not to pass
without (per-cpu-monotone), and when it is set, nobody is (visible-after-return). To take the trap
out lets all others by, unless they stand still. Under the model incoherent CPUs are free to go back
to older code, so that it is not asked for here.
"""

from modelcheck import (
    Bug,
    Cell,
    Handler,
    Patcher,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    on_each_cpu,
    stop_machine,
    store,
    violates,
    wait_until,
    write,
)

PUSH, INT3 = b"\x55", b"\xcc"

site = Site("function", PUSH, INT3, 0x401000)
set_it = (write("insert", site, INT3), on_each_cpu("stop reply"))
take_out, put_back = write("remove", site, PUSH), write("reinsert", site, INT3)

displaced = Protocol(
    "breakpoint",
    sites=(site,),
    program=set_it,
    handler=Handler(INT3, (emulate("displaced step", instruction="old"), iret("resume"))),
    patcher_executes=False,
)
stepped = displaced.inserted(
    take_out, put_back, on_each_cpu("all have resumed"), after="stop reply"
)
alone = displaced.inserted(stop_machine("all stop", take_out, put_back), after="stop reply")

# A monitor takes the trap out when a virtual CPU has hit it.
event = Cell("vm_event", 0)
step = (wait_until("resumed", event, 2), emulate("step", instruction="old"), iret("run"))
monitored = Protocol(
    "vm-event",
    sites=(site,),
    cells=(event,),
    program=set_it,
    patchers=(
        Patcher(
            "monitor",
            (
                wait_until("hit", event, 1),
                take_out,
                on_each_cpu("pause and resume"),
                store("let it step", event, 2),
                put_back,
            ),
        ),
    ),
    handler=Handler(INT3, (store("hit", event, 1), *step), interrupts=True),
    patcher_executes=False,
)
emulated = monitored.without("monitor/remove", "monitor/pause and resume", "monitor/reinsert")

MISSED = violates("per-cpu-monotone", "visible-after-return")
X86 = ("coherent", "store-order", "per-chunk")

SUITES = (
    Suite(
        displaced,
        (
            Variant(
                "remove-and-reinsert",
                stepped,
                MISSED,
                bug=Bug(
                    "2026",
                    "LLDB",
                    "Stepping over a breakpoint lets other threads pass it",
                    "llvm/llvm-project issues 174264, 180101",
                    "To step one thread over a breakpoint, the trap was taken out while other "
                    "threads ran on. They went by without a hit.",
                ),
            ),
            Variant("others-stopped", alone),
        ),
        cpus=1,
        fetch=X86,
    ),
    Suite(
        emulated,
        (
            Variant(
                "remove-step-restore",
                monitored,
                MISSED,
                bug=Bug(
                    "2016",
                    "Xen",
                    "x86/vm_event: allow overwriting Xen's i-cache used for emulation",
                    "9bb1865cca15",
                    "A monitor took its breakpoint out for one virtual CPU's single step; another "
                    "one ran by. Since then the original instruction can be emulated instead.",
                ),
            ),
        ),
        cpus=2,
        fetch=X86,
    ),
)
