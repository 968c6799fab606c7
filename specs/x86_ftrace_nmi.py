"""x86: ftrace under stop_machine(), as it was in 2008, and NMIs, which nothing stops.

Source: 17666f02b118 (2008), "ftrace: nmi safe code modification"; Linux arch/x86/kernel/ftrace.c,
ftrace_nmi_enter() and do_ftrace_mod_code(). All CPUs stand still with interrupts off while a site
is written; an NMI comes all the same, and runs functions that are traced. So the patcher says what
it is about to write, waits for the NMIs under way, and writes; an NMI that comes meanwhile writes
the same bytes first. Left out: what is to be written and where, as data.

What the verdicts mean: with all CPUs stopped and interrupts off, NMIs alone run a half-written
site. To write the bytes first helps on a CPU that fetches what is in memory. One that may still
have older bytes must be serialised before it runs them: nothing promises that an NMI does that when
it comes.
"""

from modelcheck import (
    Bug,
    Cell,
    Protocol,
    Site,
    Suite,
    Variant,
    add,
    execute,
    is_equal,
    stop_machine,
    store,
    sync_core,
    violates,
    wait_until,
    when,
    write,
)

NOP = bytes.fromhex("0f 1f 44 00 00")
CALL = bytes.fromhex("e8 e7 57 07 00")

site = Site("traced", NOP, CALL, 0xFFFFFFFF81001000)
running = Cell("nmi_running", 0)
writing = Cell("mod_code_write", 0)

mended = Protocol(
    "nmis-write-first",
    sites=(site,),
    cells=(running, writing),
    program=(
        stop_machine(
            "kstop_machine",
            store("say so", writing, 1),
            wait_until("wait_for_nmi", running, 0),
            write("patch", site, CALL),
            store("say it is done", writing, 0),
            wait_until("wait_for_nmi again", running, 0),
        ),
    ),
    nmi=(
        add("nmi_enter", running),
        when(is_equal("mod_code_write", writing, 1), write("write first", site, CALL)),
        sync_core("sync_core"),
        execute("traced function", site),
        add("nmi_exit", running, -1),
    ),
    patcher_executes=False,
)

TORN = "no-torn-instruction"
WRITTEN_FIRST = "who runs the site has written all of it before: that is what is mended"
STALE = ("store-order", "per-chunk", "incoherent")

SUITES = (
    Suite(
        mended,
        (
            Variant(
                "stop-alone",
                mended.without(
                    "kstop_machine/say so",
                    "kstop_machine/wait_for_nmi",
                    "kstop_machine/say it is done",
                    "kstop_machine/wait_for_nmi again",
                    "nmi/nmi_enter",
                    "nmi/mod_code_write",
                    "nmi/nmi_exit",
                ),
                violates(TORN),
                bug=Bug(
                    "2008-10",
                    "Linux x86",
                    "ftrace: nmi safe code modification",
                    "17666f02b118",
                    "Calls of the tracer were written while all CPUs stood still. NMIs came all "
                    "the same, ran what was half written, and machines that were profiled crashed.",
                ),
            ),
            Variant(
                "no-nmi",
                mended.without(
                    "nmi/nmi_enter",
                    "nmi/mod_code_write",
                    "nmi/sync_core",
                    "nmi/traced function",
                    "nmi/nmi_exit",
                ),
            ),
            Variant("no-wait", mended.without("kstop_machine/wait_for_nmi"), violates(TORN)),
            Variant(
                "no-sync",
                mended.without("nmi/sync_core"),
                violates(TORN, under=STALE),
                vacuous=WRITTEN_FIRST,
            ),
        ),
        cpus=1,
        vacuous=WRITTEN_FIRST,
    ),
)
