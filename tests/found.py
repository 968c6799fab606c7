"""Protocols on which a comparison has once failed, each the smallest: a machine, its axioms or an
abstraction was wrong of it. Tests of random protocols try these first; see `compared`.
"""

from dataclasses import replace

from modelcheck import (
    Cell,
    Handler,
    Patcher,
    Protocol,
    Site,
    add,
    emulate,
    fence,
    iret,
    lock,
    on_each_cpu,
    runs,
    stop_machine,
    store,
    wait_until,
    write,
)

PAIR = Site("a", b"\x10\x11", b"\x20\x21")
TWO_RUNS = replace(PAIR, old_runs=runs(1, 1), new_runs=runs(1, 1))
SECOND_SHARED = replace(TWO_RUNS, new=b"\x20\x11")
COUNT, LOCK, DATA = Cell("count", 0), Cell("lock", 0), Cell("data")
RETURNS = (iret("iret"),)
ALL_NEW = write("new", PAIR, PAIR.new)
TWO_STOPS = Protocol(
    "found",
    (PAIR,),
    (stop_machine("one", ALL_NEW),),
    patchers=(Patcher("other", (stop_machine("two"),)),),
)

FOUND = {
    "a trap longer than the instructions of a region": Protocol(
        "found", (TWO_RUNS,), (write("w", PAIR, b"\xcd\x03"),), Handler(b"\xcd\x03", RETURNS)
    ),
    "what old and new share is emulated": Protocol(
        "found",
        (SECOND_SHARED,),
        (write("new", PAIR, b"\x20"), write("trap", PAIR, b"\xcc", at=1)),
        Handler(b"\xcc", (emulate("act"), *RETURNS)),
    ),
    "a patcher expects what it has just written": Protocol(
        "found",
        (PAIR,),
        (write("one", PAIR, b"\x33"), write("two", PAIR, b"\x44", expects=b"\x33")),
        stores="weak",
    ),
    "a lock does not overtake a store to it": Protocol(
        "found",
        (PAIR,),
        (store("free", LOCK, 0), lock("take", LOCK), wait_until("is free", LOCK, 0)),
        cells=(LOCK,),
        stores="weak",
    ),
    "a counter is asked for three": Protocol(
        "found",
        (PAIR,),
        (add("add", COUNT, 3), wait_until("three", COUNT, 3), ALL_NEW),
        cells=(COUNT,),
    ),
    "two programs stop the machine at once": TWO_STOPS,
    "a stop is never let go, and another is asked for": TWO_STOPS.without(
        "one/release", "other/two/release"
    ),
    "a stop comes before all have left the last": Protocol(
        "found", (PAIR,), (ALL_NEW, stop_machine("one"), stop_machine("two"))
    ),
    "a program waits for a stop that nobody has asked for": Protocol(
        "found", (PAIR,), (stop_machine("one", ALL_NEW),)
    ).without("one/stop"),
    "a weak store of the first byte overtakes that of the second": Protocol(
        "found",
        (PAIR,),
        (
            write("trap", PAIR, b"\xcc"),
            fence("fence"),
            on_each_cpu("sync"),
            write("tail", PAIR, PAIR.new[1:], at=1),
            write("head", PAIR, PAIR.new[:1]),
        ),
        Handler(b"\xcc", RETURNS),
        stores="weak",
    ),
    "many but one may be many": Protocol(
        "found",
        (PAIR,),
        (
            store("three", COUNT, 3),
            add("four", COUNT),
            add("three again", COUNT, -1),
            add("six", COUNT, 3),
            add("five", COUNT, -1),
            store("at five", DATA, "a"),
        ),
        cells=(COUNT, DATA),
    ),
}
