"""The browser: what it shows of each shipped trace, and that its keys lead where they should."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from modelcheck import Cell, Protocol, Site, Suite, wait_until, write
from modelcheck.browse.app import Browser
from modelcheck.browse.entries import Entry, of_file, of_folder
from modelcheck.browse.opened import Opened, open_trace
from modelcheck.browse.panel import panel
from modelcheck.browse.programs import align, contrast
from modelcheck.browse.screens import ListScreen, ProgramsScreen, TextScreen, TraceScreen
from modelcheck.browse.swimlanes import heading, rows
from modelcheck.browse.titles import against, verdict
from modelcheck.browse.widgets import Rows
from modelcheck.cli import main
from modelcheck.frontends.spec_files import load_suites
from modelcheck.protocol.program import flatten
from modelcheck.questions.check import Overrides, check, jobs
from tests.protocols import watching

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "counterexamples"
SPECS = tuple(sorted((ROOT / "specs").glob("*.py")))
SIZE = (100, 30)
WIDTH = 94
UNLIKE = ("stop-machine",)
"""Protocols of which the specs have nothing safe that is like them."""


@cache
def entries() -> tuple[Entry, ...]:
    """The entries of all shipped counterexamples."""
    found, refused = of_folder(SHIPPED)
    assert not refused
    return found


@cache
def opened(name: str) -> Opened:
    """A shipped counterexample, opened."""
    entry = of_file(SHIPPED / f"{name}.json")
    assert entry.trace
    return open_trace(entry.trace, entry.path, SPECS)


def drive(app: Browser, act: Callable[[Pilot[None]], Awaitable[None]]) -> None:
    """Run the browser without a terminal, and act in it."""

    async def run() -> None:
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            await act(pilot)

    asyncio.run(run())


def screen_text(app: Browser) -> list[str]:
    """What is on the screen, line by line."""
    lines = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in lines]


# What is shown.


@pytest.mark.parametrize("entry", entries(), ids=lambda e: f"{e.spec}-{e.path.stem}")
def test_everything_shipped_can_be_shown_in_100_columns(entry: Entry) -> None:
    """No lane and no panel is cut off, and a changed byte is marked in each."""
    assert entry.trace
    shown = open_trace(entry.trace, entry.path, SPECS)
    lanes = rows(shown, WIDTH)
    assert [lane.step for lane in lanes if lane.step is not None] == list(range(len(shown.row)))
    lines = [heading(shown, WIDTH), *against(shown, WIDTH).splitlines()]
    lines += [line for lane in lanes for line in lane.lines]
    for frame in shown.row:
        lines += (about := panel(shown, frame.number, WIDTH + 2))
        for site in frame.sites:
            assert not site.changed or any(
                f"[{site.data[site.changed[0]]:02x}]" in a for a in about
            )
    assert max(map(len, lines)) <= WIDTH + 2
    if shown.contrast is None:
        assert entry.variant == "base" or entry.protocol in UNLIKE
    else:
        assert shown.contrast.summary
        assert not shown.stale


def test_the_missing_step_stands_where_it_belongs() -> None:
    """The variant is shown beside the nearest safe one; a gap is where the step would be."""
    shown = opened("x86_int3/no-sync-1")
    lines = ["".join(lane.lines) for lane in rows(shown, WIDTH)]
    (at,) = [number for number, line in enumerate(lines) if "sync-1: MISSING" in line]
    assert "int3" in lines[at - 1]
    assert "tail" in lines[at + 1]
    assert against(shown, WIDTH) == "Unlike base (expected safe): sync-1 is missing"


def test_lanes_take_the_room_that_they_need() -> None:
    """Each actor's steps stand under its own name."""
    shown = opened("x86_int3/no-sync-2")
    lines = [line for lane in rows(shown, WIDTH) for line in lane.lines]
    assert any("sync-1/wait: all acknowledged" in line for line in lines)
    names = heading(shown, WIDTH)
    for actor, text in (("patcher", "publish:"), ("cpu1", "runs e8"), ("cpu2", "takes the IPI")):
        assert any(line.find(text) == names.index(actor) for line in lines), actor


@pytest.mark.parametrize(
    ("actors", "name"),
    [((), "who does what"), (("patcher",), "patcher"), (tuple("abcde"), "who does what")],
    ids=["none", "one", "many"],
)
def test_no_actor_one_or_many_have_one_lane(actors: tuple[str, ...], name: str) -> None:
    """More actors than columns are told in one lane, by name."""
    shown = replace(opened("x86_int3/no-sync-1"), actors=actors)
    assert heading(shown, WIDTH).endswith(f"│ {name}")
    assert all(line.count("│") == 1 for lane in rows(shown, WIDTH) for line in lane.lines)


@pytest.mark.parametrize(
    ("name", "gap", "before", "after"),
    [
        ("x86_int3/call-to-call.skip-as-nop", "emulate: MISSING", "find:", "(+) skip"),
        (
            "user_membarrier/no-sync-on-switch",
            "has sync_core_before_usermode:",
            "switch in:",
            "runs",
        ),
    ],
)
def test_what_is_missing_of_any_program_is_shown(
    name: str, gap: str, before: str, after: str
) -> None:
    """Handlers and the programs of CPUs lack steps too, not only the patcher's."""
    lines = ["".join(lane.lines) for lane in rows(opened(name), WIDTH)]
    (at,) = [number for number, line in enumerate(lines) if gap in line]
    assert before in lines[at - 1]
    assert after in lines[at + 1]


def test_the_panel_tells_memory_windows_and_where_bytes_came_from() -> None:
    """A torn fetch is explained byte by byte: what was there, what could be seen, who wrote it."""
    shown = opened("x86_int3/no-sync-1")
    tail = [" ".join(line.split()) for line in panel(shown, 3, WIDTH)]
    source = shown.row[3].source
    assert f'{source} write("tail", site, new[1:], at=1),' in tail
    assert "old 0f 1f 44 00 00 nop dword [rax+rax]" in tail
    assert "in memory cc [e7] 44 00 00 int3" in tail
    assert "every CPU may see 0f|cc [1f|e7] 44 00 00" in tail
    torn = [" ".join(line.split()) for line in panel(shown, 4, WIDTH)]
    assert "cpu0, cpu2 may see 0f|cc 1f|e7 44 00 00" in torn
    assert "cpu1 could see 0f|cc 1f|e7 44 00 00" in torn
    assert "cpu1 runs 0f e7 44 00 00 movntq [rax+rax], mm0 (torn)" in torn
    assert "written in step old 3 old old same" in torn
    assert any(line.startswith("VIOLATION of no-torn-instruction") for line in torn)


def test_disassembly_begins_where_instructions_do() -> None:
    """Of several instructions, each is decoded from its own first byte."""
    shown = opened("x86_optprobe/grace-before-sync")
    lines = [" ".join(line.split()) for line in panel(shown, shown.last, WIDTH)]
    assert "old 55 48 89 e5 90 push rbp; mov rbp, rsp; nop" in lines
    assert "in memory cc e7 89 e5 90 int3; out 0x89, eax; +4 nop" in lines
    assert "new e9 e7 57 07 00 jmp 0xffffffff810767ec" in lines


def test_a_cpu_that_serialises_first_has_no_window() -> None:
    """What it fetches next is not decided by what it saw before."""
    shown = opened("x86_bpf_tail_call/no-grace")
    lines = [" ".join(line.split()) for line in panel(shown, 23, WIDTH)]
    assert any(line.endswith("(serialises before it fetches again)") for line in lines)


def test_marks_of_a_diff() -> None:
    """Same, missing, moved and changed are told apart, and in words."""
    base, *_ = load_suites(ROOT / "specs" / "x86_int3.py")
    protocol = base.protocol
    edits = {
        "missing": protocol.without("sync-1"),
        "moved": protocol.moved("publish", after="tail"),
        "changed": protocol.replaced("int3", write("int3", protocol.sites[0], b"\xf4")),
    }
    for mark in edits:
        marks = {
            row.mark
            for row in align(tuple(flatten(protocol.program)), tuple(flatten(edits[mark].program)))
        }
        assert marks == {"same", mark}
    assert contrast("base", protocol, edits["missing"]).summary == ("sync-1 is missing",)
    assert contrast("base", protocol, edits["moved"]).summary == (
        "publish is moved, it belongs first",
    )
    assert contrast("base", protocol, protocol).summary == ()


def test_a_step_put_into_a_block_is_not_missing() -> None:
    """A block is a bracket around steps, and no step of its own."""
    shown = opened("riscv_ftrace_call_ops/ipi-in-stop-machine")
    assert shown.contrast is not None
    assert shown.contrast.summary == ("stop_machine is added",)
    (section,) = shown.contrast.sections
    marks = {row.broken.label.split("/")[-1]: row.mark for row in section.rows if row.broken}
    assert marks["jalr"] == "same"
    assert marks["release"] == "added"


def test_what_is_put_beside_is_expected_safe_in_all_that_it_watches() -> None:
    """Only a protocol that is right in all that this one watches shows what is wrong here."""
    # The spec's ipi-in-stop-machine is nearest to it, but has a deadlock, which this one watches
    # not; and there is nothing to say of a program that enables beside one that disables.
    assert opened("riscv_ftrace_call_ops/stop-machine.base").contrast is None
    assert opened("user_xray/base").contrast is None


def test_a_loop_and_an_actor_for_each_column() -> None:
    """A trace that never ends says where it goes round."""
    site = Site("s", b"\x90\x90", b"\xc3\xc3")
    flag = Cell("flag", 0)
    protocol = watching(
        Protocol(
            "waits",
            (site,),
            (write("write", site, b"\xc3"), wait_until("wait", flag, 1)),
            cells=(flag,),
        ),
        "patch-completes",
    )
    (job,) = jobs((Suite(protocol, cpus=1, fetch=("per-chunk",)),), Overrides())
    trace = check(job, spec="nowhere.py").trace
    assert trace is not None
    assert trace.loop is not None
    shown = open_trace(trace)
    lanes = rows(shown, WIDTH)
    (begin,) = [at for at, lane in enumerate(lanes) if "from here on, for ever" in lane.lines[0]]
    assert lanes[begin + 1].step == trace.loop + 1
    assert "and again" in lanes[-1].lines[0]
    assert "a loop" in verdict(shown)


def test_a_trace_without_its_spec_opens(tmp_path: Path) -> None:
    """A counterexample is self-contained; what the spec would add is told as missing."""
    text = (SHIPPED / "x86_int3" / "no-sync-1.json").read_text().replace("specs/", "gone/")
    (tmp_path / "t.json").write_text(text)
    entry = of_file(tmp_path / "t.json")
    assert entry.trace
    shown = open_trace(entry.trace, entry.path)
    assert shown.contrast is None
    assert "give its spec, x86_int3.py, with --spec" in against(shown, WIDTH)


def test_a_file_that_only_a_trace_names_is_not_run(tmp_path: Path) -> None:
    """A stranger's file is not executed for having been named, though it is shown as text."""
    ran, evil = tmp_path / "ran", tmp_path / "wipe.py"
    evil.write_text(f"import modelcheck; open({str(ran)!r}, 'w')\n" * 60)
    text = (SHIPPED / "x86_int3" / "no-sync-1.json").read_text()
    text = text.replace('"specs/x86_int3.py"', f'"{evil}"').replace("x86_int3.py:", "wipe.py:")
    (tmp_path / "t.json").write_text(text)
    trace = of_file(tmp_path / "t.json").trace
    assert trace is not None
    shown = open_trace(trace, specs=SPECS)
    assert shown.contrast is None
    assert all(line.startswith("import modelcheck; open(") for line in shown.lines.values())
    assert shown.lines
    assert not ran.exists()
    open_trace(trace, specs=(evil,))
    assert ran.exists()


# The keys.


def test_from_the_list_to_the_violation_and_back() -> None:
    """The keys do what the help says, at both ends of a trace too."""
    app = Browser("counterexamples", entries())

    async def act(pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, ListScreen)
        await pilot.press("j", "j", "k")
        assert app.screen.query_one(Rows).highlighted == 1
        await pilot.press("enter")
        trace = app.screen
        assert isinstance(trace, TraceScreen)
        assert trace.opened.trace == entries()[1].trace
        for key, step in [
            ("k", 0),
            ("j", 1),
            ("down", 2),
            ("right", 3),
            ("left", 2),
            ("up", 1),
            ("v", trace.opened.last),
            ("j", trace.opened.last),
            ("home", 0),
            ("end", trace.opened.last),
        ]:
            await pilot.press(key)
            await pilot.pause()
            assert trace.step == step, key
        await pilot.press("escape")
        assert isinstance(app.screen, ListScreen)
        await pilot.press("q")
        assert not app.is_running or app._exit

    drive(app, act)


def test_programs_bug_and_help() -> None:
    """Each screen opens and closes with its own key."""
    app = Browser(
        "one", (of_file(SHIPPED / "x86_optprobe" / "grace-before-sync.json"),), specs=SPECS
    )

    async def act(pilot: Pilot[None]) -> None:
        assert isinstance(app.screen, TraceScreen)
        await pilot.press("p")
        assert isinstance(app.screen, ProgramsScreen)
        await pilot.press("n")
        assert any(line.lstrip().startswith("> MOVED") for line in screen_text(app))
        await pilot.press("p")
        assert isinstance(app.screen, TraceScreen)
        for key, word in (("question_mark", "a step forward"), ("b", "grace")):
            await pilot.press(key)
            assert isinstance(app.screen, TextScreen)
            assert word in str(app.screen.query_one("#text", Static).content)
            await pilot.press("escape")
        assert isinstance(app.screen, TraceScreen)

    drive(app, act)


def test_all_of_it_fits_in_100_by_30() -> None:
    """Verdict, gap, memory and keys are all on a screen of an ordinary terminal."""
    app = Browser("one", (of_file(SHIPPED / "x86_int3" / "no-sync-1.json"),), specs=SPECS)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await pilot.pause()
        text = screen_text(app)
        assert len(text) == SIZE[1]
        for words in (
            "VIOLATES no-torn-instruction",
            "sync-1 is missing",
            "!! base has sync-1: MISSING",
            ">    4",
            "in memory",
            "could see",
            "written in step",
            "no-torn-instruction: No CPU",
            "p safe program",
        ):
            assert any(words in line for line in text), words
        await pilot.press("question_mark")
        await pilot.pause()
        assert any("esc: back" in line for line in screen_text(app))

    drive(app, act)


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_shipped_counterexamples_open_at_their_violation(every: int) -> None:
    """The last step's panel says what is violated."""
    app = Browser("one", entries()[:1])

    async def act(pilot: Pilot[None]) -> None:
        for entry in entries()[::every]:
            assert entry.trace
            trace = TraceScreen(open_trace(entry.trace, entry.path))
            trace.step = trace.opened.last
            with app.batch_update():
                await app.switch_screen(trace)
                await pilot.pause()
            text = str(trace.query_one("#panel-text", Static).content)
            assert "VIOLATION" in text

    drive(app, act)


def test_a_fresh_check_fills_the_list() -> None:
    """Verdicts come in while the search runs, and the violated ones open."""
    spec = ROOT / "specs" / "x86_int3.py"
    wanted = Overrides(variants=("base", "no-sync-1"), cpus=1, fetch=("per-chunk",))
    todo = tuple(jobs(load_suites(spec)[:1], wanted))
    app = Browser("checking", todo=todo, spec=spec.as_posix())

    async def act(pilot: Pilot[None]) -> None:
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, ListScreen)
        assert [entry.verdict for entry in app.screen.entries] == [
            "safe for 1 CPU",
            "no-torn-instruction",
        ]
        assert [entry.note for entry in app.screen.entries] == [
            "safe under per-chunk",
            "violated under per-chunk",
        ]
        await pilot.press("enter")
        assert isinstance(app.screen, ListScreen)
        await pilot.press("j", "enter")
        assert isinstance(app.screen, TraceScreen)

    drive(app, act)


# The command.


def test_without_a_terminal_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Output into a pipe is exit code 2, not a screen full of escapes."""
    assert main(["browse", str(SHIPPED)]) == 2
    assert "needs a terminal" in capsys.readouterr().err
