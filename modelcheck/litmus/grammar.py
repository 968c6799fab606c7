"""The grammar of herd's litmus format, and what is read by it as a tree. Knows errors.

Two grammars: one for a file, whose table cells are text, and one for a cell, which is the same for
all architectures: labels, a mnemonic, operands.
"""

import re
from functools import cache

from lark import Lark, Token, Tree, UnexpectedInput

from modelcheck.litmus.errors import LitmusError, Spot

FILE = r"""
test: ARCH NAME (attribute | quoted)* "{" _items "}" columns row* locations? quantified?

attribute: KEY VALUE_OF
quoted: STRING

_items: (item? ";")* item?
item: declared | assigned | page_table
declared: TYPE STAR* location
assigned: (TYPE STAR*)? location "=" value
page_table: PAGE_TABLE
location: INT ":" WORD        -> register
        | "[" WORD "]"        -> variable
        | WORD                -> variable
value: SIGNED                 -> number
     | QUALIFIED              -> label
     | "label" ":" STRING     -> label
     | "instr" ":" STRING     -> instruction
     | "alias" ":" STRING     -> alias
     | WORD                   -> word

columns: COLUMN ("|" COLUMN)* ";"
row: cell ("|" cell)* ";"
cell: CELL?

locations: "locations" "[" (place ";"?)* "]" ";"?
quantified: quantifier _formula
quantifier: EXISTS | NEGATED | FORALL
_formula: implication
?implication: disjunction ("=>" disjunction)*
?disjunction: conjunction ("\\/" conjunction)*
?conjunction: negation ("/\\" negation)*
?negation: NOT negation       -> negation
         | "(" _formula ")"
         | "true"             -> true
         | "false"            -> false
         | FAULT "(" FAULTED ")"  -> fault
         | place "=" value    -> equals
place: location

ARCH: /(AArch64|ARM|RISCV|X86_64|X86|[A-Z]\w+)(?=[ \t])/
NAME: /[^\s{][^\n{]*/
KEY: /[A-Za-z]\w*(?=\s*=)/
VALUE_OF: /=[^\n]*/
TYPE.2: /[A-Za-z_]\w*(?=\s+\*|\s*\*+\s*[\w\[]|\s+[A-Za-z_0-9\[])/
STAR: "*"
PAGE_TABLE.3: /(pte_\w+|(TTD|PTE|PA)\([^)]*\))\s*=[^;}]*/
INT: /\d{1,3}(?=\s*:)/
SIGNED: /[+-]?(0x[0-9a-fA-F]{1,16}|\d{1,20})(?![\w:])/
QUALIFIED.2: /P\d{1,3}:[A-Za-z_]\w*(\+\d{1,6})?/
WORD: /[A-Za-z_][\w.$]*/
STRING: /"[^"\n]*"/
COLUMN: /P\d{1,3}(\.F)?/
CELL: /(?!(~\s*)?exists\b|forall\b|locations\b|not\s+exists\b|filter\b)[^|;\s][^|;]*/
EXISTS: "exists"
NEGATED: /(~|not)\s*exists/
FORALL: "forall"
NOT.3: /~|not\b/
FAULT.3: /[fF]ault(?=\s*\()/
FAULTED: /[^()]+/
%ignore /\s+/
"""

CELL = r"""
cell: (LABEL)* instruction?
instruction: MNEMONIC ("," ? operand ("," operand)*)?
operand: "#"? SIGNED             -> number
       | DOT SIGNED?             -> here
       | "[" operand ("," operand)* "]" BANG?  -> memory
       | WORD "[" operand ("," operand)* "]"  -> sized
       | SIGNED? "(" WORD ")"    -> offset
       | WORD "#"? SIGNED        -> modified
       | WORD ":" WORD           -> qualified
       | WORD                    -> word

LABEL: /[A-Za-z_][\w$]*\s*:(?!:)/
MNEMONIC: /[A-Za-z][\w.]*/
SIGNED: /[+-]?(0x[0-9a-fA-F]{1,16}|\d{1,20})(?!\w)/
WORD: /[A-Za-z_][\w.$]*/
DOT: "."
BANG: "!"
%ignore /\s+/
"""


@cache
def _parser(grammar: str, start: str) -> Lark:
    return Lark(
        grammar, parser="lalr", start=start, propagate_positions=True, maybe_placeholders=False
    )


def without_comments(text: str) -> str:
    """The text with blanks for comments, which may be nested. Raises LitmusError."""
    depth, opened, kept = 0, 0, []
    for part in re.finditer(r"\(\*|\*\)|[^(*]+|.", text, re.DOTALL):
        if part[0] == "(*":
            opened = opened if depth else part.start()
            depth += 1
            kept.append("  ")
        elif part[0] == "*)" and depth:
            depth -= 1
            kept.append("  ")
        else:
            kept.append(re.sub(r"\S", " ", part[0]) if depth else part[0])
    if depth:
        raise LitmusError("this comment has no end", _spot_at(text, opened))
    return "".join(kept)


def file_tree(text: str) -> Tree[Token]:
    """A litmus file as a tree. Raises LitmusError."""
    blank = without_comments(text)
    try:
        return _parser(FILE, "test").parse(blank)
    except UnexpectedInput as error:
        raise LitmusError(_said(error, blank), _spot_of(error, blank)) from error


def cell_tree(text: str, spot: Spot) -> Tree[Token]:
    """A cell of the table as a tree. Raises LitmusError."""
    try:
        return _parser(CELL, "cell").parse(text)
    except UnexpectedInput as error:
        inner = _spot_of(error, text)
        raise LitmusError(_said(error, text), inside(spot, inner)) from error


def inside(spot: Spot, inner: Spot) -> Spot:
    """A place in the file of a place in a text that begins at `spot`."""
    if inner.line == 1:
        return Spot(spot.line, spot.column + inner.column - 1)
    return Spot(spot.line + inner.line - 1, inner.column)


def spot(node: Tree[Token] | Token) -> Spot:
    """Where a token or a tree begins."""
    if isinstance(node, Token):
        return Spot(node.line or 1, node.column or 1)
    return Spot(getattr(node.meta, "line", 1), getattr(node.meta, "column", 1))


def _spot_at(text: str, position: int) -> Spot:
    before = text[:position]
    return Spot(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _position(error: UnexpectedInput, text: str) -> int:
    """Where in a text an error is."""
    token = getattr(error, "token", None)
    position = error.pos_in_stream
    if position is None or position < 0 or getattr(token, "type", "") == "$END":
        return len(text.rstrip())
    return position


def _spot_of(error: UnexpectedInput, text: str) -> Spot:
    return _spot_at(text, _position(error, text))


_NAMES = {
    "WORD": "a name",
    "SIGNED": "a number",
    "INT": "a thread's number",
    "QUALIFIED": "a label such as P1:L0",
    "STRING": "a text in quotes",
    "COLUMN": "a thread such as P0",
    "CELL": "an instruction",
    "ARCH": "an architecture",
    "NAME": "the test's name",
    "MNEMONIC": "an instruction",
    "TYPE": "a type",
    "FAULTED": "P0:L0",
    "SEMICOLON": "';'",
    "VBAR": "'|'",
    "EQUAL": "'='",
    "LPAR": "'('",
    "RPAR": "')'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "LSQB": "'['",
    "RSQB": "']'",
    "COMMA": "','",
    "COLON": "':'",
    "EXISTS": "exists",
    "FORALL": "forall",
    "NEGATED": "~exists",
    "LOCATIONS": "locations",
    "$END": "the end",
}


def _said(error: UnexpectedInput, text: str) -> str:
    expected = getattr(error, "accepts", None) or getattr(error, "expected", None) or set()
    allowed = getattr(error, "allowed", None) or expected
    names = sorted(_NAMES[name] for name in allowed if name in _NAMES)
    rest = text[_position(error, text) :].split("\n")[0].strip()
    found = f"{rest[:24]!r} makes no sense here" if rest else "the text ends too soon"
    return found + (f"; expected {' or '.join(names)}" if names else "")
