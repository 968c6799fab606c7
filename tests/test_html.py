"""The HTML report in a real browser: it steps, it links, it needs nothing else, and it is small."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelcheck import (
    STRICT_TOO,
    Cell,
    Protocol,
    Site,
    Suite,
    Variant,
    store,
    violates,
    wait_until,
    write,
)
from modelcheck.cli import main
from modelcheck.cli.check import checked
from modelcheck.frontends.spec_files import load_suites
from modelcheck.questions.check import Overrides, check, jobs
from modelcheck.trace import kinds
from modelcheck.trace.document import load
from modelcheck.views import report
from modelcheck.views.report.programs import compared
from modelcheck.views.report.traces import document, embedded
from modelcheck.views.sources import sources
from tests.protocols import watching

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parent.parent
INT3 = ROOT / "specs" / "x86_int3.py"
COMMITTED = sorted((ROOT / "counterexamples").glob("*/*.json"))
CHROMIUM = shutil.which("chromium")
MEGABYTE = 1_000_000

TRACE = "#trace=x86_int3/nop-to-call/no-sync-2/per-chunk"
HOSTILE = '</script><script>document.title="hacked"</script><!--<b>&'


# The text.


def test_text_that_ends_scripts_stays_data() -> None:
    """What a spec calls things cannot end the script element it is in."""
    assert not re.search("[<>&\u2028]", embedded([HOSTILE + "\u2028"]))
    assert json.loads(embedded([HOSTILE])) == [HOSTILE]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_shipped_counterexample_is_small_and_has_its_source_lines(path: Path) -> None:
    """Each is under 20 kB, with the spec's line of each step."""
    trace = load(path)
    found = document(trace, sources(ROOT / trace.spec, [kinds.told(trace)]), trace.protocol)
    assert len(embedded(found)) < 20_000
    assert set(found["lines"]) == {step.source for step in trace.steps if step.source}
    assert all(step[0] == "same" for _, steps in found["programs"] for step in steps)


def test_a_missing_source_is_no_error() -> None:
    """A trace may outlive its spec; then its lines are left out."""
    trace = load(ROOT / "counterexamples" / "x86_int3" / "no-sync-2.json")
    assert (
        document(trace, sources(Path("gone.py"), [kinds.told(trace)]), trace.protocol)["lines"]
        == {}
    )


def test_programs_are_compared_step_by_step() -> None:
    """What a variant lacks, has more or has otherwise, beside the base."""
    (suite, *_) = load_suites(INT3)
    variants = {variant.name: variant.protocol for variant in suite}

    def told(name: str) -> list[tuple[str, str]]:
        steps = dict(compared(suite.protocol, variants[name]))["patcher"]
        return [(step.mark, step.label) for step in steps if step.mark != "same"]

    assert told("base") == []
    assert told("no-sync-2") == [("missing", "sync-2")]
    assert told("tail-any-order") == [("changed", "tail")]
    assert told("retire-early") == [("new", "retire"), ("missing", "retire")]


def test_the_command_writes_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--html gives a report; a place that cannot be written is exit code 2."""
    monkeypatch.chdir(tmp_path)
    run = (str(INT3), "--variant", "no-sync-1", "--cpus", "1", "--html")
    assert main([*run, "r.html"]) == 0
    assert "no-torn-instruction" in Path("r.html").read_text(encoding="utf-8")
    (tmp_path / "file").touch()
    assert main([*run, "file/r.html"]) == 2
    assert "is not a folder" in capsys.readouterr().err


# In a browser.


def page_text() -> str:
    """A report of a shipped spec, of one that waits for ever, and of one with hostile names."""
    (suite, *_) = load_suites(INT3)
    chosen = Overrides(variants=("base", "no-sync-2", "no-sync-3"), fetch=("per-chunk", "coherent"))
    spec = checked(INT3, [check(job, spec="x") for job in jobs((suite,), chosen)])
    site, cell = Site("s", b"\x66\x90", b"\xeb\x00"), Cell("c")
    odd = Protocol(
        "odd",
        (site,),
        (store(HOSTILE, cell, HOSTILE), write("bytes", site, site.new)),
        cells=(cell,),
    )
    waits = watching(
        Protocol(
            "waits",
            (site,),
            (store("set", cell, 2), wait_until("wait", cell, 1)),
            cells=(cell,),
        ),
        "finishes",
        "patch-completes",
    )
    suites = (
        # Twice the variants: the base, and the hostile one.
        Suite(
            odd,
            (Variant("hostile <i>", odd, violates("no-torn-instruction")),),
            cpus=1,
            fetch=STRICT_TOO,
        ),
        Suite(waits, cpus=1, fetch=("per-chunk",)),
        Suite(watching(replace(waits, name="loops"), "patch-completes"), cpus=1, fetch=STRICT_TOO),
    )
    others = checked(
        Path("a_long_folder_name/" * 8 + "odd.py"),
        [check(job, spec="y") for job in jobs(suites, Overrides())],
    )
    return report.render([spec, others])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report that these tests look at, written once."""
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(page_text(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window, started once."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    """A page that fails the test if it logs an error or asks for anything but the file."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.set_default_timeout(5_000)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith("file:") or faults.append("network"))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert faults == []


def until(page: Any, condition: str) -> None:
    """Wait, for 5 s at most; asked from here, since the page's own policy forbids eval."""
    end = time.monotonic() + 5
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


@contextmanager
def following(page: Any) -> Iterator[None]:
    """Wait until the page has followed a link."""
    page.evaluate(
        "() => { window.followed = new Promise("
        "done => addEventListener('hashchange', () => done(), {once: true})) }"
    )
    yield
    page.evaluate("() => window.followed")


def visit(page: Any, fragment: str) -> None:
    """Follow a link into a trace."""
    with following(page):
        page.evaluate("fragment => { location.hash = fragment }", fragment)
    page.wait_for_selector("#viewer:not([hidden])")


def in_memory(page: Any) -> list[str]:
    """The bytes in memory; with an asterisk where they have changed."""
    return [
        cell.inner_text().replace("\n", " ")
        + ("*" if "changed" in str(cell.get_attribute("class")) else "")
        for cell in page.query_selector_all("#bytes tr.memory .byte")
    ]


def seen_by_cpu1(page: Any) -> list[list[str]]:
    """What cpu1 may see of each byte, and whether that has changed."""
    row = page.query_selector_all("#bytes tr.cpu")[1]
    return [cell.inner_text().split() for cell in row.query_selector_all("td:has(.byte)")]


def at(page: Any) -> str:
    """The step shown, and how many there are."""
    return str(page.inner_text("#position"))


def test_the_overview_has_verdicts_and_opens_traces(page: Any) -> None:
    """A verdict is a link to its trace, and back again to where one was."""
    assert page.is_visible("#overview")
    rows = page.query_selector_all(".matrix tbody tr")
    cells = [cell.inner_text() for cell in rows[1].query_selector_all("td")]
    assert (rows[1].query_selector("th").inner_text(), cells[:2]) == (
        "no-sync-2",
        ["BAD 12", "safe"],
    )
    with following(page):
        page.click("text=BAD 12")
    assert page.inner_text("#trace-title").startswith("nop-to-call, variant no-sync-2")
    assert at(page) == "12 / 12"
    assert page.is_hidden("#overview")
    last = page.query_selector(".row.current").bounding_box()
    assert 0 < last["y"] < last["y"] + last["height"] < 900
    assert page.inner_text("#programs del") == "sync-2"
    with following(page):
        page.click("#back")
    assert page.is_visible("#overview")
    assert page.evaluate("document.activeElement.textContent") == "BAD 12"


def test_a_link_opens_a_single_step_and_the_slider_moves_on(page: Any) -> None:
    """A step has an address that can be mailed, and the address follows the slider."""
    visit(page, TRACE + "&step=7")
    assert at(page) == "7 / 12"
    assert in_memory(page) == ["cc", "e7 changed*", "44", "00", "00"]
    assert page.inner_text(".row.current .box").endswith("00")
    assert page.inner_text("#now .source") == 'x86_int3.py:55write("tail", site, new[1:], at=1),'
    page.fill("#slider", "8")
    assert at(page) == "8 / 12"
    assert in_memory(page) == ["cc", "e7", "57 changed*", "00", "00"]
    assert page.evaluate("location.hash") == TRACE + "&step=8"
    assert page.get_attribute("#slider", "aria-valuetext") == "step 8 of 12: patcher foo+2 := 57"
    with following(page):
        page.click("[data-step='2'] a.number")
    assert at(page) == "2 / 12"
    assert in_memory(page) == ["cc changed*", "1f", "44", "00", "00"]


def test_the_keyboard_does_all(page: Any) -> None:
    """Arrows, ends, next trace and back need no mouse."""
    visit(page, TRACE + "&step=3")
    for key, position in [
        ("ArrowRight", "4 / 12"),
        ("ArrowLeft", "3 / 12"),
        ("Home", "0 / 12"),
        ("ArrowLeft", "0 / 12"),
        ("End", "12 / 12"),
    ]:
        page.keyboard.press(key)
        assert at(page) == position
    page.focus("#slider")
    page.keyboard.press("ArrowLeft")
    assert at(page) == "11 / 12"
    page.keyboard.press("]")
    until(page, "document.title.includes('no-sync-3')")
    page.keyboard.press("Escape")
    page.wait_for_selector("#overview:not([hidden])")


def test_windows_messages_and_the_violation_show(page: Any) -> None:
    """What each CPU may see, who told whom, and where the torn bytes are from."""
    visit(page, TRACE + "&step=12")
    assert seen_by_cpu1(page)[:2] == [["cc", "e8"], ["1f", "e7"]]
    assert "cpu1 could see" in page.inner_text("#bytes")
    assert page.inner_text("#bytes tr.ran .reads") == "call 0xffffffff81005424"
    assert [cell.inner_text() for cell in page.query_selector_all("#bytes tr.origin td")][:5] == [
        "11",
        "old",
        "old",
        "old",
        "either",
    ]
    visit(page, TRACE + "&step=4")
    assert seen_by_cpu1(page)[:2] == [["cc", "changed"], ["1f"]]
    assert page.inner_text("#trace-why").startswith("cpu1 executes e8 1f 44 00 00 at foo")
    assert len(page.query_selector_all(".piece.told.enter")) == 2
    assert len(page.query_selector_all(".piece.answer.enter")) == 2
    end = page.query_selector("[data-step='4'] .piece.told.enter").bounding_box()
    box = page.query_selector("[data-step='4'] .box").bounding_box()
    assert abs(end["x"] + end["width"] - box["x"]) < 3


def test_every_trace_and_every_step_is_shown(page: Any) -> None:
    """All traces can be walked to their ends without an error on the page, hostile ones too."""
    names = page.evaluate("[...document.querySelectorAll('script.trace')].map(n => n.dataset.name)")
    assert len(names) == 3 + 5 + 5 + 1 + 5
    for name in names:
        visit(page, f"#trace={name}&step=0")
        last = int(at(page).split(" / ")[1])
        for step in range(last):
            assert at(page) == f"{step} / {last}"
            page.keyboard.press("ArrowRight")
    assert page.query_selector(".row.loop-start")
    visit(page, f"#trace={next(name for name in names if 'hostile' in name)}&step=1")
    assert page.title().startswith("odd, variant hostile")
    assert HOSTILE[:20] in page.inner_text("#cells")


def test_an_unknown_link_shows_the_overview(page: Any) -> None:
    """A stale link says so instead of a blank page."""
    for fragment, told in [("trace=no&step=1", True), ("trace=%zz", True), ("nothing", False)]:
        page.evaluate("fragment => { location.hash = fragment }", fragment)
        page.wait_for_selector("#unknown", state="visible" if told else "hidden")
        assert page.is_visible("#overview")


def test_runs_of_litmus_tests_are_stepped_through(browser: Any, tmp_path: Path) -> None:
    """The same page, with values in the place of bytes."""
    path = tmp_path / "litmus.html"
    file = ROOT / "litmus" / "aarch64" / "MP.RF+dmb.st+ctrlisb.litmus"
    assert main(["litmus", str(file), "--html", str(path)]) == 0
    page = browser.new_page()
    page.set_default_timeout(5_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    page.click("td.bad a")
    page.wait_for_selector("#viewer:not([hidden])")
    assert at(page) == "4 / 4"
    assert page.inner_text("#trace-title").startswith("MP.RF+dmb.st+ctrlisb, rules DIC=0 IDC=0")
    assert "comes out, as the test asks" in page.inner_text("#trace-why")
    assert "P1:site" in page.inner_text("#cells")
    page.keyboard.press("Home")
    assert "before the first step" in page.inner_text("#now")
    assert "not done yet: STR W0,[X1]" in page.inner_text("#cells")
    page.close()
    assert faults == []


def test_dark_light_and_paper(page: Any) -> None:
    """Both colour schemes, and on paper no controls and nothing faded."""
    colour = "getComputedStyle(document.body).backgroundColor"
    visit(page, TRACE + "&step=3")
    page.emulate_media(color_scheme="light")
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(colour) != light
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    assert page.is_hidden(".controls")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.future .number')).opacity") == "1"
    )


def test_a_narrow_screen_scrolls_only_inside_its_tables(page: Any) -> None:
    """On a telephone's 360 pixels the page itself does not scroll sideways."""
    page.set_viewport_size({"width": 360, "height": 800})
    for fragment in ("#", TRACE + "&step=12"):
        page.evaluate("fragment => { location.hash = fragment }", fragment)
        until(page, "document.documentElement.scrollWidth <= innerWidth")


def test_the_file_needs_no_other(file: Path) -> None:
    """No address of another file or host is in it."""
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!#)|url\(|@import|https?://""", text)


@pytest.mark.slow
def test_the_report_of_all_specs_is_small_and_opens_at_once(browser: Any, tmp_path: Path) -> None:
    """All specs in less than five megabytes."""
    specs = [
        checked(
            path,
            [check(job, spec=path.name) for job in jobs(load_suites(path), Overrides())],
        )
        for path in sorted((ROOT / "specs").glob("*.py"))
    ]
    path = tmp_path / "all.html"
    path.write_text(report.render(specs), encoding="utf-8")
    assert path.stat().st_size < 5 * MEGABYTE
    page = browser.new_page()
    page.goto(path.as_uri())
    assert len(page.query_selector_all("section.spec")) == len(specs)
    page.close()
