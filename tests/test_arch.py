"""Facts of architectures: those that decide verdicts one by one, and who says so of all."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from rich.console import Console

from modelcheck import Protocol, Site, SpecError, Suite, Variant, fence_i, write
from modelcheck.arch import ARCHITECTURES, nearest
from modelcheck.arch.architecture import Architecture
from modelcheck.machine.setup import Configuration, Setup
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace.converter import converter
from modelcheck.views import comparison

ROOT = Path(__file__).parent.parent
EVERY = [pytest.param(one, id=name) for name, one in ARCHITECTURES.items()]

NOPS = {
    "x86-64": ("90", "66 90", "0f 1f 00", "0f 1f 44 00 00", "66 0f 1f 84 00 00 00 00 00"),
    "arm64": ("1f 20 03 d5",),
    "thumb": ("00 bf", "af f3 00 80"),
    "riscv64": ("13 00 00 00", "01 00"),
    "ppc64": ("00 00 00 60",),
    "s390x": (),
    "parisc": (),
}
"""No-ops of each architecture."""

OTHERS = {
    "x86-64": ("cc", "e8 e7 57 07 00", "f3 90", "8d 76 00", "c3"),
    "arm64": ("00 04 00 94", "00 04 00 91", "df 3f 03 d5", "3f 20 03 d5"),
    "thumb": ("fe e7", "00 be", "10 bf", "c0 46"),
    "riscv64": ("93 00 10 00", "73 00 10 00", "67 80 00 00"),
    "ppc64": ("01 10 00 48", "a6 02 08 7c", "08 00 e0 7f"),
    "s390x": ("c0 f4 00 00 08 00", "07 f0"),
    "parisc": ("08 00 02 40", "e8 1f 1f d7"),
}
"""Instructions that do something, or are taken to."""

TRAPS = {
    "x86-64": ("cc", "cd 03", "f1", "0f 0b", "0f b9 c0", "0f ff c9"),
    "arm64": ("00 00 20 d4", "e0 ff 3f d4", "00 00 00 00", "ff ff 00 00"),
    "thumb": ("00 be", "ab be", "00 de", "01 de", "f0 f7 00 a0"),
    "riscv64": ("73 00 10 00", "02 90", "00 00"),
    "ppc64": ("08 00 e0 7f", "88 00 e0 7f", "01 00 e3 0f", "00 00 e0 0b"),
    "s390x": ("00 01", "00 02", "01 ff", "b2 ff 00 00"),
    "parisc": ("00 00 00 00", "00 01 00 1f"),
}
"""Trap instructions, of each kind at least one."""

MODIFIABLE = {
    "arm64": (
        "00 00 00 14",  # b
        "00 04 00 94",  # bl
        "1f 20 03 d5",  # nop
        "00 00 20 d4",  # brk
        "01 00 00 d4",  # svc
        "02 00 00 d4",  # hvc
        "03 00 00 d4",  # smc
        "df 3f 03 d5",  # isb
    ),
    "thumb": ("fe e7", "00 bf", "ab be", "01 df"),
}
"""What the manuals list as modifiable while it is executed; other architectures have no list."""

FIXED = {
    "arm64": (
        "00 04 00 91",  # add
        "01 00 00 54",  # b.ne
        "20 00 00 b4",  # cbz
        "c0 03 5f d6",  # ret
        "9f 3b 03 d5",  # dsb ish
        "e9 03 1e aa",  # mov x9, lr
        "1f 20 03 d5 1f 20 03 d5",  # two instructions
        "1f 20",  # half of one
        "ff ff ff ff",  # none
    ),
    # BL and what else has four bytes; the conditional B; BX; no whole instruction.
    "thumb": ("ff f7 fc ff", "00 f0 00 b8", "af f3 00 80", "01 d0", "70 47", "00 bf 00 bf", "00"),
}
"""What they do not list."""

MEMORY = {
    "x86-64": ("in-order", True, 1),
    "arm64": ("weak", False, 4),
    "thumb": ("weak", False, 2),
    "riscv64": ("weak", True, 4),
    "ppc64": ("weak", False, 4),
    "s390x": ("in-order", True, 1),
    "parisc": ("weak", False, 1),
}
"""Stores, whether instruction caches are coherent, and what is fetched in one read."""


def code(text: str) -> bytes:
    """Bytes from hexadecimal."""
    return bytes.fromhex(text)


def protocol(arch: str, **more: object) -> Protocol:
    """A protocol of one write on an architecture."""
    site = Site("foo", b"\x13\x00\x00\x00", b"\xe7\x82\x02\x10")
    return Protocol("p", (site,), (write("text", site, site.new),), arch=arch, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("arch", EVERY)
def test_no_ops_are_told_from_what_does_something(arch: Architecture) -> None:
    """A handler's skip() acts as the form of a site that is a no-op, so this decides verdicts."""
    assert [text for text in NOPS[arch.name] if not arch.is_nop(code(text))] == []
    assert [text for text in OTHERS[arch.name] if arch.is_nop(code(text))] == []


@pytest.mark.parametrize("arch", EVERY)
def test_trap_instructions_are_told_from_others(arch: Architecture) -> None:
    """Each kind is met, nothing longer or shorter is one, and neither is what does nothing."""
    traps = [code(text) for text in TRAPS[arch.name]]
    assert [data.hex() for data in traps if not arch.is_trap(data)] == []
    met = {kind.name for kind in arch.traps for data in traps if kind.is_of(data)}
    assert met == {kind.name for kind in arch.traps}
    assert not any(arch.is_trap(data + b"\x00") or arch.is_trap(data[:-1]) for data in traps)
    others = {*NOPS[arch.name], *OTHERS[arch.name]} - {*TRAPS[arch.name]}
    assert [text for text in others if arch.is_trap(code(text))] == []


@pytest.mark.parametrize("arch", EVERY)
def test_trap_instructions_are_what_the_decoder_says_too(arch: Architecture) -> None:
    """The bytes come from manuals; where the decoder knows them, it calls them the same."""
    aliases = {"tw": "trap", "td": "tdu", "twi": "twui", "tdi": "tdui", "int 3": "int"}
    for kind in arch.traps:
        decoded = arch.decode(kind.data)
        if arch.name != "parisc" and kind.name != "illegal":
            assert decoded.text.split()[0] == aliases.get(kind.name, kind.name)
            assert decoded.length == len(kind.data)


@pytest.mark.parametrize("arch", EVERY)
def test_what_may_be_modified_is_what_the_manual_lists(arch: Architecture) -> None:
    """Each with each of the list, either way; with anything else, or nothing, it may not be."""
    listed = [code(text) for text in MODIFIABLE.get(arch.name, ())]
    assert all(arch.permits(before, after) for before in listed for after in listed)
    assert {arch.decode(data).text.split()[0] for data in listed} == arch.modifiable
    fixed = FIXED.get(arch.name, (*NOPS[arch.name], *OTHERS[arch.name], *TRAPS[arch.name]))
    for data in map(code, fixed):
        for other in (*listed, data):
            assert not arch.permits(data, other)
            assert not arch.permits(other, data)


@pytest.mark.parametrize("arch", EVERY)
def test_memory_is_as_the_manual_says(arch: Architecture) -> None:
    """These three are what a spec gets by the name of its architecture."""
    assert (arch.stores, arch.coherent_icache, arch.chunk) == MEMORY[arch.name]


@pytest.mark.parametrize("arch", EVERY)
def test_each_fact_names_its_source(arch: Architecture) -> None:
    """All fields but names, functions and the sources themselves are facts."""
    unsaid = {"name", "known_as", "decoder", "consequence", "sources"}
    assert set(arch.sources) == {field.name for field in fields(arch)} - unsaid
    assert all(arch.sources.values())


@pytest.mark.parametrize("arch", EVERY)
def test_facts_fit_together(arch: Architecture) -> None:
    """Sizes are powers of two, and a trap lies where instructions do."""
    assert arch.alignment in (1, 2, 4)
    assert arch.chunk in (1, 2, 4, 8)
    for kind in arch.traps:
        assert len(kind.data) % arch.alignment == 0
        assert kind.is_of(kind.data)
    assert arch.barriers
    assert arch.serialising


@pytest.mark.parametrize("arch", EVERY)
def test_the_page_on_specs_has_the_same_facts(arch: Architecture) -> None:
    """The table of docs/writing-a-spec.md, row by row."""
    cells = (
        f"`{arch.name}`",
        arch.stores,
        "coherent" if arch.coherent_icache else "incoherent",
        ", ".join(sorted(arch.modifiable)),
        ", ".join(kind.name for kind in arch.traps),
        f"{arch.chunk} byte{'s' if arch.chunk > 1 else ''}",
    )
    row = "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"
    page = (ROOT / "docs" / "writing-a-spec.md").read_text(encoding="utf-8").splitlines()
    assert row in page


@pytest.mark.parametrize("arch", EVERY)
def test_a_protocol_has_the_memory_of_its_architecture(arch: Architecture) -> None:
    """Unless it says otherwise, in one of the two or in both."""
    plain = protocol(arch.name)
    assert (plain.stores, plain.coherent_icache) == (arch.stores, arch.coherent_icache)
    setup = Setup(plain, Configuration())
    assert setup.weak_stores == (arch.stores == "weak")
    assert setup.coherent_icache == arch.coherent_icache
    for stores in ("in-order", "weak"):
        assert protocol(arch.name, stores=stores).stores == stores
        assert protocol(arch.name, stores=stores).coherent_icache == arch.coherent_icache
    for coherent in (True, False):
        assert protocol(arch.name, coherent_icache=coherent).coherent_icache is coherent
        assert protocol(arch.name, coherent_icache=coherent).stores == arch.stores


def test_an_edit_keeps_what_a_protocol_says_of_memory() -> None:
    """Edits and replace() make protocols anew, from what the first one was."""
    strong = protocol("arm64", stores="in-order")
    edited = strong.inserted(fence_i("more"), after="text")
    assert (edited.stores, edited.coherent_icache) == ("in-order", False)
    assert replace(strong, name="other").stores == "in-order"


@pytest.mark.parametrize(
    ("arch", "said", "heading"),
    [
        pytest.param("arm64", {}, "", id="as the architecture"),
        pytest.param("arm64", {"stores": "weak"}, "", id="said, but the same"),
        pytest.param("arm64", {"stores": "in-order"}, "stores in order", id="stores, stronger"),
        pytest.param("x86-64", {"stores": "weak"}, "weak stores", id="stores, weaker"),
        pytest.param(
            "ppc64", {"coherent_icache": True}, "coherent instruction caches", id="caches, stronger"
        ),
        pytest.param(
            "riscv64",
            {"stores": "in-order", "coherent_icache": False},
            "stores in order and incoherent instruction caches",
            id="both",
        ),
    ],
)
def test_the_heading_tells_where_memory_is_not_the_architecture_s(
    arch: str, said: dict[str, object], heading: str
) -> None:
    """A reader of a verdict sees what it assumes beyond the architecture, or below it."""
    suite = Suite(protocol(arch, **said), (Variant("again", protocol(arch, **said)),), cpus=1)
    results = [check(job, spec="s.py") for job in jobs([suite], Overrides(fetch=("coherent",)))]
    console = Console(width=100)
    with console.capture() as told:
        console.print(comparison.render("s.py", results, {}))
    assert told.get().count("unlike") == (1 if heading else 0)
    assert not heading or f"  {heading}, unlike {arch}\n" in told.get()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("aarch64", "arm64"),
        ("arm46", "arm64"),
        ("AMD64", "x86-64"),
        ("x86", "x86-64"),
        ("risc-v", "riscv64"),
        ("powerpc", "ppc64"),
        ("ppc64el", "ppc64"),
        ("s390", "s390x"),
        ("hppa", "parisc"),
        ("Thumb-2", "thumb"),
        ("z80", None),
        ("", None),
    ],
)
def test_an_unknown_architecture_is_refused_with_the_nearest(wrong: str, right: str | None) -> None:
    """Other names of an architecture lead to it; where nothing is alike, all are told."""
    assert nearest(wrong) == right
    with pytest.raises(SpecError, match=f"unknown architecture '{wrong}'.*known: x86-64") as error:
        protocol(wrong)
    assert ("did you mean" in str(error.value)) == (right is not None)
    assert right is None or f"did you mean {right!r}?" in str(error.value)


def test_documents_tell_what_memory_was_and_not_whose() -> None:
    """In order and coherent go without saying, in whatever architecture; all else is written."""
    for arch, (stores, coherent, _) in MEMORY.items():
        data = converter.unstructure(protocol(arch))
        assert data.get("isa", "x86-64") == arch
        assert data.get("stores", "in-order") == stores
        assert data.get("coherent_icache", True) is coherent
    strong = converter.unstructure(protocol("arm64", stores="in-order", coherent_icache=True))
    assert not {"stores", "coherent_icache"} & set(strong)


@pytest.mark.parametrize("arch", EVERY)
@pytest.mark.parametrize("stores", ["in-order", "weak"])
@pytest.mark.parametrize("coherent", [True, False], ids=["coherent", "incoherent"])
def test_documents_read_back_as_they_were_written(
    arch: Architecture, stores: str, coherent: bool
) -> None:
    """Whatever the architecture says of memory: a document stands by itself."""
    written = protocol(arch.name, stores=stores, coherent_icache=coherent)
    data = json.loads(json.dumps(converter.unstructure(written)))
    assert converter.structure(data, Protocol) == written


def test_an_old_document_means_what_it_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when an architecture is described anew: its memory is not read from there."""
    data = json.loads(json.dumps(converter.unstructure(protocol("x86-64"))))
    assert not {"isa", "stores", "coherent_icache"} & set(data)
    weaker = replace(ARCHITECTURES["x86-64"], stores="weak", coherent_icache=False)
    monkeypatch.setitem(ARCHITECTURES, "x86-64", weaker)  # type: ignore[arg-type]
    read = converter.structure(data, Protocol)
    assert (read.stores, read.coherent_icache) == ("in-order", True)
    assert protocol("x86-64").stores == "weak"


@pytest.mark.parametrize(
    "damage",
    [
        {"stores": None},
        {"stores": "Weak"},
        {"coherent_icache": None},
        {"coherent_icache": "no"},
        {"arch": "arm64"},
        {"isa": "z80"},
    ],
    ids=lambda damage: "-".join(map(str, *damage.items())),
)
def test_a_damaged_document_is_refused(damage: dict[str, object]) -> None:
    """Nothing there is left to the architecture: what is written must be one of the two."""
    data = converter.unstructure(protocol("arm64")) | damage
    with pytest.raises(Exception, match="structuring Protocol"):
        converter.structure(data, Protocol)
