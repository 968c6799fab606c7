"""Protocols as data: what edits do, what is refused and with which words, lines, equality."""

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from inspect import currentframe
from pathlib import Path

import pytest

from modelcheck import (
    SAFE,
    Cell,
    Expectation,
    Handler,
    Protocol,
    Site,
    SpecError,
    Suite,
    Variant,
    block,
    emulate,
    iret,
    lookup,
    on_each_cpu,
    runs,
    send_ipi,
    skip,
    store,
    violates,
    wait_acks,
    without_property,
    write,
)
from modelcheck.machine.setup import Configuration
from modelcheck.protocol.program import Element, flatten
from modelcheck.protocol.source import Source
from modelcheck.protocol.vocabulary.anyone import Store
from tests.checks import by_last
from tests.protocols import watching

SITE = Site("foo", b"\x01\x02\x03", b"\x11\x12\x13")
CELL = Cell("cell")
HANDLER = Handler(b"\xcc", (lookup("find", CELL), emulate("act", CELL), iret("iret")))


def protocol(*program: Element, sites: tuple[Site, ...] = (SITE,)) -> Protocol:
    """A protocol of these steps, or of a few of each sort."""
    steps = program or (
        store("publish", CELL, 1),
        write("int3", SITE, b"\xcc"),
        on_each_cpu("sync-1"),
        block("patch", write("tail", SITE, b"\x12\x13", at=1), on_each_cpu("sync")),
        write("head", SITE, b"\x11"),
    )
    return Protocol("p", sites, steps, handler=HANDLER, cells=(CELL,))


def steps(of: Protocol) -> list[str]:
    """The labels of a program's steps, with those of the blocks around them."""
    return [step.label for step in flatten(of.program)]


BASE = protocol()
STEPS = [
    "publish",
    "int3",
    "sync-1/send",
    "sync-1/wait",
    "patch/tail",
    "patch/sync/send",
    "patch/sync/wait",
    "head",
]


def without(*labels: str) -> list[str]:
    """STEPS without some."""
    return [label for label in STEPS if label not in labels]


def test_steps_are_labelled_with_the_blocks_around_them() -> None:
    """A label is a path, so that two blocks may have steps of one name."""
    assert steps(BASE) == STEPS


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        (lambda: BASE.without("int3"), without("int3")),
        (lambda: BASE.without("sync-1"), without("sync-1/send", "sync-1/wait")),
        (lambda: BASE.without("sync-1/send"), without("sync-1/send")),
        (lambda: BASE.without("patch/sync/wait"), without("patch/sync/wait")),
        (lambda: BASE.without("patch", "head"), STEPS[:4]),
        (
            lambda: BASE.replaced("sync-1/send", send_ipi("one"), send_ipi("two")),
            [*STEPS[:2], "sync-1/one", "sync-1/two", *STEPS[3:]],
        ),
        (lambda: BASE.replaced("patch"), [*STEPS[:4], "head"]),
        (lambda: BASE.inserted(skipless(), before="int3"), ["publish", "extra", *STEPS[1:]]),
        (
            lambda: BASE.inserted(skipless(), after="patch/tail"),
            [*STEPS[:5], "patch/extra", *STEPS[5:]],
        ),
        (
            lambda: BASE.moved("publish", after="int3"),
            ["int3", "publish", *STEPS[2:]],
        ),
        (lambda: BASE.moved("head", before="publish"), ["head", *STEPS[:-1]]),
        (
            lambda: BASE.moved("sync-1", before="patch/sync"),
            [*STEPS[:2], "patch/tail", "patch/sync-1/send", "patch/sync-1/wait", *STEPS[5:]],
        ),
        (
            lambda: BASE.swapped("int3", "head"),
            ["publish", "head", *STEPS[2:7], "int3"],
        ),
        (
            lambda: BASE.swapped("sync-1/send", "sync-1/wait"),
            [*STEPS[:2], "sync-1/wait", "sync-1/send", *STEPS[4:]],
        ),
        (
            lambda: BASE.swapped("publish", "patch/tail"),
            ["tail", *STEPS[1:4], "patch/publish", *STEPS[5:]],
        ),
    ],
    ids=[
        "without a step",
        "without a block",
        "without a part of a block",
        "without a part of a part",
        "without several",
        "replaced by two",
        "replaced by none",
        "inserted before",
        "inserted after, in a block",
        "moved after",
        "moved before the first",
        "moved into a block",
        "swapped with the last",
        "swapped in a block",
        "swapped across blocks",
    ],
)
def test_an_edit_changes_the_named_steps_and_no_others(
    edited: Callable[[], Protocol], expected: list[str]
) -> None:
    """Each edit gives a new protocol; the edited one stays as it was."""
    assert steps(edited()) == expected
    assert steps(BASE) == STEPS, "the protocol edited is as it was"


def skipless() -> Store:
    """A step to put in."""
    return store("extra", CELL, 2)


def test_an_edit_and_its_reverse_give_an_equal_protocol() -> None:
    """Nothing of a step is lost on the way."""
    assert BASE.swapped("int3", "head").swapped("head", "int3") == BASE
    assert BASE.moved("publish", after="int3").moved("publish", before="int3") == BASE
    assert BASE.without("int3").inserted(BASE.element("int3"), before="sync-1") == BASE


def test_with_handler_changes_the_handler_alone() -> None:
    """All else stays equal, and a protocol may have no handler."""
    other = Handler(b"\xcc", (skip("skip"), iret("iret")), interrupts=True)
    edited = BASE.with_handler(other)
    assert edited.handler == other
    assert replace(edited, handler=HANDLER) == BASE
    assert BASE.with_handler(None).handler is None


def test_element_finds_a_step_or_block_by_its_path() -> None:
    """What is found is the value that was put in."""
    assert BASE.element("patch/tail") == write("tail", SITE, b"\x12\x13", at=1)
    assert BASE.element("patch/sync") == on_each_cpu("sync")


# Errors.


@pytest.mark.parametrize(
    "edit",
    [
        lambda: BASE.without("sync-9"),
        lambda: BASE.without("send"),
        lambda: BASE.replaced("sync-9", skipless()),
        lambda: BASE.inserted(skipless(), before="sync-9"),
        lambda: BASE.inserted(skipless(), after="sync-9"),
        lambda: BASE.moved("sync-9", before="int3"),
        lambda: BASE.moved("int3", before="sync-9"),
        lambda: BASE.swapped("int3", "sync-9"),
        lambda: BASE.without("int3", "int3"),
        lambda: BASE.element("sync-9"),
    ],
    ids=[
        "without",
        "without the block",
        "replaced",
        "inserted before",
        "inserted after",
        "moved it",
        "moved to it",
        "swapped",
        "twice",
        "element",
    ],
)
def test_a_label_that_names_no_step_is_an_error_that_lists_the_steps(
    edit: Callable[[], object],
) -> None:
    """A misspelt edit must not silently be no edit, that is, a second base."""
    with pytest.raises(SpecError, match="no step named") as error:
        edit()
    listed = str(error.value).rpartition("are: ")[2].split(", ")
    assert {"publish", "sync-1", "sync-1/send", "sync-1/wait", "patch/sync"} <= {*listed}
    handler = {label for label in listed if label.startswith("handler/")}
    assert handler
    assert {*listed} - handler <= {*STEPS, "sync-1", "patch", "patch/sync"}


def test_inserted_needs_exactly_one_place() -> None:
    """Before or after; neither and both are refused."""
    for places in ({}, {"before": "int3", "after": "head"}):
        with pytest.raises(SpecError, match="either before= or after="):
            BASE.inserted(skipless(), **places)
        with pytest.raises(SpecError, match="either before= or after="):
            BASE.moved("publish", **places)


@by_last(
    ("edit", "message"),
    [
        (lambda: BASE.moved("int3", before="int3"), "'int3' .* before or after itself"),
        (lambda: BASE.moved("sync-1", after="sync-1/wait"), "'sync-1/wait' is a part of 'sync-1'"),
        (lambda: BASE.swapped("int3", "int3"), "'int3' cannot be swapped with itself"),
        (lambda: BASE.swapped("patch", "patch/tail"), "'patch/tail' is a part of 'patch'"),
        (lambda: BASE.swapped("patch/tail", "patch"), "'patch/tail' is a part of 'patch'"),
    ],
)
def test_a_step_is_moved_neither_to_itself_nor_into_itself(
    edit: Callable[[], object], message: str
) -> None:
    """Such a move has no meaning, and is refused with both labels."""
    with pytest.raises(SpecError, match=message):
        edit()


@by_last(
    ("build", "message"),
    [
        (
            lambda: write("w", SITE, b"a", order="sngle"),  # type: ignore[arg-type]
            "write 'w': order is 'sngle'; wanted is 'ascending', 'any' or 'single'",
        ),
        (
            lambda: emulate("e", CELL, instruction="nwe"),  # type: ignore[arg-type]
            "emulate 'e': instruction is 'nwe'; wanted is 'old' or 'new'. Did you mean 'new'",
        ),
        (lambda: Suite(BASE, semantics="poetic"), "semantics is 'poetic'; wanted is 'windowed' or"),  # type: ignore
        (lambda: Suite(BASE, fetch=()), "wanted is a tuple of fetch models: at least one"),
        (lambda: Suite(BASE, fetch="strict"), "A tuple of one has a comma"),  # type: ignore
        (
            lambda: Variant("v", BASE, violates("no-torn-instrucion")),
            "is 'no-torn-instrucion'; wanted is a property: .* mean 'no-torn-instruction'",
        ),
        (
            lambda: Suite(BASE, expect=violates("no-torn-sequence")),
            "'base': expected to violate no-torn-sequence, which its protocol does not watch: no "
            "site is a region",
        ),
        *(
            (lambda name=name: Variant(name, BASE), "cannot name a file")  # type: ignore[misc]
            for name in ("a/b", "..", ".hidden", "a\\b")
        ),
        *(
            (lambda name=name: Variant(name, BASE), "wanted is a name")  # type: ignore[misc]
            for name in ("", "a\nb", "a\x1b[31m")
        ),
        (lambda: Suite(replace(BASE, name="a/b")), "protocol name 'a/b' cannot name a file"),
        (lambda: Site("foo", b"a", b"b", 2**64), "not within 64 bits"),
        (
            lambda: Site("foo", b"ab", b"ac", new_runs=runs(1, 1)),
            "at offset 0 one form has 61 and another 61 62, which begins with it",
        ),
        (lambda: Configuration(cpus=1_000_000), "too many to explore; take at most 1024"),
    ],
)
def test_a_slip_of_the_pen_is_refused(build: Callable[[], object], message: str) -> None:
    """Misspelt words and sizes are refused where they are made, with what would do."""
    with pytest.raises(SpecError, match=message):
        build()


@by_last(
    ("build", "message"),
    [
        (lambda: BASE.inserted(send_ipi("int3"), after="head"), "step label 'int3' is used 2"),
        (
            lambda: BASE.replaced("sync-1/wait", send_ipi("send")),
            "step label 'sync-1/send' is used 2",
        ),
        (
            lambda: replace(BASE, cells=(CELL, Cell("cell"))),
            "cell 'cell' is used 2",
        ),
        (lambda: protocol(sites=(SITE, replace(SITE, address=8))), "site 'foo' is used 2"),
        (
            lambda: BASE.with_handler(Handler(b"\xcc", (skip("s"), skip("s"), iret("iret")))),
            "handler step label 's' is used 2",
        ),
        (lambda: protocol(sites=(SITE, Site("bar", b"a", b"b", 2))), "'foo'.*'bar'.*overlap"),
        (lambda: protocol(sites=(Site("bar", b"abc", b"def", 1), SITE)), "'bar'.*'foo'.*overlap"),
        (lambda: protocol(sites=()), "has no site"),
        (lambda: watching(BASE), "waives every property that applies"),
        (
            lambda: replace(BASE, waived=(without_property("finishes", because="x"),) * 2),
            "'finishes' is waived 2 times",
        ),
        (lambda: Site("foo", b"", b""), "0 bytes"),
        (lambda: Site("foo", b"a", b"ab"), "old has 1 bytes and new has 2"),
        (lambda: Site("foo", b"a", b"b", -1), "not within 64 bits"),
        (lambda: protocol(write("w", SITE, b"")), "0 bytes at offset 0 are not within"),
        (lambda: protocol(write("w", SITE, b"abcd")), "4 bytes at offset 0 are not within"),
        (lambda: protocol(write("w", SITE, b"ab", at=2)), "2 bytes at offset 2 are not within"),
        (lambda: protocol(write("w", SITE, b"a", at=-1)), "1 bytes at offset -1 are not within"),
        (lambda: protocol(write("w", Site("bar", b"a", b"b"), b"a")), "no site named 'bar'"),
        (lambda: protocol(store("s", Cell("other"), 1)), "no cell named 'other'"),
        (
            lambda: BASE.with_handler(Handler(b"\xcc", (lookup("l", Cell("other")), iret("i")))),
            "no cell named 'other'",
        ),
        (
            lambda: protocol(iret("iret")),
            "Return is nothing for the patcher; it is for a trap",
        ),
        (
            lambda: protocol(block("b", skip("skip"))),
            "step 'b/skip'.*Skip is nothing for",
        ),
        (
            lambda: BASE.with_handler(Handler(b"\xcc", (wait_acks("w"), iret("i")))),
            "WaitAcks is nothing for a trap handler; it is for a patcher",
        ),
        (lambda: BASE.with_handler(Handler(b"\xcc", ())), "must end with a Return"),
        (lambda: BASE.with_handler(Handler(b"\xcc", (skip("s"),))), "must end with a Return"),
        (
            lambda: BASE.with_handler(Handler(b"\xcc", (iret("i"), skip("s")))),
            "stands behind a Return",
        ),
        (
            lambda: BASE.with_handler(Handler(b"\xcc", (iret("i"), iret("j")))),
            "stands behind a Return",
        ),
        (lambda: BASE.with_handler(Handler(b"", (iret("i"),))), "trap has no bytes"),
        (
            lambda: BASE.with_handler(Handler(b"\x01", (iret("i"),))),
            "its old instruction 01 02 03 begins with the trap instruction, 01",
        ),
        (
            lambda: BASE.with_handler(Handler(b"\x11", (iret("i"),))),
            "its new instruction 11 12 13 begins with the trap instruction, 11",
        ),
        (
            lambda: BASE.with_handler(Handler(b"\xcc", (emulate("e", CELL), iret("i")))),
            "before looking it up",
        ),
        (
            lambda: BASE.with_handler(
                Handler(b"\xcc", (emulate("e", CELL), lookup("l", CELL), iret("i")))
            ),
            "before looking it up",
        ),
        (lambda: Configuration(cpus=0), "at least 1"),
        (lambda: Configuration(cpus=-1), "at least 1"),
        (lambda: Configuration(chunk=3), "power of two"),
        (lambda: Configuration(chunk=0), "power of two"),
        (lambda: Configuration(chunk=128), "power of two"),
        (lambda: Configuration(offset=64), "within a cache line"),
        (lambda: Configuration(fetch="psychic"), "unknown fetch model 'psychic'; known: coherent"),
        (lambda: Configuration(properties=("no-fun",)), "unknown property 'no-fun'; known: no-"),
    ],
)
def test_what_has_no_meaning_is_refused_with_its_place(
    build: Callable[[], object], message: str
) -> None:
    """Each rule of a well-formed protocol, broken once."""
    with pytest.raises(SpecError, match=message):
        build()


def test_a_trap_longer_than_a_site_is_refused() -> None:
    """No CPU could ever fetch such a trap there."""
    short = Site("foo", b"\x01", b"\x02")
    with pytest.raises(SpecError, match="trap"):
        Protocol("p", (short,), (), handler=Handler(b"\xcd\x03", (iret("iret"),)))


def test_an_error_in_a_step_names_its_source_line() -> None:
    """The message leads to the line of the spec."""
    line = line_number() + 1
    step = write("w", SITE, b"abcd")
    with pytest.raises(SpecError, match=re.escape(f"{here()}:{line}: step 'w'")):
        protocol(step)


# Sources.


def here() -> str:
    """The name of this file."""
    return Path(__file__).name


def line_number() -> int:
    """The line that the caller is on."""
    frame = currentframe()
    assert frame
    assert frame.f_back
    return frame.f_back.f_lineno


def test_every_constructor_notes_the_line_it_was_called_from() -> None:
    """Traces name the spec's line of each step."""
    first = line_number() + 2
    made: list[Element] = [
        write("a", SITE, b"x"),
        store("b", CELL, 1),
        send_ipi("c"),
        wait_acks("d"),
        on_each_cpu("e"),
        lookup("f", CELL),
        emulate("g", CELL),
        skip("h"),
        iret("i"),
        block("j"),
    ]
    assert [element.source for element in made] == [
        Source(file=here(), line=first + number) for number in range(len(made))
    ]


def test_the_steps_of_on_each_cpu_have_the_line_of_the_call() -> None:
    """A constructor that makes two steps gives both the caller's line."""
    line = line_number() + 1
    sync = on_each_cpu("sync")
    assert [str(step.source) for step in flatten((sync,))] == [f"{here()}:{line}"] * 2


def test_a_call_over_several_lines_has_the_line_it_begins_on() -> None:
    """The same line on each Python version."""
    first = line_number() + 1
    step = write(
        "a",
        SITE,
        b"x",
    )
    assert step.source == Source(file=here(), line=first)


def test_steps_made_in_a_comprehension_know_its_line() -> None:
    """A frame of a comprehension is not taken for the caller's."""
    line = line_number() + 1
    made: list[Element] = [*(write(f"w{i}", SITE, b"x", at=i) for i in range(3))]
    made += [store(f"s{i}", CELL, i) for i in range(2)]
    assert [step.source and step.source.line for step in made] == [line] * 3 + [line + 1] * 2


def test_edits_keep_the_lines_of_the_steps() -> None:
    """A variant's trace leads to the base protocol's lines."""
    lines = {step.label: step.source for step in flatten(BASE.program)}
    edited = BASE.moved("head", before="publish").without("sync-1/send")
    assert {step.label: step.source for step in flatten(edited.program)} == {
        label: source for label, source in lines.items() if label != "sync-1/send"
    }


def test_a_source_is_read_back_from_its_text() -> None:
    """A file's name may have a colon; what is no place is refused."""
    source = Source(file="a:b.py", line=41)
    assert Source.parse(str(source)) == source
    with pytest.raises(ValueError, match="nowhere"):
        Source.parse("nowhere")


# Values.


def test_protocols_are_equal_and_hashed_by_value_wherever_they_were_made() -> None:
    """Lines do not count, so that caches and comparisons go by meaning."""
    again = protocol(
        store("publish", CELL, 1),
        write("int3", SITE, b"\xcc"),
        on_each_cpu("sync-1"),
        block("patch", write("tail", SITE, b"\x12\x13", at=1), on_each_cpu("sync")),
        write("head", SITE, b"\x11"),
    )
    assert again == BASE
    assert hash(again) == hash(BASE)
    assert len({BASE, again, BASE.without("int3")}) == 2


@by_last(
    ("value", "name"),
    [
        (BASE, "program"),
        (SITE, "old"),
        (CELL, "initial"),
        (HANDLER, "program"),
        (BASE.element("int3"), "data"),
        (violates("no-torn-instruction"), "clauses"),
        (Suite(BASE), "variants"),
        (Variant("v", BASE), "protocol"),
    ],
)
def test_values_do_not_change(value: object, name: str) -> None:
    """Whoever has a protocol has it for good: each class of the data is frozen."""
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, ())


def test_equal_bytes_of_a_site_are_those_that_betray_no_tear() -> None:
    """A tear in bytes that old and new share cannot be seen, and is told rather than missed."""
    assert Site("foo", b"\x0f\x1f\x44\x00", b"\xe8\x1f\x57\x00").equal_bytes == (1, 3)


# Expectations.


def whole(of: tuple[int, ...]) -> bool:
    """A site in one chunk."""
    return False


def split(of: tuple[int, ...]) -> bool:
    """A site whose bytes all lie apart."""
    return True


def split_before_byte_2(of: tuple[int, ...]) -> bool:
    """Bytes 0 and 1 lie in one chunk, the others in another."""
    return not of or len({byte < 2 for byte in of}) > 1


A, B, C, D = "no-torn-instruction", "no-torn-sequence", "no-unhandled-trap", "finishes"
TORN = violates(A, under=("per-chunk", "incoherent"), split=True)
EITHER = TORN | violates(B, C, under=("strict",)) | violates(D, split=False)


@pytest.mark.parametrize(
    ("expectation", "fetch", "splits", "expected"),
    [
        (SAFE, "coherent", split, ()),
        (violates(A, B), "coherent", whole, (A, B)),
        (TORN, "per-chunk", split, (A,)),
        (TORN, "incoherent", split, (A,)),
        (TORN, "coherent", split, ()),
        (TORN, "per-chunk", whole, ()),
        (EITHER, "strict", split, (B, C)),
        (EITHER, "strict", whole, (B, C, D)),
        (EITHER, "per-chunk", split, (A,)),
        (EITHER, "per-chunk", whole, (D,)),
        (EITHER, "coherent", split, ()),
        (SAFE | TORN, "per-chunk", split, (A,)),
        (violates(A, split=True, of=(0, 1)), "strict", split_before_byte_2, ()),
        (violates(A, split=True, of=(1, 2)), "strict", split_before_byte_2, (A,)),
        (violates(A, split=False, of=(0, 1)), "strict", split_before_byte_2, (A,)),
        (violates(A, split=True), "strict", split_before_byte_2, (A,)),
    ],
    ids=[
        "safe",
        "violated everywhere",
        "torn",
        "torn, the other model",
        "torn, a model not named",
        "torn, but not split",
        "either, strict",
        "either, strict and whole",
        "either, split",
        "either, whole",
        "either, a model not named",
        "safe or torn",
        "bytes together",
        "bytes apart",
        "bytes together, where not split",
        "any bytes",
    ],
)
def test_the_clauses_that_apply_are_those_of_the_fetch_model_and_the_split(
    expectation: Expectation,
    fetch: str,
    splits: Callable[[tuple[int, ...]], bool],
    expected: tuple[str, ...],
) -> None:
    """An expectation may differ by fetch model, and by whether a chunk's boundary parts bytes."""
    assert expectation.violated(fetch, splits) == expected


def test_a_suite_begins_with_its_protocol_as_base() -> None:
    """The base is a variant like the others, with the suite's expectation."""
    variant = Variant("other", BASE.without("int3"))
    torn = violates("no-torn-instruction")
    suite = Suite(BASE, (variant,), expect=torn)
    assert [*suite] == [Variant("base", BASE, torn), variant]


def test_a_suite_refuses_two_variants_of_one_name_and_no_cpus() -> None:
    """Names are files' names, and without a CPU there is nothing to check."""
    one, other = Variant("v", BASE), Variant("v", BASE.without("int3"))
    with pytest.raises(SpecError, match="variant 'v' is used 2 times"):
        Suite(BASE, (one, other))
    with pytest.raises(SpecError, match="variant 'base' is used 2 times"):
        Suite(BASE, (Variant("base", BASE),))
    with pytest.raises(SpecError, match="wanted is a whole number: 1 or more"):
        Suite(BASE, cpus=0)
