"""The phases of patching, against what a search sees, and the files they are written to."""

import re
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import pytest

from modelcheck import Suite, Variant
from modelcheck.cli import main
from modelcheck.explore.verdict import Limits, Verdict
from modelcheck.machine.actors import Machine
from modelcheck.machine.setup import Configuration
from modelcheck.questions.check import Job
from modelcheck.questions.phases import FINISHED, Phase, phases
from tests.checks import walk
from tests.protocols import three_byte_variants
from tests.test_exports import count
from tests.test_promela import with_hostile_names

INT3 = str(Path(__file__).parent.parent / "specs" / "x86_int3.py")


def job_of(name: str, configuration: Configuration) -> Job:
    """A job for a variant on three bytes, or for the hostile protocol."""
    protocol = with_hostile_names() if name == "hostile" else three_byte_variants()[name]
    return Job(Suite(protocol), Variant(name, protocol), configuration, name)


@pytest.mark.parametrize("fetch", ["coherent", "incoherent"])
@pytest.mark.parametrize("name", ["base", "no-sync-2", "no-sync-3"])
def test_together_the_phases_have_all_that_a_search_sees(name: str, fetch: str) -> None:
    """Differential: executions, violations and states of all phases are those of the search."""
    job = job_of(name, Configuration(2, fetch))
    answer = phases(job)
    graph = answer.graph
    found: list[Phase] = [graph.nodes[position]["phase"] for position in graph]
    everything = walk(job.variant.protocol, job.configuration)
    # Beyond a violation there may be more, which is not drawn.
    executed = {execution for phase in found for execution in phase.executions}
    assert executed <= everything.survey.executed
    assert {name for phase in found for name in phase.violations} == everything.survey.found
    assert answer.violated == everything.survey.found
    if not everything.survey.found:
        assert executed == everything.survey.executed
    machine = Machine(job.variant.protocol, job.configuration)
    assert sum(phase.states for phase in found) == count(machine, follow=False).states


def test_each_phase_has_what_can_be_executed_in_it() -> None:
    """The tear is in the phase after the tail, and in no other."""
    graph = phases(job_of("no-sync-1", Configuration(1))).graph

    def kinds(label: str) -> set[str]:
        return {execution.kind for execution in graph.nodes[label,]["phase"].executions}

    assert kinds("int3") == {"old"}
    assert kinds("tail") == {"old", "trap", "emulated", "torn"}
    assert kinds("head") == {"trap", "emulated"}
    assert kinds(FINISHED) == {"new"}
    assert list(graph.nodes["tail",]["phase"].violations) == ["no-torn-instruction"]
    assert graph.edges[("int3",), ("tail",)]["step"] == "int3"


def test_a_limit_is_no_picture() -> None:
    """Half a state space would be a picture of another protocol."""
    answer = phases(job_of("base", Configuration(2)), Limits(states=200))
    assert (answer.verdict, answer.reason) == (Verdict.INCONCLUSIVE, "more than 200 states")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_svg(capsys: pytest.CaptureFixture[str]) -> None:
    """Titles, lines and violations are in it, and no text leaves the picture."""
    assert main(["graph", INT3, "--variant", "no-sync-1", "--cpus", "1", "-o", "a.svg"]) == 0
    assert "Wrote a.svg: 10 phases" in capsys.readouterr().err
    root = ElementTree.parse("a.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "nop-to-call, variant no-sync-1" in texts
    assert "TORN (7)" in texts
    assert "int3  (line 53)" in texts
    assert texts.count("no-torn-instruction") == 3
    width = int(root.attrib["width"])
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        if "text-anchor" not in element.attrib:
            assert int(element.attrib["x"]) + 7 * len(element.text or "") <= width


def test_graphml() -> None:
    """Another program reads the graph, with its attributes."""
    assert main(["graph", INT3, "--cpus", "1", "-o", "a.graphml"]) == 0
    graph = nx.read_graphml("a.graphml")
    assert len(graph) == 12
    assert graph.nodes["retire"]["executes"] == "new"
    assert graph.edges["retire", "finished"]["step"] == "retire"


def test_dot() -> None:
    """Each line is a statement of the language, a node for each phase."""
    assert main(["graph", INT3, "--cpus", "1", "-o", "a.dot"]) == 0
    lines = Path("a.dot").read_text().splitlines()
    assert lines[0] == "digraph phases {"
    assert lines[-1] == "}"
    nodes = [line for line in lines if re.fullmatch(r'  p\d+ \[label="[^"]*"\];', line)]
    edges = [line for line in lines if re.fullmatch(r'  p\d+ -> p\d+ \[label="[^"]*"\];', line)]
    assert (len(nodes), len(edges)) == (12, 11)


def test_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown ending is exit code 2, a limit exit code 3 and no file."""
    assert main(["graph", INT3, "-o", "a.png"]) == 2
    assert "must end in .dot, .graphml, .svg" in capsys.readouterr().err
    assert main(["graph", INT3, "-o", "a.svg", "--max-states", "100"]) == 3
    assert "INCONCLUSIVE: more than 100 states" in capsys.readouterr().err
    assert not Path("a.svg").exists()


def test_a_picture_that_nobody_can_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """More phases than fit a page go to DOT or GraphML only."""
    monkeypatch.setattr("modelcheck.cli.graph.READABLE", 11)
    assert main(["graph", INT3, "--cpus", "1", "-o", "a.svg"]) == 2
    assert "12 phases are more than a person can read (11)" in capsys.readouterr().err
    assert main(["graph", INT3, "--cpus", "1", "-o", "a.dot"]) == 0
