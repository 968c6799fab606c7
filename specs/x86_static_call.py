"""x86: static calls, whose sites are a call, a jump, a nop or a return, always of five bytes.

Source: Linux arch/x86/kernel/static_call.c, __static_call_transform(), with text_poke_bp(). A tail
call of no function is a return, padded with int3 to five bytes, so that it is as long as the jump
that it may become. Left out: conditional tail calls, xor for a function that returns 0, retpolines.

What the verdicts mean: text_poke_bp() replaces one instruction by one of the same length. A bare
return is one byte: behind it begins other code, where a task may be, or come to by a branch. A jump
of five bytes then tears that code, and neither the breakpoint, which is one byte before, nor a
grace period keeps anybody from entering it. As long as nobody ever runs what is behind the return,
its bytes do not matter, and the padding could be anything. (Peter Zijlstra, in the thread on static
calls, gives both ways out: five bytes for the return, or synchronize_rcu_tasks(); the second helps
only where no new task gets there, see "bare-ret-grace".)
"""

from modelcheck import (
    Bug,
    Cell,
    Form,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    runs,
    skip,
    store,
    synchronize_rcu_tasks,
    violates,
    write,
)

INT3 = b"\xcc"
CALL = bytes.fromhex("e8 e7 57 07 00")
OTHER_CALL = bytes.fromhex("e8 1b 2c 0a 00")
NOP = bytes.fromhex("0f 1f 44 00 00")
JMP = bytes.fromhex("e9 e7 57 07 00")
RET = bytes.fromhex("c3 cc cc cc cc")
BARE_RET = bytes.fromhex("c3 55 48 89 e5")

poke = Cell("poke")


def one(old: bytes, new: bytes) -> Site:
    return Site("site", old, new, address=0xFFFFFFFF81001000)


def static_call_update(name: str, site: Site) -> Protocol:
    return Protocol(
        name,
        sites=(site,),
        cells=(poke,),
        program=(
            store("publish", poke, "site"),
            write("int3", site, INT3),
            on_each_cpu("sync-1"),
            write("tail", site, site.new[1:], at=1),
            on_each_cpu("sync-2"),
            write("head", site, site.new[:1]),
            on_each_cpu("sync-3"),
            store("retire", poke, None),
        ),
        handler=Handler(INT3, (lookup("find", poke), emulate("emulate", poke), iret("iret"))),
        properties=(
            "no-torn-instruction",
            "no-unhandled-trap",
            "no-stale-handler-data",
            "effect-is-old-or-new",
            *(("no-torn-sequence",) if site.is_region else ()),
        ),
    )


ret_to_jmp = static_call_update("ret-to-jmp", one(RET, JMP))
jmp_to_ret = static_call_update("jmp-to-ret", one(JMP, RET))
call_to_call = static_call_update("call-to-call", one(CALL, OTHER_CALL))
call_to_nop = static_call_update("call-to-nop", one(CALL, NOP))

# ret, and behind it push %rbp; mov %rsp,%rbp, which others branch to.
behind = Form("code behind", BARE_RET, runs(1, 3, start=1))
alone = one(BARE_RET, JMP)
reachable = Site("site", BARE_RET, JMP, 0xFFFFFFFF81001000, runs(1), runs(5), (behind,), (0, 1))

bare = static_call_update("bare-ret", reachable)
inside = violates("no-torn-instruction", "no-torn-sequence")

SUITES = (
    Suite(
        ret_to_jmp,
        (
            Variant(
                "bare-ret",
                bare,
                inside,
                bug=Bug(
                    "2020",
                    "Linux x86",
                    "static_call: a return of one byte, or of five",
                    "Peter Zijlstra, thread on static calls (found in review)",
                    "A site that is a return of one byte becomes a jump of five. A task that was "
                    "preempted behind the return goes on in the displacement of the jump.",
                ),
            ),
            Variant(
                "bare-ret-grace",
                bare.inserted(synchronize_rcu_tasks("grace"), after="sync-1"),
                inside,
            ),
            Variant("bare-ret-nobody-behind", static_call_update("alone", alone)),
        ),
        cpus=1,
    ),
    Suite(jmp_to_ret, cpus=1),
    Suite(
        call_to_call,
        (
            Variant(
                "skip",
                call_to_call.with_handler(
                    Handler(INT3, (lookup("find", poke), skip("skip"), iret("iret")))
                ),
                violates("effect-is-old-or-new"),
            ),
        ),
        cpus=1,
    ),
    Suite(call_to_nop, cpus=1),
)
