"""x86: what the call sites of ftrace lead to, and when that may be changed, or freed.

Source: Linux kernel/trace/ftrace.c. A site calls a trampoline. That loads whom to call from
ftrace_trace_function: one tracer, or ftrace_ops_list_func(), which asks each tracer whether it
wants this function. 59338f754a55 (2013), "ftrace: Fix a slight race in modifying what function
callback gets traced": with one tracer left, which wants g alone, it is called directly only after
the site of f, which another one wanted, is a nop. 12cce594fa8f (2014) and 0598e4f08e3d (2017),
"ftrace: Add use of synchronize_rcu_tasks() with dynamic trampolines": a trampoline of one's own is
freed when nobody calls it any more; a task may be preempted in it. Left out: the handler's table.

What the verdicts mean: a call leads to the trampoline, a nop to nobody, whichever of them is old.
The fix of 2013 narrows the race: a task that had called the trampoline before may still load the
pointer after, unless a grace period lies between. And a trampoline may be freed only behind one.
"""

from modelcheck import (
    Block,
    Bug,
    Callee,
    Cell,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    block,
    emulate,
    iret,
    is_equal,
    lookup,
    not_ours,
    on_each_cpu,
    ret,
    store,
    synchronize_rcu_tasks,
    use,
    violates,
    when,
    write,
)

INT3 = b"\xcc"
CALL = bytes.fromhex("e8 e7 57 07 00")
NOP = bytes.fromhex("0f 1f 44 00 00")

handler = Handler(INT3, (emulate("emulate"), iret("iret")))


def text_poke(site: Site) -> Block:
    return block(
        f"text_poke {site.name}",
        write(f"int3 {site.name}", site, INT3),
        on_each_cpu("sync-1"),
        write(f"tail {site.name}", site, site.new[1:], at=1),
        on_each_cpu("sync-2"),
        write(f"head {site.name}", site, site.new[:1]),
        on_each_cpu("sync-3"),
    )


# One tracer is left, and it wants g, not f.

f = Site("f", CALL, NOP, 0xFFFFFFFF81001000)
g = Site("g", CALL, CALL, 0xFFFFFFFF81002000)
func = Cell("ftrace_trace_function", "list")
WRONG = when(
    is_equal("whose tracer", func, "tracer of g"),
    not_ours("traces what it did not ask for"),
    otherwise=(ret("return"),),
)

list_until_done = Protocol(
    "direct-when-done",
    sites=(f, g),
    cells=(func,),
    program=(
        text_poke(f),
        synchronize_rcu_tasks("synchronize_rcu_tasks"),
        store("direct", func, "tracer of g"),
    ),
    handler=handler,
    callees=(
        Callee("trampoline from f", (WRONG,), site="f"),
        Callee("trampoline from g", (ret("return"),), site="g"),
    ),
    patcher_executes=False,
)

# The last caller of a trampoline is gone.

called = Site("called", CALL, NOP, 0xFFFFFFFF81001000)
page = Cell("trampoline", "page")

freed = Protocol(
    "trampoline-freed",
    sites=(called,),
    cells=(page,),
    program=(
        text_poke(called),
        synchronize_rcu_tasks("synchronize_rcu_tasks"),
        store("free", page, None),
    ),
    handler=handler,
    callee=(lookup("enter", page), use("go on", page), ret("return")),
    patcher_executes=False,
)

# A trampoline takes the place of another: each call has its own.

moved = Site("called", CALL, bytes.fromhex("e8 1b 2c 0a 00"), 0xFFFFFFFF81001000)
first, second = Cell("first trampoline", "page"), Cell("second trampoline")

exchanged = Protocol(
    "trampoline-exchanged",
    sites=(moved,),
    cells=(first, second),
    program=(
        store("fill second", second, "page"),
        text_poke(moved),
        synchronize_rcu_tasks("synchronize_rcu_tasks"),
        store("free first", first, None),
    ),
    handler=handler,
    callees=(
        Callee(
            "the first", (lookup("enter", first), use("go on", first), ret("return")), form="old"
        ),
        Callee("the second", (lookup("enter", second), ret("return")), form="new"),
    ),
    patcher_executes=False,
)

FREED = violates("no-stale-handler-data", "no-unhandled-trap")

SUITES = (
    Suite(
        list_until_done,
        (
            Variant(
                "direct-first",
                list_until_done.moved("direct", before="text_poke f"),
                violates("no-unhandled-trap"),
                bug=Bug(
                    "2013-08",
                    "Linux ftrace",
                    "ftrace: Fix a slight race in modifying what function callback gets traced",
                    "59338f754a55",
                    "Of two tracers, with a function each, one went. The other was called directly "
                    "from then on, while the function of the first still called the trampoline.",
                ),
            ),
            Variant(
                "as-mended",
                list_until_done.without("synchronize_rcu_tasks"),
                violates("no-unhandled-trap"),
            ),
        ),
        cpus=1,
    ),
    Suite(
        freed,
        (
            Variant(
                "no-grace",
                freed.without("synchronize_rcu_tasks"),
                FREED,
                bug=Bug(
                    "2017-04",
                    "Linux ftrace",
                    "ftrace: Add use of synchronize_rcu_tasks() with dynamic trampolines",
                    "0598e4f08e3d",
                    "Before, trampolines of a tracer's own could be had only where no task is "
                    "preempted: one that is, in a trampoline, returns to what was freed.",
                ),
            ),
            Variant(
                "grace-before-nop",
                freed.moved("synchronize_rcu_tasks", before="text_poke called"),
                FREED,
            ),
        ),
        cpus=1,
    ),
    Suite(
        exchanged,
        (
            Variant("no-grace", exchanged.without("synchronize_rcu_tasks"), FREED),
            Variant(
                "filled-late",
                exchanged.moved("fill second", after="text_poke called"),
                violates("no-unhandled-trap"),
            ),
        ),
        cpus=1,
    ),
)
