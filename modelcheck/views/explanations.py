"""Why a protocol does not tear, in sentences that use its own labels. Knows answers as data."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import assert_never

from rich.text import Text

from modelcheck.axiomatic.events import steps_by_name, unit_names
from modelcheck.axiomatic.reasons import EITHER, NEW, OLD, TRAP, Mix, Mixed, Possible
from modelcheck.axiomatic.stories import Story
from modelcheck.axiomatic.terms import Axiom, Happening
from modelcheck.protocol import actions as do
from modelcheck.protocol.actions import awaited, takes_lock, told
from modelcheck.protocol.actions import first as of_kind
from modelcheck.protocol.definition import Protocol
from modelcheck.protocol.properties import SEQUENCE, TORN
from modelcheck.questions.check import Job
from modelcheck.questions.explain import Explanation
from modelcheck.trace.words import value_text
from modelcheck.views.trace_text import plural


def render(spec: str, explanations: Sequence[Explanation]) -> Text:
    """All mixes of one variant, under each fetch model; models that agree stand together."""
    job = explanations[0].job
    text = _heading(spec, job)
    told: dict[Explanation, list[str]] = {}
    for one in explanations:
        told.setdefault(replace(one, job=job), []).append(one.job.configuration.fetch)
    for answer, models in told.items():
        text.append(f"\nunder {_enumerated(models)}:\n", "bold")
        if answer.reason is not None:
            text.append(f"  {answer.reason}.\n", "yellow")
            continue
        for alike in _alike(answer.mixes):
            text.append_text(_answer(job.variant.protocol, alike))
        for sequence in answer.sequences:
            text.append_text(_sequence(job.variant.protocol, sequence))
        text.append(f"  {_conclusion(answer)}\n")
    return text


def _conclusion(answer: Explanation) -> str:
    """What follows for all torn fetches, and for sequences where a site is a region."""
    protocol, said = answer.job.variant.protocol, []
    if not answer.mixes:
        said.append("No bytes of one instruction that could be mixed differ.")
    elif TORN not in answer.violated:
        said.append("Each torn fetch has such a mix, so there is none.")
    if SEQUENCE in answer.job.setup.watched and not answer.sequences:
        fetched = "that are fetched " if protocol.handler else ""
        said.append(f"No pass mixes whole instructions {fetched}of several forms either.")
    return "\n  ".join(said)


def _heading(spec: str, job: Job) -> Text:
    protocol, setup = job.variant.protocol, job.setup
    text = Text(f"{spec}: {protocol.name}, variant {job.variant.name}", "bold")
    for site in protocol.sites:
        text.append(f"\n  {site.name}: {site.old.hex(' ')} -> {site.new.hex(' ')}", "not bold")
    chunk = plural(job.configuration.chunk, "byte")
    text.append(f"\n  chunks of {chunk}, site at offset {setup.offset} of its line\n", "not bold")
    return text


def _alike(answers: Iterable[Mixed]) -> Iterator[list[Mixed]]:
    """Answers in their order, those together that have the same reasons."""
    for _, some in groupby(
        enumerate(answers),
        key=lambda pair: (
            pair[0]
            if isinstance(pair[1], Possible)
            else (pair[1].site, pair[1].offset, pair[1].reasons)
        ),
    ):
        yield [answer for _, answer in some]


def _answer(protocol: Protocol, alike: list[Mixed]) -> Text:
    answer = alike[0]
    what = ", nor ".join(mix_in_words(one.mix) for one in alike)
    what += f" of {answer.site}" if len(protocol.sites) > 1 else ""
    if any(site.is_region for site in protocol.sites):
        what += f", in the instruction at byte {answer.offset}"
    if isinstance(answer, Possible):
        # Where all bytes are of one form, they are torn because none of its instructions is there.
        whole = answer.mix.left if answer.mix.left == answer.mix.right in (OLD, NEW) else ""
        verb, why = ("run", f", where none of the {whole} form begins") if whole else ("mix", "")
        text = Text(f"  A CPU can {verb} {what}{why}:\n", "bold red")
        text.append("".join(f"    {line}\n" for line in _story(protocol, answer)), "not bold")
        return text
    text = Text(f"  A CPU cannot mix {what}, because\n", "green")
    for number, reason in enumerate(answer.reasons):
        if number:
            text.append("  and also because\n")
        sentences = ";\n".join(f"    - {line}" for line in reason_in_words(protocol, reason.axioms))
        text.append(sentences + ".\n", "default")
    return text


def _sequence(protocol: Protocol, story: Story) -> Text:
    """A pass that goes on in another form than it began with, and how it happens."""
    region = next(site for site in protocol.sites if site.name == story.site)
    names = [
        form.name
        for form in region.forms
        if any(at == story.offset and form.data[at:].startswith(story.data) for at, _ in form.runs)
    ]
    what = f"{_enumerated(names)} instruction at byte {story.offset}"
    what += f" of {story.site}" if len(protocol.sites) > 1 else ""
    text = Text(f"  A CPU can go on with the {what} in a pass that began otherwise:\n", "bold red")
    text.append("".join(f"    {line}\n" for line in _story(protocol, story)), "not bold")
    return text


# Mixes.


def mix_in_words(mix: Mix) -> str:
    """What is mixed: old byte 0 with new bytes 1 to 3."""
    if not mix.pairs:
        return "bytes in any other way"
    if mix.left == mix.right:
        return _bytes_in_words(mix.left, {item.byte for pair in mix.pairs for item in pair})
    left = _bytes_in_words(mix.left, {pair[0].byte for pair in mix.pairs})
    right = _bytes_in_words(mix.right, {pair[1].byte for pair in mix.pairs})
    return f"{left} with {right}"


def _bytes_in_words(kind: str, numbers: set[int]) -> str:
    bytes_ = f"{'byte' if len(numbers) == 1 else 'bytes'} {_ranges(sorted(numbers))}"
    if kind in (OLD, NEW, TRAP):
        return f"{kind} {bytes_}"
    return bytes_ if kind == EITHER else f"{bytes_} as {kind} writes {_it(len(numbers))}"


def _it(number: int) -> str:
    return "it" if number == 1 else "them"


def _ranges(numbers: list[int]) -> str:
    """Numbers in ascending order, those that follow each other as a range."""
    ranges = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ]
    return _enumerated(
        [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in ranges]
    )


def _enumerated(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# Reasons.


def reason_in_words(protocol: Protocol, axioms: tuple[Axiom, ...]) -> Iterator[str]:
    """What the axioms say, each in a sentence without its full stop; those of one step together."""
    names = unit_names(protocol)
    does = {name: step.actions() for name, step in steps_by_name(protocol).items()}
    stops = {name for name, actions in does.items() if awaited(actions) == "stopped"}
    releases = {axiom.first for axiom in axioms if axiom.kind == "restarts"}
    asks = {axiom.first for axiom in axioms if axiom.kind in ("taken", "discards", "halted")}
    waits = {axiom.second for axiom in axioms if axiom.kind == "waited for"}
    told: set[tuple[str, str]] = set()

    def says_more(axiom: Axiom) -> bool:
        return axiom.second in releases | asks or axiom.first in stops | waits

    # Of two orders of the same steps, the one that says more stands for both.
    for axiom in sorted(axioms, key=lambda a: a.kind == "before" and not says_more(a)):
        first, second = names.get(axiom.first, ""), names.get(axiom.second, "")
        if axiom.kind == "before":
            if second in ("", first) or (first, second) in told:
                continue
            told.add((first, second))
        caches = f", after {second} emptied the caches" if second else ""
        match axiom.kind:
            case "before" if axiom.second in releases:
                yield f"{second} lets the CPUs go after {first} is done"
            case "before" if axiom.second in asks:
                yield f"{second} begins after {first} is done"
            case "before" if axiom.first in stops:
                yield f"each CPU has stopped for {first} before {second}"
            case "before" if axiom.first in waits:
                yield f"each CPU acknowledges {first} before {second}"
            case "before":
                yield f"{second} comes after {first}"
            case "reaches memory":
                yield f"{first} has reached memory before {second} is over"
            case "same place":
                yield f"{first} and {second} write to the same place, and stay in order"
            case "same line":
                yield f"{first} and {second} are about one cache line, and stay in order"
            case "completed":
                yield f"the maintenance of {first} is done before {second} is over"
            case "ordered":
                yield f"{second} does not pass {first}"
            case "behind":
                yield f"who fetches what came after {second} fetches nothing that {first} dropped"
            case "passes":
                yield "an instruction that the CPU has passed discards what it had fetched"
            case "ascending write":
                yield f"{first} writes its bytes in ascending order"
            case "one store":
                yield f"{first} writes its bytes in one store"
            case "discards":
                yield f"acknowledging {first} discards what the CPU had fetched{caches}"
            case "halted":
                yield f"while {first} holds the CPUs, they fetch nothing"
            case "restarts":
                yield f"a CPU that {first} lets go discards what it had fetched{caches}"
            case "one read":
                yield f"bytes {axiom.first} to {axiom.second} are fetched in one atomic read"
            case "ascending fetch":
                yield "no byte is fetched as it was before the byte to its left was fetched"
            case "grace":
                yield f"{first} waits for each CPU that is inside the site or the trap handler"
            case "data" if need := of_kind(do.Need, does[axiom.first]):
                free = takes_lock(does[axiom.first])
                yield f"{first} waits until {need.cell} is {'free' if free else need.value}"
            case "answers":
                yield f"the trap handler goes by {axiom.first}"
            case "uninterrupted":
                yield "the trap handler takes no interrupt"
            case "returns":
                yield "to return from the trap handler discards what the CPU had fetched"
            case "flushes":
                yield f"a CPU in user mode for {first} discards what it had fetched when it is back"
            case "stands still" if axiom is next(a for a in axioms if a.kind == "stands still"):
                yield "the patcher's own CPU fetches in interrupts, between two of its steps"
            case "masked":
                yield f"from {first} on it takes no interrupt"
            case "serialises":
                yield f"{first} discards what the patcher's own CPU had fetched"
            case "taken" | "waited for" | "data" | "stands still" | "deferred" | "handled":
                pass  # said by what else is said of the same steps
            case "no foresight" | "one by one":
                pass  # true of any protocol
            case _:
                assert_never(axiom.kind)


# Tears.


def _story(protocol: Protocol, answer: Story) -> Iterator[str]:
    for number, happening in enumerate(answer.happenings, start=1):
        yield f"{number}. {_happening_in_words(protocol, answer.site, happening)}"
    site = next(site for site in protocol.sites if site.name == answer.site)
    parts = []
    for after in sorted(set(answer.fetched)):
        numbers = [
            byte
            for byte, fetched in enumerate(answer.fetched, start=answer.offset)
            if fetched == after
        ]
        when = f"after step {after}" if after else "at the beginning"
        which = f"{'byte' if len(numbers) == 1 else 'bytes'} {_ranges(numbers)}"
        parts.append(f"{which} as {'it was' if len(numbers) == 1 else 'they were'} {when}")
    for done in answer.walk:
        how = "the handler of the trap" if done.handled else "the instruction"
        yield f"It has come by {how} at byte {done.offset}: {done.data.hex(' ')}"
    runs = protocol.architecture.decode(answer.data, site.address + answer.offset).text
    yield f"It executes {answer.data.hex(' ')}: {runs}"
    yield f"with {_enumerated(parts)}."


def _happening_in_words(protocol: Protocol, site: str, happening: Happening) -> str:
    label = happening.label
    actions = steps_by_name(protocol)[label].actions()
    if of_kind(do.Put, actions):
        return f"{label}: {site}+{happening.byte} := {happening.data.hex(' ')}"
    match told(actions):
        case do.Ipi() if happening.taken:
            return f"the CPU takes the IPI of {label}"
        case do.Ipi():
            return f"{label}: IPI to all"
        case do.Stop() if happening.taken:
            return f"the CPU stops for {label}"
        case do.Release() if happening.taken:
            return f"the CPU goes on after {label}"
        case do.Stop() | do.Release() | do.Grace() | None:
            pass
        case unknown:
            assert_never(unknown)
    if happening.taken:
        return f"the caches have done {label}"
    if awaited(actions) == "acknowledged":
        return f"{label}: all acknowledged"
    stored = of_kind(do.Set, actions)
    if stored and not stored.at_once:
        return f"{label}: {stored.cell} := {value_text(stored.value)}"
    return label
