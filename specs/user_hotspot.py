"""User space: HotSpot's NativeCall::replace_mt_safe(), where threads spin instead of trapping.

Source: OpenJDK src/hotspot/cpu/x86/nativeInst_x86.cpp. A call of five bytes, its first four in an
aligned word, is replaced in three steps: the word becomes two jumps to themselves (EB FE EB FE),
the fifth byte is stored, and the word is stored with the new call. A thread that meets the jump
spins until it is gone. Between the steps the writer flushes, which on x86 tells nobody else.

What the verdicts mean: if all five bytes are fetched in one read, this is safe. If not, a thread
that has read the old word can meet the new fifth byte, or the new word the old one, as far as the
fetch model lets it: the first happens in each of them. With a sync between the steps it is safe for
chunks of four bytes, and even then only because the jump lies in one chunk.
"""

from dataclasses import replace

from modelcheck import (
    Handler,
    Protocol,
    Site,
    Suite,
    Variant,
    iret,
    on_each_cpu,
    violates,
    without_property,
    write,
)

CALL = bytes.fromhex("e8 e7 57 07 00")
OTHER_CALL = bytes.fromhex("e8 1b 2c 0a 01")
SELF_JUMP = bytes.fromhex("eb fe")

site = Site("call", CALL, OTHER_CALL, address=0x7F0000001000)

replace_mt_safe = Protocol(
    "replace_mt_safe",
    sites=(site,),
    program=(
        write("self-jumps", site, SELF_JUMP * 2, order="single"),
        write("fifth byte", site, OTHER_CALL[4:], at=4),
        write("word", site, OTHER_CALL[:4], order="single"),
    ),
    # A jump to itself is a trap whose handler does nothing, and does not serialise.
    handler=Handler(SELF_JUMP, (iret("spin", synchronises=False),), interrupts=True),
    waived=(
        without_property(
            "visible-after-return",
            because="either call is right at any time, so nobody is told, and a thread may go on "
            "with the old one for as long as it likes",
        ),
    ),
    patcher_executes=False,
)

with_syncs = replace_mt_safe.inserted(on_each_cpu("sync-1"), after="self-jumps").inserted(
    on_each_cpu("sync-2"), after="fifth byte"
)

in_two_words = replace(replace_mt_safe, name="replace_mt_safe-in-two-words")

TORN = "no-torn-instruction"
FETCH = ("coherent", "store-order", "per-chunk", "incoherent")

SUITES = (
    Suite(
        replace_mt_safe,
        (
            Variant("with-syncs", with_syncs, violates(TORN, split=True, of=(0, 1, 2, 3))),
            Variant(
                "one-self-jump",
                replace_mt_safe.replaced(
                    "self-jumps", write("self-jump", site, SELF_JUMP, order="single")
                ),
                violates(TORN, split=True),
            ),
        ),
        expect=violates(TORN, split=True),
        chunk=8,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(
        in_two_words,
        (Variant("with-syncs", with_syncs, violates(TORN, split=True, of=(0, 1, 2, 3))),),
        expect=violates(TORN, split=True),
        chunk=4,
        cpus=1,
        fetch=FETCH,
    ),
)
