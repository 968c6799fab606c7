"""User space: a JIT patches a call with membarrier(PRIVATE_EXPEDITED_SYNC_CORE) for its syncs.

Source: membarrier(2); Linux kernel/sched/membarrier.c; a493d1ca1a03 (2020), "x86/membarrier: Get
rid of a dubious optimization". The kernel interrupts the CPUs that run the process now; a thread
that is switched out serialises before it is back in user mode. Plain PRIVATE_EXPEDITED orders
memory accesses, and makes nobody serialise. Left out: registering, and how the trap's handler
finds out what to do.

What the verdicts mean: with SYNC_CORE, user space can run the int3 protocol. With the plain barrier
the CPUs are interrupted, but keep what they had fetched. And where a thread comes back to user mode
by a way that does not serialise, what it had fetched before it was switched out is as good as new.
What the handler of SIGTRAP looks up cannot be withdrawn behind the last membarrier, as the kernel
does in its own trap handlers: a signal handler takes the IPI like all user code, and goes on.
"""

from modelcheck import (
    Block,
    Bug,
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    enter_user,
    execute,
    flush,
    iret,
    leave_user,
    lookup,
    on_each_cpu,
    store,
    violates,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")
INT3 = b"\xcc"

site = Site("jit", NOP, CALL, address=0x7F0000001000)
patching = Cell(
    "patching",
    stays="no membarrier waits for a signal handler that has looked it up: see variant retired",
)


def jit(*, sync_core: bool) -> Protocol:
    def membarrier(label: str) -> Block:
        return on_each_cpu(label, synchronises=sync_core, deferred=True)

    return Protocol(
        "jit",
        sites=(site,),
        cells=(patching,),
        program=(
            store("publish", patching, "jit"),
            write("int3", site, INT3),
            membarrier("membarrier-1"),
            write("tail", site, CALL[1:], at=1, order="single"),
            membarrier("membarrier-2"),
            write("head", site, CALL[:1]),
            membarrier("membarrier-3"),
        ),
        # A signal handler is user code: it takes IPIs.
        handler=Handler(
            INT3,
            (lookup("find", patching), emulate("emulate", patching), iret("sigreturn")),
            interrupts=True,
        ),
        # A thread that is switched out is not interrupted; its syncs are deferred.
        cpu_program=(
            execute("run", site),
            enter_user("switch out"),
            leave_user("switch in"),
            flush("sync_core_before_usermode"),
        ),
        patcher_executes=False,
    )


base = jit(sync_core=True)
STALE = ("store-order", "per-chunk", "incoherent")
TORN = "no-torn-instruction"

SUITES = (
    Suite(
        base,
        (
            Variant("private-expedited", jit(sync_core=False), violates(TORN)),
            Variant(
                "retired",
                base.inserted(store("retire", patching, None), after="membarrier-3"),
                violates("no-unhandled-trap", "no-stale-handler-data"),
            ),
            Variant(
                "no-sync-on-switch",
                base.without("cpu/sync_core_before_usermode"),
                violates(TORN, under=STALE),
                bug=Bug(
                    "2020-12",
                    "Linux x86",
                    "x86/membarrier: Get rid of a dubious optimization",
                    "a493d1ca1a03",
                    "A shortcut took some ways back to user mode for serialising that were not. A "
                    "thread that was switched out during the membarrier could go on with code "
                    "that it had fetched before.",
                ),
            ),
        ),
        cpus=1,
        fetch=("coherent", *STALE),
    ),
)
