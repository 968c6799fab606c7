"""x86: many instructions under breakpoints in one go, as Linux smp_text_poke_batch_finish() does.

Source: Linux arch/x86/kernel/alternative.c as of 6.16: smp_text_poke_batch_finish() and
smp_text_poke_int3_handler(). The array is sorted by address, and the handler searches it by
bisection. A handler uses it only with a reference of its CPU (4334336e769b), taken if the count is
not 0; the patcher drops its own at the end and waits for the others. Syncs 2 and 3 are left out
when no byte needs them. A kprobe's int3 is "foreign": it enters the handler at any time. Left out:
NMIs, the opcodes in the array, perf events. A 2-byte jump label stands for all instructions.
Stores "weak" is weaker than x86: it shows what each barrier is for. Loads are in order, so the
smp_rmb() of the handler is not there.

Held against the logs x86-ftrace-enable-rr, x86-ftrace-disable-rr, x86-ftrace-enable-mttcg-4cpu,
x86-ftrace-disable-mttcg-4cpu, x86-ftrace-with-kprobe-rr, x86-static-key-batch3-rr of tests/logs:
Linux 6.12, so one-count, the protocol of Linux 6.1 to 6.15.

What the verdicts mean: for its own traps sync 3 is enough, since it drains the handlers; the counts
are for foreign traps, which outlast any sync, and for entries that become int3, which have no
sync 3. In two-counts and on-stack a count gives no protection: one is put on another CPU, the other
lies in memory that has another use by then. The smp_wmb() lets a CPU that sees an int3 see its
entry; but a foreign trap sees the array between two stores of it, which in the source of 2019 only
x86 keeps in order, no barrier. One count for all may never come to 0 (one-count violates
patch-completes, and nothing else): each CPU takes a reference for a foreign trap before the other
has put its own. With one for each CPU, a count that is 0 stays so.
"""

from collections.abc import Iterable
from dataclasses import replace

from modelcheck import (
    STRICT_TOO,
    Block,
    Bug,
    Cell,
    Element,
    Handler,
    Patcher,
    Protocol,
    Site,
    Suite,
    Variant,
    add,
    block,
    emulate,
    fence,
    increment_unless_zero,
    iret,
    is_equal,
    lock,
    lookup,
    not_ours,
    on_each_cpu,
    send_ipi,
    store,
    unlock,
    use,
    violates,
    wait_acks,
    wait_until,
    when,
    write,
)

INT3 = b"\xcc"
NOP = bytes.fromhex("66 90")
JMP = bytes.fromhex("eb 10")

foo = Site("foo", NOP, JMP, address=0xFFFFFFFF81001000)
bar = Site("bar", NOP, JMP, address=0xFFFFFFFF81002000)
kprobe = Site("kprobe", INT3, INT3, address=0xFFFFFFFF81003000, foreign=True)

vec = Cell("vec", ())
refs = Cell("refs", 0, per_cpu=True)

BOTH = ("foo", "bar")
HANDLER_DATA = ("no-unhandled-trap", "no-stale-handler-data")
TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")


def patch(sites: Iterable[Site], tag: str = "") -> tuple[Element, ...]:
    """The three passes over an array of entries."""
    sites = tuple(sites)
    return (
        *(write(f"int3 {site.name}{tag}", site, INT3) for site in sites),
        on_each_cpu(f"sync-1{tag}"),
        *(write(f"tail {site.name}{tag}", site, site.new[1:], at=1) for site in sites),
        on_each_cpu(f"sync-2{tag}"),
        *(write(f"head {site.name}{tag}", site, site.new[:1]) for site in sites),
        on_each_cpu(f"sync-3{tag}"),
    )


def finish(sites: Iterable[Site], count: Cell, tag: str = "") -> tuple[Element, ...]:
    """smp_text_poke_batch_finish()."""
    return (
        store(f"open refs{tag}", count, 1),
        fence(f"smp_wmb{tag}"),
        *patch(sites, tag),
        add(f"drop refs{tag}", count, -1),
        wait_until(f"wait for refs{tag}", count, 0),
        store(f"empty{tag}", vec, ()),
    )


def handler(count: Cell, put: Cell) -> Handler:
    """smp_text_poke_int3_handler(); while it bisects the array, that must not change."""
    return Handler(
        INT3,
        (
            when(
                increment_unless_zero("get", count),
                when(
                    lookup("array", vec),
                    when(
                        lookup("find", vec, search=True),
                        emulate("emulate", vec),
                        add("put", put, -1),
                        iret("iret"),
                        otherwise=(use("miss", vec),),
                    ),
                ),
                add("put after miss", put, -1),
                not_ours("not ours"),
                otherwise=(not_ours("no batch"),),
            ),
        ),
    )


batch = Protocol(
    "batch",
    sites=(foo, bar, kprobe),
    cells=(vec, refs),
    program=(store("add", vec, BOTH), *finish((foo, bar), refs)),
    handler=handler(refs, refs),
)

# One byte each, which becomes int3 and stays: nothing to sync for behind the first pass.
to_stay = Site("foo", b"\x90", INT3, address=0xFFFFFFFF81001000, foreign=True)

to_int3 = Protocol(
    "to-int3",
    sites=(to_stay,),
    cells=(vec, refs),
    program=(
        store("add", vec, ("foo",)),
        store("open refs", refs, 1),
        fence("smp_wmb"),
        write("int3 foo", to_stay, INT3),
        on_each_cpu("sync-1"),
        add("drop refs", refs, -1),
        wait_until("wait for refs", refs, 0),
        store("empty", vec, ()),
    ),
    # The opcode of the entry is int3: the handler looks at it and leaves the trap to others.
    handler=Handler(
        INT3,
        (
            when(
                increment_unless_zero("get", refs),
                when(
                    lookup("find", vec, search=True),
                    use("opcode is int3", vec),
                ),
                add("put", refs, -1),
                not_ours("not ours"),
                otherwise=(not_ours("no batch"),),
            ),
        ),
    ),
)

# Linux 5.3: no counts. A foreign trap may be in the handler whenever the array goes away.
nr_entries = Cell("nr_entries", 0)

without_counts = Protocol(
    "without-counts",
    sites=(foo, kprobe),
    cells=(vec, nr_entries),
    program=(
        store("set vec", vec, ("foo",)),
        store("set nr_entries", nr_entries, 1),
        fence("smp_wmb"),
        *patch((foo,)),
        store("clear nr_entries", nr_entries, 0),
        on_each_cpu("sync-4"),
        store("clear vec", vec, ()),
    ),
    handler=Handler(
        INT3,
        (
            when(
                lookup("any entries?", nr_entries),
                when(
                    lookup("load vec", vec),
                    when(
                        lookup("find", vec, search=True),
                        emulate("emulate", vec),
                        iret("iret"),
                        otherwise=(use("miss", vec),),
                    ),
                    otherwise=(use("follow vec", vec),),
                ),
            ),
            not_ours("not ours"),
        ),
    ),
)


def ordered(label: str) -> Block:
    """A sync, whose IPIs come after all stores before: smp_call_function() has a barrier."""
    return block(label, fence("mb"), send_ipi("send"), wait_acks("wait"))


def weakly_ordered() -> Protocol:
    """The same, where stores may overtake each other."""
    base = replace(without_counts, name="barriers", stores="weak", patcher_executes=False)
    for number in (1, 2, 3, 4):
        base = base.replaced(f"sync-{number}", ordered(f"sync-{number}"))
    return base.inserted(fence("vec first"), after="set vec")


barriers = weakly_ordered()

# Linux 5.6 to 6.0: array and count lie on the stack of the patcher, and a pointer leads there.
bp_desc = Cell("bp_desc")
one_count = Cell("refs", 0)

on_stack_handler = Handler(
    INT3,
    (
        when(
            lookup("load bp_desc", bp_desc),
            when(
                increment_unless_zero("get", one_count),
                when(
                    lookup("load vec", vec),
                    when(
                        lookup("find", vec, search=True),
                        emulate("emulate", vec),
                        add("put", one_count, -1),
                        iret("iret"),
                        otherwise=(use("miss", vec),),
                    ),
                    otherwise=(use("follow vec", vec),),
                ),
                add("put after miss", one_count, -1),
            ),
        ),
        not_ours("not ours"),
    ),
)

on_stack = Protocol(
    "on-stack",
    sites=(foo, kprobe),
    cells=(bp_desc, vec, one_count),
    program=(
        store("desc.vec", vec, ("foo",)),
        store("desc.refs", one_count, 1),
        store("set bp_desc", bp_desc, "desc"),
        fence("smp_wmb"),
        *patch((foo,)),
        store("clear bp_desc", bp_desc, None),
        add("drop refs", one_count, -1),
        wait_until("wait for refs", one_count, 0),
        # The function returns; its frame is used for something else.
        store("stack reused: vec", vec, None),
        store("stack reused: refs", one_count, 1),
    ),
    handler=on_stack_handler,
)


# Linux 6.1 to 6.15: one array and one count, neither on a stack, for batches of any size.
def one_count_batch(*sites: Site) -> Suite:
    ours = tuple(site for site in sites if not site.foreign)
    protocol = Protocol(
        "one-count",
        sites=sites,
        cells=(vec, one_count),
        program=(
            store("add", vec, tuple(site.name for site in ours)),
            *finish(ours, one_count),
        ),
        handler=handler(one_count, one_count),
    )
    return Suite(
        protocol,
        (
            Variant("no-sync-1", protocol.without("sync-1"), TEARS),
            Variant("no-sync-2", protocol.without("sync-2"), LATE_TEARS | HELD_UP),
            Variant("no-sync-3", protocol.without("sync-3"), DATA),
            Variant("no-wait", protocol.without("wait for refs"), DATA),
            Variant("open-late", protocol.moved("open refs", after=f"int3 {ours[-1].name}"), DATA),
        ),
        expect=HELD_UP,
        cpus=1,
        fetch=STRICT_TOO,
        family=one_count_batch,
    )


# Two users of one array. Jump labels take text_mutex for each entry that they queue, and again to
# finish, so another user can come in between with a single request.
text_mutex = Cell("text_mutex", 0)
queued = is_equal("bar queued?", vec, ("bar",))


def two_users(*single: Element) -> Protocol:
    return Protocol(
        "two-users",
        sites=(foo, bar),
        cells=(vec, refs, text_mutex),
        program=(
            lock("lock to queue", text_mutex),
            store("queue bar", vec, ("bar",)),
            unlock("unlock queued", text_mutex),
            lock("lock to finish", text_mutex),
            when(is_equal("still queued?", vec, ("bar",)), *finish((bar,), refs, " (queue)")),
            unlock("unlock finished", text_mutex),
        ),
        patchers=(
            Patcher(
                "single",
                (lock("lock single", text_mutex), *single, unlock("unlock single", text_mutex)),
            ),
        ),
        handler=handler(refs, refs),
        patcher_executes=False,
    )


foo_alone = (store("add foo", vec, ("foo",)), *finish((foo,), refs, " (single)"))

checking = two_users(when(queued, *finish((bar,), refs, " (flush)")), *foo_alone)

unchecked = two_users(
    when(
        queued,
        store("append foo", vec, ("bar", "foo")),
        *finish((bar, foo), refs, " (both)"),
        otherwise=foo_alone,
    )
)

# CPU 0 is a program here, in the handler for a kprobe's int3, so that it can put its reference to
# the count of another CPU: that is what it would do if it could migrate in between.
cpu0_refs = Cell("cpu0_refs", 0)


def migrating(put: Cell) -> Protocol:
    return Protocol(
        "two-counts",
        sites=(foo,),
        cells=(vec, refs, cpu0_refs),
        program=(
            store("add", vec, ("foo",)),
            store("open cpu0_refs", cpu0_refs, 1),
            *finish((foo,), refs)[:-1],
            add("drop cpu0_refs", cpu0_refs, -1),
            wait_until("wait for cpu0_refs", cpu0_refs, 0),
            store("empty", vec, ()),
        ),
        patchers=(
            Patcher(
                "cpu0_handler",
                (when(increment_unless_zero("get", cpu0_refs), add("put", put, -1)),),
            ),
        ),
        handler=handler(refs, refs),
        patcher_executes=False,
    )


two_counts = migrating(cpu0_refs)

TEARS = violates(TORN, under=RELAXED, split=True) | violates(TORN, UNPERMITTED, under=("strict",))
LATE_TEARS = violates(
    TORN, under=("coherent-any-order", "per-chunk", "incoherent"), split=True
) | violates(TORN, UNPERMITTED, under=("strict",))
DATA = violates(*HANDLER_DATA)
HELD_UP = violates("patch-completes")
FETCH = ("coherent", "per-chunk")
"""Enough where only the handler's data can go wrong."""

SUITES = (
    Suite(
        batch,
        (
            Variant("no-sync-1", batch.without("sync-1"), TEARS),
            Variant("no-sync-2", batch.without("sync-2"), LATE_TEARS),
            Variant("no-sync-3", batch.without("sync-3"), DATA),
            Variant("no-wait", batch.without("wait for refs"), DATA),
            Variant("open-late", batch.moved("open refs", after="int3 bar"), DATA),
            Variant("unsorted", batch.replaced("add", store("add", vec, ("bar", "foo"))), DATA),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    one_count_batch(foo, kprobe),
    Suite(two_counts, (Variant("put-elsewhere", migrating(refs), DATA),), cpus=1, fetch=FETCH),
    Suite(
        barriers,
        (
            Variant("no-wmb", barriers.without("smp_wmb"), DATA),
            Variant("no-barrier-between", barriers.without("vec first"), DATA),
        ),
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        to_int3,
        (Variant("no-wait", to_int3.without("wait for refs"), DATA),),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        checking,
        (
            Variant(
                "single-unchecked",
                unchecked,
                DATA,
                bug=Bug(
                    "2025-06",
                    "Linux x86",
                    "x86/alternatives: Fix int3 handling failure from broken text_poke array",
                    "2aebf5ee43bf",
                    "A single request was appended to the array without a look at the order, while "
                    "entries of another user were queued there. The array was no longer sorted, "
                    "the search by bisection missed an entry whose int3 was live, and the kernel "
                    "died of it.",
                ),
            ),
        ),
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        without_counts,
        (
            Variant("no-sync-4", without_counts.without("sync-4"), DATA),
            Variant(
                "entries-first",
                without_counts.without("sync-4").moved("clear vec", before="clear nr_entries"),
                DATA,
                bug=Bug(
                    "2019-11",
                    "Linux x86",
                    "x86/alternatives: Sync bp_patching update for avoiding NULL pointer exception",
                    "285a54efe386",
                    "The array was cleared before the number of its entries, and nothing kept a "
                    "handler from being between. A kprobe's int3 read a number that was not 0, and "
                    "then followed a null pointer.",
                ),
            ),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(
        on_stack,
        expect=DATA,
        cpus=1,
        bug=Bug(
            "2022-09",
            "Linux x86",
            "x86/alternative: Fix race in try_get_desc()",
            "efd608fa7403",
            "The descriptor lay on the patcher's stack. A kprobe's int3 loaded the pointer to it; "
            "the patcher finished, and its stack was used again; the handler found a count there "
            "that was not 0, took it for a reference, and followed a wild pointer.",
        ),
        fetch=STRICT_TOO,
    ),
)
