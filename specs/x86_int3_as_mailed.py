"""x86: the breakpoint protocol with the bytes exactly as a mail typed them.

On 21 March 2024, in the thread "[RFC PATCH] riscv: Implement HAVE_DYNAMIC_FTRACE_WITH_CALL_OPS",
Steven Rostedt explains to riscv developers how x86 patches a call site
(Message-ID 20240321160246.2e28cf9d@gandalf.local.home). His five states of memory are

    0f 1f 44 00 00   nop
    e8 e7 57 07 00   call ftrace_caller, which it is to become
    cc 17 44 00 00   "first add a breakpoint", then an IPI to all CPUs
    cc e7 57 07 00   "the rest of the instruction", then another IPI
    e8 e7 57 07 00   and the breakpoint is gone

The third line has 17 where the nop has 1f, twice in the mail; 1f was surely meant, since a
breakpoint replaces one byte. But what if one did as typed, and stored all five bytes?

What the verdicts mean: it tears. The store that sets the breakpoint then changes byte 1 as well,
before any IPI, so a CPU that has fetched the old 0f can go on with 17 and execute 0f 17 44 00 00,
which is movhps [rax+rax], xmm0: it writes eight bytes to wherever rax points. No later IPI helps,
and it makes no difference whether the five bytes are written one by one or in one store. Only a
fetch that takes bytes 0 and 1 in one atomic chunk is safe from it (try --chunk 2, and then
--chunk 2 --offset 1). With 1f, as meant, the
two IPIs of the mail suffice: its handler needs no data that is ever withdrawn, so it also does
without the third IPI that text_poke_bp() sends, if it is no matter when the others come to run the
call: without one, they may do so as late as they like. One typo of two bits is all of the
difference between a protocol that is proved safe and one that corrupts memory.
"""

from modelcheck import (
    STRICT_TOO,
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    emulate,
    iret,
    on_each_cpu,
    violates,
    without_property,
    write,
)

site = Site(
    "foo",
    old=bytes.fromhex("0f 1f 44 00 00"),
    new=bytes.fromhex("e8 e7 57 07 00"),
    address=0xFFFFFFFF81001000,
)
AS_TYPED = bytes.fromhex("cc 17 44 00 00")
AS_MEANT = bytes.fromhex("cc 1f 44 00 00")

as_mailed = Protocol(
    "as-mailed",
    sites=(site,),
    program=(
        write("breakpoint", site, AS_TYPED),
        on_each_cpu("ipi-1"),
        write("rest", site, site.new[1:], at=1),
        on_each_cpu("ipi-2"),
        write("remove", site, site.new[:1]),
    ),
    handler=Handler(
        trap=b"\xcc",
        program=(emulate("push return address, go to ftrace_caller"), iret("iret")),
    ),
    waived=(
        without_property(
            "visible-after-return",
            because="the mail has no IPI behind the last store: others may trap, or run the nop, a "
            "while longer",
        ),
    ),
)

TORN = "no-torn-instruction"
UNPERMITTED = "no-unpermitted-modification"
RELAXED = ("coherent", "coherent-any-order", "store-order", "per-chunk", "incoherent")

# Bytes 0 and 1 are those that the store as typed changes.
tears = violates(TORN, under=RELAXED, split=True, of=(0, 1)) | violates(
    TORN, UNPERMITTED, under=("strict",)
)

SUITE = Suite(
    as_mailed,
    (
        Variant(
            "typed-in-one-store",
            as_mailed.replaced("breakpoint", write("breakpoint", site, AS_TYPED, order="single")),
            tears,
        ),
        Variant("as-meant", as_mailed.replaced("breakpoint", write("breakpoint", site, AS_MEANT))),
    ),
    expect=tears,
    fetch=STRICT_TOO,
)
