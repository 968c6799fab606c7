"""Mutants: small edits of a source file, each of which some test ought to notice.

Knows Python's syntax; knows nothing of what it edits, nor of how tests are run.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple


class Mutant(NamedTuple):
    """One edit: in the file at `path`, bytes `begin` to `end` of line `line` on become `new`."""

    path: str
    line: int
    begin: int
    end: int
    old: str
    new: str

    def applied(self, source: str) -> str:
        """The source with the edit made."""
        data = source.encode()
        return (data[: self.begin] + self.new.encode() + data[self.end :]).decode()

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.path}:{self.line}: {old} -> {new}"


def mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text. What only people read is left alone:
    docstrings, strings, types, and what is raised."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found: dict[tuple[int, int, str], Mutant] = {}
    for node, new in _edits(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        old = source.encode()[begin:end].decode()
        found[begin, end, new] = Mutant(path, node.lineno, begin, end, old, new)
    return [found[key] for key in sorted(found)]


Node = ast.expr | ast.stmt
Edit = tuple[Node, str]
"""A node, and the text that comes into its place."""


def _edits(node: ast.AST) -> Iterator[Edit]:
    """The edits of a node and of all in it."""
    if isinstance(node, Node):
        for new in _others(node):
            yield node, new
    for part in _parts(node):
        if isinstance(part, ast.expr) and _is_condition(node, part):
            yield part, f"(not {ast.unparse(part)})"
        yield from _edits(part)


def _parts(node: ast.AST) -> Iterable[ast.AST]:
    """What is in a node, without what says nothing of what it does."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Raise() | ast.Assert():
            return ()
        case ast.FunctionDef():
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            return (*(default for default in defaults if default), *node.body)
        case ast.ClassDef():
            return node.body
        case ast.AnnAssign():
            return (node.value,) if node.value else ()
        case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
            return ()  # another name of a type
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return ()
        case ast.Call(func=ast.Name(id="isinstance")):
            return node.args[:1]
        case ast.Call(func=ast.Name(id="assert_never" | "cast" | "TypeVar")):
            return ()
        case ast.match_case():
            return (*([node.guard] if node.guard else []), *node.body)
        case _:
            return ast.iter_child_nodes(node)


def _is_condition(parent: ast.AST, node: ast.expr) -> bool:
    """Whether it is asked for yes or no, and has no other opposite."""
    if isinstance(node, ast.Compare | ast.BoolOp | ast.Constant) or _is_not(node):
        return False
    match parent:
        case ast.If() | ast.IfExp() | ast.While():
            return node is parent.test
        case ast.comprehension():
            return node in parent.ifs
        case ast.match_case():
            return node is parent.guard
        case ast.BoolOp():
            return True
        case _:
            return False


def _is_not(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}

FUNCTIONS = {"any": "all", "all": "any", "min": "max", "max": "min", "And": "Or", "Or": "And"}

COPIES = ("replace", "_replace")
"""Functions that leave a field as it is if it is not named."""


def _others(node: Node) -> Iterator[str]:
    """What may come into the place of a node itself."""
    match node:
        case ast.Compare():
            for at, op in enumerate(node.ops):
                ops = [*node.ops[:at], COMPARISONS[type(op)](), *node.ops[at + 1 :]]
                yield _text(ast.Compare(node.left, ops, node.comparators))
        case ast.BoolOp():
            yield _text(
                ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            )
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield _text(node.operand)
        case ast.BinOp() if type(node.op) in OPERATIONS and not _is_text(node):
            yield _text(ast.BinOp(node.left, OPERATIONS[type(node.op)](), node.right))
        case ast.Constant(value=bool()):
            yield str(not node.value)
        case ast.Constant(value=int(value)):
            yield str(value + 1)
        case ast.List() | ast.Set() if isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            yield from _fewer(node.elts, lambda left: type(node)(elts=left), least=2)
        case ast.Call():
            yield from _other_calls(node)
        case ast.stmt():
            yield from _other_statements(node)
        case _:
            pass  # has no other


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        or (isinstance(side, ast.BinOp) and _is_text(side))
        for side in sides
    )


def _fewer(
    parts: list[ast.expr], make: Callable[[list[ast.expr]], ast.expr], *, least: int
) -> Iterator[str]:
    """The same with one part less, if it has at least so many."""
    if len(parts) >= least:
        for at in range(len(parts)):
            yield _text(make([*parts[:at], *parts[at + 1 :]]))


def _other_calls(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    if name in FUNCTIONS:
        other = FUNCTIONS[name]
        func = (
            ast.Attribute(node.func.value, other) if isinstance(node.func, ast.Attribute) else other
        )
        yield _text(
            ast.Call(
                func if not isinstance(func, str) else ast.Name(func), node.args, node.keywords
            )
        )
    if name in ("And", "Or"):
        yield from _fewer(node.args, lambda left: ast.Call(node.func, left, []), least=2)
    if name == "Implies":
        yield _text(node.args[1])
    if name == "Not":
        yield _text(node.args[0])
    if name in COPIES:
        for at in range(len(node.keywords)):
            left = [*node.keywords[:at], *node.keywords[at + 1 :]]
            yield _text(ast.Call(node.func, node.args, left))


def _other_statements(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield f"False and {ast.unparse(node.value)}"  # still a generator
        case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            pass
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete() | ast.Raise():
            yield "pass"
        case ast.Assign(targets=[ast.Subscript()]) | ast.Break() | ast.Continue():
            yield "pass"
        case _:
            pass  # what it says is in its parts
