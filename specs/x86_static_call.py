"""x86: static calls, whose sites are a call, a jump, a nop or a return, always of five bytes.

Source: Linux arch/x86/kernel/static_call.c, __static_call_transform(), with text_poke_bp(). A tail
call of no function is a return, padded with int3 to the length of the jump that it may become; a
call of a function that returns 0 is "xor %eax,%eax", with three prefixes to make it five bytes.
Peter Zijlstra says why in the thread on static_cond_call(), 25 March 2020 (Message-ID
20200325181339.GK20713@hirez.programming.kicks-ass.net), where "xor; ret" was proposed. Left out:
conditional tail calls, retpolines.

What the verdicts mean: text_poke_bp() replaces one instruction by one. Of two, "xor; ret", the
second is where a task may be preempted: it goes on one byte into the displacement of the jump. The
breakpoint does not help, but a grace period behind it does, as for optimised kprobes. The padding
of a single return has no such job: a bare one is as safe, whatever is behind it, as long as nobody
runs that. If it is code that others branch to, not even a grace period helps.
"""

from modelcheck import (
    STRICT_TOO,
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
XOR = bytes.fromhex("2e 2e 2e 31 c0")
XOR_RET = bytes.fromhex("31 c0 c3 cc cc")

ADDRESS = 0xFFFFFFFF81001000
poke = Cell("poke")


def one(old: bytes, new: bytes) -> Site:
    return Site("site", old, new, ADDRESS, undecoded="RET is taken as one with what is behind it")


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
    )


def waiting(protocol: Protocol) -> Protocol:
    """With a grace period once nobody can enter by the first byte any more."""
    return protocol.inserted(synchronize_rcu_tasks("grace"), after="sync-1")


ret_to_jmp = static_call_update("ret-to-jmp", one(RET, JMP))
jmp_to_ret = static_call_update("jmp-to-ret", one(JMP, RET))
call_to_call = static_call_update("call-to-call", one(CALL, OTHER_CALL))
call_to_nop = static_call_update("call-to-nop", one(CALL, NOP))
xor_to_call = static_call_update("xor-to-call", one(XOR, CALL))

xor_ret = static_call_update(
    "xor-ret", Site("site", XOR_RET, JMP, ADDRESS, old_runs=runs(2, 1), new_runs=runs(5))
)
bare_ret = static_call_update("bare-ret", one(BARE_RET, JMP))

# Behind the return: push %rbp; mov %rsp,%rbp, which others branch to.
behind = Form("code behind", BARE_RET, runs(1, 3, start=1))
shared = static_call_update(
    "shared", Site("site", BARE_RET, JMP, ADDRESS, runs(1), runs(5), (behind,), (0, 1))
)

INSIDE = violates("no-torn-instruction", "no-torn-sequence")

SUITES = (
    Suite(
        ret_to_jmp,
        (
            Variant(
                "xor-ret",
                xor_ret,
                INSIDE,
                bug=Bug(
                    "2020-03",
                    "Linux x86",
                    "static_call: xor and ret in the slot of a tail call (found in review)",
                    "20200325181339.GK20713@hirez.programming.kicks-ass.net",
                    "A conditional tail call of no function was to return 0: xor, ret. A task is "
                    "preempted between the two; the site becomes a jump, and the task reads "
                    "garbage from its displacement instead of the ret.",
                ),
            ),
            Variant("xor-ret-grace", waiting(xor_ret)),
            Variant("bare-ret", bare_ret),
            Variant("bare-ret-before-code", shared, INSIDE),
            Variant("bare-ret-before-code-grace", waiting(shared), INSIDE),
        ),
        cpus=1,
        fetch=STRICT_TOO,
    ),
    Suite(jmp_to_ret, cpus=1, fetch=STRICT_TOO),
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
        fetch=STRICT_TOO,
    ),
    Suite(call_to_nop, cpus=1, fetch=STRICT_TOO),
    Suite(xor_to_call, cpus=1, fetch=STRICT_TOO),
)
