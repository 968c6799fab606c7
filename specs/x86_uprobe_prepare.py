"""x86: uprobes, and two tasks that register the same probe at once.

Source: Linux kernel/events/uprobes.c, prepare_uprobe(); 4710f05fd146 (2012), "uprobes: Fix
prepare_uprobe() race with itself". The original instruction is copied, analysed and fixed up, to be
executed out of line; then int3 is written over it. The second task copied it again, over what was
fixed up already, while a third one had trapped and was to use that. Left out: the page, and how
tasks find the probe.

What the verdicts mean: the breakpoint is the new instruction, and it stays. What the handler needs
must be there before the first int3, and nobody may take it away for a moment after that.
"""

from modelcheck import (
    Bug,
    Cell,
    Element,
    Handler,
    Patcher,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    is_equal,
    lock,
    lookup,
    on_each_cpu,
    store,
    unlock,
    violates,
    when,
    write,
)

PUSH, INT3 = b"\x53", b"\xcc"

site = Site("probed", PUSH, INT3, 0x401000)
insn = Cell("arch.insn", stays="the probe is armed, and needs what it executes out of line")
mutex = Cell("copy_mutex", 0)
copied = Cell("UPROBE_COPY_INSN", 0)

prepare = (store("copy_insn", insn, None), store("analyze_insn", insn, "fixed up"))


def register(*prepared: Element) -> tuple[Element, ...]:
    return (*prepared, write("install", site, INT3), on_each_cpu("sync"))


def two_tasks(name: str, *prepared: Element) -> Protocol:
    return Protocol(
        name,
        sites=(site,),
        cells=(insn, mutex, copied),
        program=register(*prepared),
        patchers=(Patcher("other", register(*prepared)),),
        handler=Handler(
            INT3,
            (
                lookup("arch.insn", insn),
                emulate("out of line", insn, instruction="old"),
                iret("iret"),
            ),
        ),
        patcher_executes=False,
    )


once = two_tasks(
    "prepare-once",
    lock("mutex_lock", mutex),
    when(
        is_equal("copied?", copied, 0),
        *prepare,
        store("set flag", copied, 1),
    ),
    unlock("mutex_unlock", mutex),
)

SUITES = (
    Suite(
        once,
        (
            Variant(
                "as-raced",
                two_tasks("as-raced", *prepare),
                violates("no-unhandled-trap", "no-stale-handler-data"),
                bug=Bug(
                    "2012-09",
                    "Linux uprobes",
                    "uprobes: Fix prepare_uprobe() race with itself",
                    "4710f05fd146",
                    "Two tasks prepared one probe at once. The second copied the instruction over "
                    "the one that was analysed and fixed up, when others could hit it already.",
                ),
            ),
            Variant(
                "flag-first",
                once.moved("copied?/set flag", before="copied?/copy_insn").moved(
                    "mutex_unlock", before="copied?"
                ),
                violates("no-unhandled-trap", "no-stale-handler-data"),
            ),
        ),
        cpus=1,
    ),
)
