"""What is said of a verdict is what was shown: the last line of a trace, explain, the heading."""

from dataclasses import replace

import pytest

from modelcheck import (
    Cell,
    Patcher,
    Protocol,
    Site,
    Suite,
    Variant,
    caches_clean_inval_pou,
    lock,
    on_each_cpu,
    runs,
    unlock,
    write,
)
from modelcheck.cli import main
from modelcheck.explore.verdict import Verdict
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.properties import SEQUENCE
from modelcheck.protocol.suite import FETCH_MODELS
from modelcheck.questions.check import Job, Overrides, Result, check, jobs
from modelcheck.questions.explain import explain
from modelcheck.trace.document import Executed
from modelcheck.trace.replay import replay
from modelcheck.trace.words import explain_violation
from modelcheck.views import explanations
from modelcheck.views.comparison import heading
from modelcheck.views.trace_text import to_text
from tests.protocols import SPECS, suites

ADRP, ADD = bytes.fromhex("1e 00 00 90"), bytes.fromhex("de 03 01 91")
ADRP_2, ADD_2 = bytes.fromhex("3e 00 00 90"), bytes.fromhex("de 07 01 91")
BR, B, NOP = (bytes.fromhex(code) for code in ("c0 03 1f d6", "00 04 00 14", "1f 20 03 d5"))
THREE, ONE = runs(4, 4, 4), runs(4)


def goto_tb(
    old: bytes,
    old_runs: tuple[tuple[int, int], ...],
    new: bytes,
    new_runs: tuple[tuple[int, int], ...],
) -> Protocol:
    """A pair of instructions replaced in one store, as an emulator does that chains its code.

    Source: QEMU, "tcg/ppc: Reorg goto_tb implementation" and its twins for sparc64 and aarch64
    (January 2023): a thread that stands at the second word has run the old first one.
    """
    site = Site("goto_tb", old, new, 0x10000, old_runs=old_runs, new_runs=new_runs)
    program = (
        write("stp", site, new[:8], order="single"),
        caches_clean_inval_pou("flush_idcache_range"),
    )
    return Protocol("goto_tb", (site,), program, patcher_executes=False, arch="arm64")


TO_BRANCH = goto_tb(ADRP + ADD + BR, THREE, B + NOP + BR, ONE)
RETARGET = goto_tb(ADRP + ADD + BR, THREE, ADRP_2 + ADD_2 + BR, THREE)


def job_of(protocol: Protocol, fetch: str = "per-chunk", chunk: int = 8) -> Job:
    """The job of a protocol with one CPU."""
    (job,) = jobs((Suite(protocol, cpus=1, chunk=chunk),), Overrides(fetch=(fetch,)))
    return job


def result_of(protocol: Protocol, fetch: str = "per-chunk", chunk: int = 8) -> Result:
    """What a check of it finds."""
    return check(job_of(protocol, fetch, chunk), spec="x.py")


# The last line of a trace.


def test_bytes_that_are_new_are_not_called_neither_old_nor_new() -> None:
    """They are those of the new form, but none of its instructions begins there."""
    trace = result_of(TO_BRANCH).trace
    assert trace is not None
    assert replay(trace) == len(trace.steps)
    assert trace.why == (
        "cpu1 executes 1f 20 03 d5 at goto_tb+4, but at goto_tb+4 no instruction of the new form "
        "begins."
    )
    assert trace.why in " ".join(to_text(trace).split())


def test_bytes_that_are_old_are_not_called_neither_either() -> None:
    """The same the other way round: the NOP behind the branch, behind the new first word."""
    from_branch = goto_tb(B + NOP + BR, ONE, ADRP + ADD + BR, THREE)
    trace = result_of(from_branch, "incoherent").trace
    assert trace is not None
    assert trace.why.endswith("but at goto_tb+4 no instruction of the old form begins.")


def test_real_mixes_are_neither_and_name_their_offset() -> None:
    """Half old and half new is neither; at the beginning, no offset is named."""
    site = TO_BRANCH.sites[0]
    pair = replace(site, new=ADRP_2 + ADD_2 + BR, new_runs=THREE)
    half = Executed("goto_tb", "torn", ADD[:1] + ADD_2[1:2] + b"\x00\x00", (), "", 4)
    step = result_of(TO_BRANCH).trace
    assert step is not None
    last = replace(step.steps[-1], executed=half)
    why = explain_violation("no-torn-instruction", last, pair, "")
    assert why == (
        "cpu1 executes de 07 00 00 at goto_tb+4, which is neither the old instruction nor the new "
        "one."
    )
    first = replace(step.steps[-1], executed=replace(half, offset=0))
    assert " at goto_tb, which is neither" in explain_violation(
        "no-torn-instruction", first, pair, ""
    )


def test_a_torn_sequence_names_its_offset() -> None:
    """Each instruction is whole, and the second is of the other form."""
    trace = result_of(RETARGET).trace
    assert trace is not None
    assert trace.outcome == SEQUENCE
    assert trace.why.startswith("cpu1 executes de 07 01 91 at goto_tb+4, which does not belong to")


# Explain.


def explained(protocol: Protocol, fetch: str = "per-chunk") -> str:
    """What explain says, on one line."""
    text = explanations.render("x.py", [explain(job_of(protocol, fetch))])
    return " ".join(text.plain.split())


def test_explain_tells_a_pass_that_mixes_whole_instructions() -> None:
    """Where no bytes of one instruction can be mixed, the sequence can, and the verdict is bad."""
    answer = explain(job_of(RETARGET))
    assert answer.verdict is Verdict.VIOLATED
    assert answer.violated == (SEQUENCE,)
    text = explained(RETARGET)
    assert (
        "A CPU can go on with the new instruction at byte 4 in a pass that began otherwise" in text
    )
    assert "It has come by the instruction at byte 0: 1e 00 00 90" in text
    assert "It executes de 07 01 91" in text


def test_explain_does_not_say_mix_of_bytes_of_one_form() -> None:
    """They are run where none of its instructions begins."""
    text = explained(TO_BRANCH)
    assert (
        "A CPU can run new bytes 4 to 7, in the instruction at byte 4, where none of the new"
        in text
    )
    assert "can mix new bytes 4 to 7" not in text


def test_explain_says_that_no_pass_mixes_instructions_where_none_does() -> None:
    """One word that changes is one instruction; behind a stop, the pass is over."""
    one_word = goto_tb(ADRP + ADD + BR, THREE, B + ADD + BR, ONE)
    one_word = one_word.replaced("stp", write("b", one_word.sites[0], B, order="single"))
    assert "No pass mixes whole instructions of several forms either." in explained(one_word)


@pytest.mark.parametrize("fetch", FETCH_MODELS)
@pytest.mark.parametrize("protocol", [TO_BRANCH, RETARGET], ids=["to-branch", "retarget"])
def test_explain_agrees_with_the_search_on_sequences(protocol: Protocol, fetch: str) -> None:
    """Two grounds: axioms of one pass, and states."""
    job = job_of(protocol, fetch)
    found = replace(job, configuration=replace(job.configuration, properties=(SEQUENCE,)))
    searched = check(found, spec="x.py").verdict
    assert explain(job).verdict is searched


# The heading.


def test_the_heading_says_no_more_of_a_chunk_than_holds() -> None:
    """With --chunk 8, memory itself holds a mix for as long as bytes are written one by one."""
    (torn,) = (one for one in suites()[0] if one.name == "no-breakpoint")
    result = result_of(torn.protocol, "coherent")
    assert result.violated == "no-torn-instruction"
    text = " ".join(heading("x.py", result.job).plain.split())
    assert "cannot mix" not in text
    assert "a fetch mixes old and new only where memory does" in text
    assert "in one chunk" not in heading("x.py", job_of(torn.protocol, chunk=1)).plain


def test_the_heading_of_a_table_holds_of_all_its_rows() -> None:
    """A variant that writes across chunks is in the table of a protocol that does not."""
    site = Site("s", b"\x90\x90\x90\x90", b"\x90\xc3\x90\x90")
    narrow = Protocol("p", (site,), (write("byte", site, b"\xc3", at=1),))
    wide = narrow.inserted(write("more", site, b"\xc3\xc3", at=1), before="byte")
    alone = Job(Suite(narrow), next(iter(Suite(narrow))), Configuration(chunk=2), "p")
    both = replace(alone, suite=Suite(narrow, (Variant("wide", wide),)))
    assert "in one chunk" in heading("x.py", alone).plain
    assert "in one chunk" not in heading("x.py", both).plain


# The shortest violation.


def locks(name: str, one: tuple[Cell, ...], other: tuple[Cell, ...]) -> Protocol:
    """Two patchers that each take locks in an order of their own, and patch in place.

    Source: Linux 91bad2f8d387, "jump label: Fix deadlock b/w jump_label_mutex vs. text_mutex".
    """
    key, probe = Site("key", b"\x90\x90", b"\xeb\x00"), Site("probe", b"\x54", b"\x57", 0x100)

    def within(cells: tuple[Cell, ...], *body: object, tag: str) -> tuple[object, ...]:
        for cell in reversed(cells):
            body = (
                lock(f"lock {cell.name}{tag}", cell),
                *body,
                unlock(f"unlock {cell.name}{tag}", cell),
            )
        return body

    cells = tuple(dict.fromkeys((*one, *other)))
    program = within(one, write("key", key, key.new), on_each_cpu("sync"), tag="")
    theirs = within(other, write("probe", probe, probe.new), on_each_cpu("sync p"), tag=" p")
    return Protocol(
        name,
        (key, probe),
        program,  # type: ignore[arg-type]
        cells=cells,
        patchers=(Patcher("register_kprobe", theirs),),  # type: ignore[arg-type]
        patcher_executes=False,
    )


JUMP_LABEL, TEXT = Cell("jump_label_mutex", 0), Cell("text_mutex", 0)


@pytest.mark.parametrize("fetch", [*FETCH_MODELS, "strict"])
def test_a_deadlock_that_is_shorter_than_a_tear_is_told(fetch: str) -> None:
    """Each takes one lock, in two steps; the tear that there is, too, takes more."""
    result = result_of(locks("2011", (JUMP_LABEL, TEXT), (TEXT, JUMP_LABEL)), fetch, 1)
    assert (result.violated, result.depth) == ("finishes", 2)
    assert result.trace is not None
    assert replay(result.trace) == 2
    assert "jump_label_mutex" in result.trace.why
    fixed = result_of(locks("fixed", (JUMP_LABEL, TEXT), (JUMP_LABEL, TEXT)), fetch, 1)
    assert fixed.violated == "no-torn-instruction"
    assert fixed.depth > 2


def test_the_command_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The heading of the README's own example."""
    spec = str(SPECS / "x86_int3.py")
    assert main([spec, "--variant", "no-breakpoint", "--chunk", "8", "--cpus", "1"]) in (0, 1)
    out = capsys.readouterr().out
    assert "cannot mix" not in out
    assert "BAD" in out
