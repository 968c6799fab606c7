"""A litmus file as data: what it says, before any architecture looks at it. Knows the grammar."""

import re
from dataclasses import dataclass, field
from typing import Literal as OneOf
from typing import assert_never

from lark import Token, Tree

from modelcheck.litmus.condition import (
    And,
    Equals,
    Faulted,
    Location,
    Not,
    Or,
    Proposition,
    Quantifier,
    Truth,
)
from modelcheck.litmus.errors import LitmusError, Spot
from modelcheck.litmus.grammar import cell_tree, file_tree, inside, spot


@dataclass(frozen=True)
class Written:
    """A value as a file writes it."""

    kind: OneOf["number", "label", "alias", "instruction", "word"]
    text: str
    spot: Spot


@dataclass(frozen=True)
class Operand:
    """An operand of an instruction, by its form.

    `number` 4; `here` .+8; `word` X0; `modified` LSL #2; `offset` 4(a0); `memory` [X0,#4], which
    has parts and may write back; `sized` byte [rdi]; `qualified` P1:L0.
    """

    form: OneOf["number", "here", "word", "modified", "offset", "memory", "sized", "qualified"]
    word: str = ""
    number: int = 0
    parts: tuple["Operand", ...] = ()
    back: bool = False


@dataclass(frozen=True)
class SourceLine:
    """An instruction of a thread as text, with its labels."""

    labels: tuple[str, ...]
    mnemonic: str
    operands: tuple[Operand, ...]
    text: str
    spot: Spot


@dataclass(frozen=True)
class Setting:
    """What a location has at the beginning."""

    location: Location
    value: Written
    spot: Spot


@dataclass(frozen=True)
class LitmusText:
    """A litmus file. `columns` are the threads, and handlers such as P1.F; `shown` the locations
    whose final values are asked for, besides those of the condition; `asked` is the condition as
    text."""

    arch: str
    name: str
    attributes: dict[str, str]
    settings: tuple[Setting, ...]
    columns: dict[str, tuple[SourceLine, ...]]
    heads: dict[str, Spot]
    declared: tuple[str, ...]
    quantifier: Quantifier
    condition: Proposition
    asked: str
    shown: tuple[Location, ...]
    notes: tuple[str, ...] = field(default=())


VARIANTS = ("self", "ifetch")
"""Variants of herd that a test may ask for: both say that instructions are fetched."""


def read(text: str) -> LitmusText:
    """Read a litmus file. Raises LitmusError."""
    _check_variant(text)
    tree = file_tree(text)
    arch, name = str(tree.children[0]), str(tree.children[1]).strip()
    attributes: dict[str, str] = {}
    settings: list[Setting] = []
    notes: list[str] = []
    rows: list[Tree[Token]] = []
    names: list[Token] = []
    shown: list[Location] = []
    declared: list[str] = []
    quantifier, condition, asked = Quantifier.FORALL, TRUE, "forall (true)"
    for child in tree.children[2:]:
        assert isinstance(child, Tree)
        match child.data:
            case "attribute":
                attributes[str(child.children[0])] = str(child.children[1])[1:].strip()
            case "quoted":
                pass
            case "item":
                _item(_tree(child.children[0]), settings, declared, notes)
            case "columns":
                names = [token for token in child.children if isinstance(token, Token)]
            case "row":
                rows.append(child)
            case "locations":
                shown = [_location(_tree(_tree(place).children[0])) for place in child.children]
            case "quantified":
                quantifier = Quantifier.of(str(_tree(child.children[0]).children[0]))
                condition = _condition(_tree(child.children[1]))
                asked = " ".join(text[child.meta.start_pos : child.meta.end_pos].split())
            case other:
                raise AssertionError(other)
    return LitmusText(
        arch,
        name,
        attributes,
        tuple(settings),
        _columns(names, rows),
        {str(name): spot(name) for name in names},
        tuple(declared),
        quantifier,
        condition,
        asked,
        tuple(shown),
        tuple(notes),
    )


def _check_variant(text: str) -> None:
    """A test for another model is refused as such, whatever else it has that is not known here."""
    found = re.search(r"^[ \t]*Variant[ \t]*=(.*)$", text.partition("{")[0], re.MULTILINE)
    for variant in found[1].replace(",", " ").split() if found else ():
        if variant not in VARIANTS:
            line = text.count("\n", 0, found.start()) + 1 if found else 1
            raise LitmusError(f"variant {variant!r} is not covered", Spot(line, 1))


TRUE: Proposition = Truth(True)


def _tree(node: Tree[Token] | Token) -> Tree[Token]:
    assert isinstance(node, Tree)
    return node


def _token(node: Tree[Token] | Token) -> Token:
    assert isinstance(node, Token)
    return node


def _item(
    tree: Tree[Token], settings: list[Setting], declared: list[str], notes: list[str]
) -> None:
    match tree.data:
        case "declared":
            declared.append(_location(_tree(tree.children[-1])).name)
        case "page_table":
            entry = str(tree.children[0])
            if not entry.startswith("pte_"):
                raise LitmusError(
                    "tests of translation tables are not covered: addresses are not translated",
                    spot(tree),
                )
            notes.append(f"{' '.join(entry.split())} has no effect: addresses are not translated")
        case "assigned":
            location, value = (_tree(child) for child in tree.children[-2:])
            settings.append(Setting(_location(location), _written(value), spot(location)))
        case other:
            raise AssertionError(other)


def numeral(text: str) -> int:
    """A number as files write it: decimal, or hexadecimal behind 0x."""
    return int(text, 16 if "x" in text else 10)


def _location(tree: Tree[Token]) -> Location:
    if tree.data == "register":
        return Location(int(_token(tree.children[0])), str(tree.children[1]), spot(tree))
    return Location(None, str(tree.children[0]), spot(tree))


def _written(tree: Tree[Token]) -> Written:
    text = str(tree.children[0]).strip('"').strip()
    match tree.data:
        case "number" | "label" | "alias" | "instruction" | "word":
            return Written(tree.data, text, spot(tree))
        case other:
            raise AssertionError(other)


DEEPEST = 64
"""How deeply the parts of a condition may be nested."""


def _condition(tree: Tree[Token], depth: int = 0) -> Proposition:
    if depth > DEEPEST:
        raise LitmusError(f"a condition is nested no more than {DEEPEST} times", spot(tree))

    def inner(part: Tree[Token] | Token) -> Proposition:
        return _condition(_tree(part), depth + 1)

    match tree.data:
        case "implication":
            parts = [inner(child) for child in tree.children]
            found = parts[-1]
            for part in reversed(parts[:-1]):
                found = Or((Not(part), found))
            return found
        case "disjunction":
            return Or(tuple(map(inner, tree.children)))
        case "conjunction":
            return And(tuple(map(inner, tree.children)))
        case "negation":
            return Not(inner(tree.children[1]))
        case "true" | "false":
            return Truth(tree.data == "true")
        case "fault":
            return Faulted.of(str(tree.children[1]), spot(tree))
        case "equals":
            place, value = (_tree(child) for child in tree.children)
            return Equals(_location(_tree(place.children[0])), _written(value))
        case other:
            raise AssertionError(other)


def _columns(names: list[Token], rows: list[Tree[Token]]) -> dict[str, tuple[SourceLine, ...]]:
    columns: dict[str, list[SourceLine]] = {}
    for token in names:
        if str(token) in columns:
            raise LitmusError(f"{token} is there twice", spot(token))
        columns[str(token)] = []
    waiting: dict[str, tuple[str, ...]] = dict.fromkeys(columns, ())
    last = {str(token): spot(token) for token in names}
    for row in rows:
        if len(row.children) != len(columns):
            what = f"this row has {len(row.children)} cells, for {len(columns)} threads"
            raise LitmusError(what, spot(row))
        for name, cell in zip(columns, row.children, strict=True):
            if not _tree(cell).children:
                continue
            token = _token(_tree(cell).children[0])
            line = _line(str(token), spot(token))
            labels, last[name] = waiting[name] + line.labels, line.spot
            if line.mnemonic:
                columns[name].append(
                    SourceLine(labels, line.mnemonic, line.operands, line.text, line.spot)
                )
                waiting[name] = ()
            else:
                waiting[name] = labels
    return {
        name: (*lines, SourceLine(waiting[name], "", (), "", last[name]))
        for name, lines in columns.items()
    }


def _line(text: str, where: Spot) -> SourceLine:
    tree = cell_tree(text, where)
    labels = tuple(str(child).rstrip(": \t") for child in tree.children if isinstance(child, Token))
    for child in tree.children:
        if isinstance(child, Tree):
            return _instruction(child, labels, inside(where, spot(child)))
    return SourceLine(labels, "", (), "", where)


def instruction(text: str, where: Spot) -> SourceLine:
    """An instruction that stands alone, as in instr:"...". Raises LitmusError."""
    line = _line(text, where)
    if not line.mnemonic or line.labels:
        raise LitmusError(f"{text!r} is not one instruction", where)
    return line


def _instruction(tree: Tree[Token], labels: tuple[str, ...], where: Spot) -> SourceLine:
    operands = tuple(_operand(_tree(child)) for child in tree.children[1:])
    mnemonic = str(tree.children[0])
    return SourceLine(labels, mnemonic, operands, spelled(mnemonic, operands), where)


def _operand(tree: Tree[Token]) -> Operand:
    tokens = [str(child) for child in tree.children]
    match tree.data:
        case "number":
            return Operand("number", number=numeral(tokens[0]))
        case "here":
            return Operand("here", number=numeral(tokens[1]) if len(tokens) > 1 else 0)
        case "word":
            return Operand("word", tokens[0])
        case "qualified":
            return Operand("qualified", f"{tokens[0]}:{tokens[1]}")
        case "modified":
            return Operand("modified", tokens[0], numeral(tokens[1]))
        case "offset":
            return Operand("offset", tokens[-1], numeral(tokens[0]) if len(tokens) > 1 else 0)
        case "memory":
            parts = tuple(_operand(c) for c in tree.children if isinstance(c, Tree))
            return Operand("memory", parts=parts, back=isinstance(tree.children[-1], Token))
        case "sized":
            parts = tuple(_operand(c) for c in tree.children if isinstance(c, Tree))
            return Operand("sized", str(tree.children[0]), parts=parts)
        case other:
            raise AssertionError(other)


def spelled(mnemonic: str, operands: tuple[Operand, ...]) -> str:
    """An instruction in one spelling."""
    return f"{mnemonic} {','.join(map(_spelled, operands))}".strip()


def _spelled(operand: Operand) -> str:
    match operand.form:
        case "number":
            return f"#{operand.number}"
        case "here":
            return f".{operand.number:+d}"
        case "word" | "qualified":
            return operand.word
        case "modified":
            return f"{operand.word} #{operand.number}"
        case "offset":
            return f"{operand.number}({operand.word})"
        case "memory":
            return f"[{','.join(map(_spelled, operand.parts))}]" + "!" * operand.back
        case "sized":
            return f"{operand.word} [{','.join(map(_spelled, operand.parts))}]"
        case _:
            assert_never(operand.form)
