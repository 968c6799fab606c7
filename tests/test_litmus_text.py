"""Reading litmus files: what is read, and what is said of what cannot be."""

from pathlib import Path

import pytest

from modelcheck.litmus.condition import Quantifier
from modelcheck.litmus.errors import LitmusError
from modelcheck.litmus.instruction import Address, LitmusInstruction
from modelcheck.litmus.program import prepare
from modelcheck.litmus.rules import order_of
from modelcheck.litmus.text import read
from modelcheck.litmus.verdict import LitmusJudgement, LitmusVerdict, judge


def judged(text: str, rules: str | None = None) -> LitmusJudgement:
    """The judgement of a test as text."""
    test = prepare(read(text))
    return judge(test, order_of(test, rules=rules))


def aarch64(init: str, body: str, ask: str, header: str = "") -> str:
    """A test with one thread a column."""
    return f"AArch64 test\n{header}{{\n{init}\n}}\n{body}\n{ask}\n"


WRONG = {
    "unknown instruction": (
        aarch64("0:X1=x;", "P0 ;\nFROB X0,[X1] ;", "exists (0:X0=0)"),
        ":6:1: unknown instruction 'FROB X0,[X1]'",
    ),
    "unknown operand": (
        aarch64("0:X1=x;", "P0 ;\n  LDR X77,[X1] ;", "exists (0:X0=0)"),
        ":6:3: 'X77' is no register, in 'LDR X77,[X1]'",
    ),
    "system register": (
        aarch64("0:X1=x;", "P0 ;\n  MRS X0,CTR_EL0 ;", "exists (0:X0=0)"),
        ":6:3: MRS of CTR_EL0 is not covered; of ELR_EL1 it is",
    ),
    "register never set": (
        aarch64("0:X1=x;", "P0          | P1 ;\n LDR X0,[X5] | NOP ;", "exists (0:X0=0)"),
        ":6:2: register X5 is never set, in 'LDR X0,[X5]'",
    ),
    "register of the condition never set": (
        aarch64("0:X1=x;", "P0          ;\n LDR X0,[X1] ;", "exists (0:X9=0)"),
        ":7:9: register X9 is never set",
    ),
    "label without a thread": (
        aarch64("0:X1=P3:L0;", "P0 ;\nLDR X0,[X1] ;", "exists (0:X0=0)"),
        ":3:6: label 'P3:L0': there is no thread 'P3'",
    ),
    "unknown label": (
        aarch64("0:X1=P0:L7;", "P0 ;\nLDR X0,[X1] ;", "exists (0:X0=0)"),
        ":3:6: label 'P0:L7': thread P0 has no label 'L7'",
    ),
    "jump to nowhere": (
        aarch64("", "P0 ;\nB there ;", "exists (true)"),
        ":6:1: no label 'there' in this thread",
    ),
    "ill-formed condition": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "exists (0:X0=0 /\\ )"),
        ":7:19: ')' makes no sense here; expected",
    ),
    "no condition's end": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "exists (0:X0=0"),
        ":7:15: the text ends too soon",
    ),
    "too many cells": (
        aarch64("", "P0 ;\nNOP | NOP ;", "exists (true)"),
        ":6:1: this row has 2 cells, for 1 threads",
    ),
    "comment without end": (
        "AArch64 test\n{ } (* and so on",
        ":2:5: this comment has no end",
    ),
    "other architecture": (
        "MIPS test\n{ }\nP0 ;\nNOP ;\nexists (true)",
        ":1:1: architecture 'MIPS' is not covered",
    ),
    "translation": (
        "AArch64 test\nVariant=vmsa\n{ }\nP0 ;\nNOP ;\nexists (true)",
        ":2:1: variant 'vmsa' is not covered",
    ),
    "store beyond the code": (
        aarch64("0:X0=NOP; 0:X1=P0:end;", "P0 ;\n STR W0,[X1] ;\nend: ;", "exists (true)"),
        ":6:2: STR W0,[X1]: P0:end is accessed, but there is no instruction",
    ),
    "unknown variable": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "exists ([y]=0)"),
        ":7:9: there is no variable 'y': no thread can come to it",
    ),
    "unknown variable asked for": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "locations [y;]\nexists (0:X0=0)"),
        ":7:12: there is no variable 'y'",
    ),
    "unknown value": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "exists (0:X0=y)"),
        ":7:14: there is no variable 'y'",
    ),
    "thread of the condition": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "exists (1:X0=0)"),
        ":7:9: there is no thread P1",
    ),
    "fault of no thread": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;", "exists (fault(P3))"),
        ":7:9: there is no thread P3",
    ),
    "a thread twice": (
        aarch64("", "P0  | P0 ;\nNOP | NOP ;", "exists (true)"),
        ":5:7: P0 is there twice",
    ),
    "threads out of order": (
        aarch64("", "P1  | P0 ;\nNOP | NOP ;", "exists (true)"),
        ":5:1: the threads are P0, P1, ... in this order; P1 is not",
    ),
    "handler of no thread": (
        aarch64("", "P0  | P3.F ;\nNOP | NOP ;", "exists (true)"),
        ":5:7: handler P3.F has no thread",
    ),
    "a label twice": (
        aarch64("", "P0 ;\nL: NOP ;\nL: ;", "exists (true)"),
        ":7:1: label 'L' is there twice",
    ),
    "a number beyond all": (
        aarch64("0:X1=99999999999999999999999;", "P0 ;\nNOP ;", "exists (true)"),
        ":3:6: '99999999999999999999999;' makes no sense here",
    ),
    "a condition in a condition": (
        aarch64("0:X1=x;", "P0 ;\nNOP ;", f"exists ({'~' * 99} 0:X1=0)"),
        ":7:74: a condition is nested no more than 64 times",
    ),
    "a store of unknown size": (
        "X86_64 test\n{ 0:rdi=x; }\nP0 ;\nmov [rdi], 1 ;\nexists (true)",
        ":4:1: 'mov [rdi],#1' does not say how many bytes",
    ),
    "jump to data": (
        aarch64("0:X1=x;", "P0 ;\nLDR X0,[X1] ;\nBR X0 ;", "exists (0:X0=0)"),
        ":7:1: BR X0: it goes to what is no address",
    ),
    "wide access of code": (
        aarch64("0:X1=P0:a;", "P0 ;\na: LDR X0,[X1] ;", "exists (0:X0=0)"),
        ":6:4: LDR X0,[X1]: code is accessed by 4 bytes, not by 8",
    ),
    "arithmetic on an address": (
        aarch64("0:X1=x;", "P0 ;\nMUL X0,X1,X1 ;", "exists (0:X0=0)"),
        ":6:1: MUL X0,X1,X1: arithmetic on an address or an instruction",
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    """One message, with file, line and column."""
    with pytest.raises(LitmusError) as error:
        judged(text)
    assert error.value.told("test.litmus").startswith(f"test.litmus{said}")


FULL = r"""AArch64 odd+name.x
"PodWW Rfe PodRR Fre"
Cycle=Rfe PodRR Fre PodWW
Com=Rf Fr (* and a (* nested *) comment *)
{
uint64_t x; int y=0;
uint64_t 1:X0; int 1:X2=0;
0:x1=x; 0:X3=y; 1:X1=y; 1:X3=x;
}
 P0          | P1          ;
 MOV W0,#1   | LDR W0,[X1] ;
 STR W0,[X1] | LDR W2,[X3] ;
 MOV W2,#0x1 | L0: L1:     ;
 STR W2,[X3] |             ;
locations [x; 0:X1; y;]
exists
(1:X0=1 /\ (not 1:X2=1))
"""


def test_all_of_the_format_is_read() -> None:
    """Headers, types, hexadecimal numbers, several labels, locations, a condition of some lines."""
    found = judged(FULL)
    assert found.test.name == "odd+name.x"
    assert found.test.quantifier is Quantifier.EXISTS
    assert found.verdict is LitmusVerdict.ALLOWED
    assert found.states == tuple(
        f"0:X1=x 1:X0={flag} 1:X2={value} [x]=1 [y]=1" for flag in "01" for value in "01"
    )


@pytest.mark.parametrize(
    ("word", "spelling"),
    [(0x14000001, "B .+4"), (0x14000002, "B .+8"), (0xD503201F, "NOP"), (0xD5033FDF, "ISB")],
)
def test_numbers_that_are_instructions(word: int, spelling: str) -> None:
    """A word written as a number is the instruction that it encodes."""
    text = aarch64(f"ins_t 0:X0={word:#x};", "P0 ;\nNOP ;", "exists (0:X0=0)")
    value = prepare(read(text)).threads[0].registers["X0"]
    assert isinstance(value, LitmusInstruction)
    assert value.text == spelling


def test_labels_are_addresses() -> None:
    """Of columns and places in them, also in quotes."""
    init = '0:X1=P0:a; 0:X2=label:"P0:b"; [p]=P0:b;'
    test = prepare(read(aarch64(init, "P0 ;\na: NOP ;\nb: NOP ;", "exists (0:X1=P0:a)")))
    assert test.threads[0].registers == {"X1": Address("P0", 0), "X2": Address("P0", 4)}
    assert test.variables == {Address("p"): Address("P0", 4)}


QUANTIFIERS = {
    "exists, met": ("exists (0:X0=1)", LitmusVerdict.ALLOWED, "Sometimes"),
    "exists, not met": ("exists (0:X0=2)", LitmusVerdict.FORBIDDEN, "Never"),
    "never, met": ("~exists (0:X0=1)", LitmusVerdict.ALLOWED, "Sometimes"),
    "never, not met": ("~exists (0:X0=2)", LitmusVerdict.FORBIDDEN, "Never"),
    "always": ("forall (0:X0=0 \\/ 0:X0=1)", LitmusVerdict.REQUIRED, "Always"),
    "not always": ("forall (0:X0=0)", LitmusVerdict.ALLOWED, "Sometimes"),
    "never always": ("forall (0:X0=2)", LitmusVerdict.FORBIDDEN, "Never"),
}


@pytest.mark.parametrize(
    ("ask", "verdict", "observation"), QUANTIFIERS.values(), ids=QUANTIFIERS.keys()
)
def test_quantifiers(ask: str, verdict: LitmusVerdict, observation: str) -> None:
    """The verdict is of the condition, whichever way the header asks for it."""
    body = "P0          | P1          ;\nLDR W0,[X1] | STR W2,[X1] ;"
    found = judged(aarch64("0:X1=x; 1:X1=x; 1:X2=1;", body, ask))
    assert (found.verdict, found.observation) == (verdict, observation)


def test_a_loop_that_waits_is_not_decided() -> None:
    """What is beyond the rounds that are followed is not called forbidden."""
    body = "P0          | P1             ;\nSTR W2,[X1] | again:         ;\n"
    body += "            | LDR W0,[X1]    ;\n            | CBZ W0,again   ;"
    found = judged(aarch64("0:X1=x; 1:X1=x; 0:X2=1;", body, "exists (1:X0=0)"))
    assert found.verdict is LitmusVerdict.INCONCLUSIVE
    assert found.reason == "a loop was not followed to its end"


def test_faults_and_handlers() -> None:
    """A word that is no instruction faults; a handler returns where it says."""
    body = "P0          | P0.F           ;\nSTR W0,[X1] | MOV W4,#7      ;\n"
    body += "site:       | ADR X9,on      ;\nB on        | MSR ELR_EL1,X9 ;\non:         | ERET ;"
    found = judged(aarch64("0:X0=0; 0:X1=P0:site;", body, "exists (fault(P0:site) /\\ 0:X4=7)"))
    assert found.states == ("0:X4=0", "0:X4=7 fault(P0:site)")


def test_rules_of_another_architecture_are_refused() -> None:
    """AArch64 has no Ziccid."""
    with pytest.raises(LitmusError, match="AArch64 has no rules 'Ziccid'"):
        judged(FULL, rules="Ziccid")


def test_rules_have_the_names_that_others_publish() -> None:
    """Ziccif-only is Ziccif."""
    text = "RISCV test\n{ }\nP0 ;\nnop ;\nexists (true)\n"
    test = prepare(read(text))
    assert order_of(test, rules="Ziccif-only") is order_of(test, rules="Ziccif")


def test_files_of_the_project_are_read_as_written() -> None:
    """Names of files and of tests agree."""
    for file in (Path(__file__).parent.parent / "litmus").rglob("*.litmus"):
        assert read(file.read_text()).name == file.stem


def test_the_same_line_of_two_tests_is_two_instructions() -> None:
    """ADR in a handler: where the label is in the other column is part of the instruction."""
    found = []
    for nops in ("NOP |  ;\n", "NOP |  ;\nNOP |  ;\n"):
        body = f"P0 | P0.F ;\n{nops}on: UDF #0 | ADR X9,on ;\n | MSR ELR_EL1,X9 ;\n | ERET ;"
        code = prepare(read(aarch64("", body, "exists (true)"))).code
        found += [made for made in code.values() if made.text.startswith("ADR")]
    first, second = found
    assert first is not second
