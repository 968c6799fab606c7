"""User space: LLVM XRay sleds, exposed by one store of two bytes, with nobody told.

Source: LLVM compiler-rt/lib/xray/xray_x86_64.cpp, patchFunctionEntry(). A sled of 11 bytes is a
short jump over nine bytes of no-op. To enable it, function id and call are written behind the jump,
and then a release store of two bytes turns the jump into MOV r10d, id. To disable it, the jump is
stored back and the rest left as it is. The sled is aligned to two bytes. No CPU is ever
synchronised. Left out: the tail-call and exit sleds.

What the verdicts mean: this is right for a CPU that fetches in the order of the stores (AMD's
wording) and reads two aligned bytes at once, and for no weaker one: where each chunk is seen for
itself, the MOV meets a stale id; with `--chunk 1` half of it meets half of the jump. To enable a
sled again with another id is wrong in every model, for a thread may still be between MOV and CALL.
"""

from modelcheck import Form, Protocol, Site, Suite, fence, runs, violates, without_property, write

JUMP = bytes.fromhex("eb 09")
NOP9 = bytes.fromhex("66 0f 1f 84 00 00 02 00 00")
MOV = bytes.fromhex("41 ba")
BODY = bytes.fromhex("07 00 00 00  e8 e7 57 07 00")
OTHER_BODY = bytes.fromhex("2a 00 00 00  e8 e7 91 0a 00")
DISABLED, ENABLED = runs(2), runs(6, 5)
SLED = 0x401000

TORN = ("no-torn-instruction", "no-torn-sequence")
FETCH = ("coherent", "store-order", "per-chunk", "incoherent")
TELLS_NOBODY = without_property(
    "visible-after-return",
    because="no CPU is ever synchronised: a thread may pass the sled as it was for as long as it "
    "likes",
)

sled = Site("sled", JUMP + NOP9, MOV + BODY, SLED, old_runs=DISABLED, new_runs=ENABLED)

enable = Protocol(
    "enable",
    sites=(sled,),
    program=(
        write("id", sled, BODY[:4], at=2),
        write("call", sled, BODY[4:], at=6),
        fence("release"),
        write("mov", sled, MOV, order="single"),
    ),
    waived=(TELLS_NOBODY,),
)

disable = Protocol(
    "disable",
    sites=(Site("sled", MOV + BODY, JUMP + BODY, SLED, old_runs=ENABLED, new_runs=DISABLED),),
    program=(write("jump", sled, JUMP, order="single"),),
    waived=(TELLS_NOBODY,),
)

# Enabled with one id, disabled, and enabled with another.
again = Site(
    "sled",
    MOV + BODY,
    MOV + OTHER_BODY,
    SLED,
    old_runs=ENABLED,
    new_runs=ENABLED,
    between=(Form("disabled", JUMP + BODY, DISABLED),),
)
other_id = Protocol(
    "enable-with-another-id",
    sites=(again,),
    program=(
        write("jump", again, JUMP, order="single"),
        write("id", again, OTHER_BODY[:4], at=2),
        write("call", again, OTHER_BODY[4:], at=6),
        fence("release"),
        write("mov", again, MOV, order="single"),
    ),
    waived=(TELLS_NOBODY,),
)

SUITES = (
    Suite(
        enable,
        expect=violates(*TORN, under=("per-chunk", "incoherent")),
        chunk=2,
        cpus=1,
        fetch=FETCH,
    ),
    Suite(disable, chunk=2, cpus=1, fetch=FETCH),
    Suite(other_id, expect=violates(*TORN), chunk=2, cpus=1, fetch=FETCH),
)
"""What `--chunk 1` does to `enable` is not stated here: try it."""
