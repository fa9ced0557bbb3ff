"""A module back to text, in one canonical form: ``parse(unparse(m))`` equals ``m`` but for the spans.

Expressions may be deeper than Python recurses: :func:`_written` goes from the inside out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeGuard, get_args

from .syntax import (
    Array,
    Attribute,
    Binary,
    Binding,
    Boolean,
    Call,
    Carry,
    Clause,
    Compare,
    Comprehension,
    Declared,
    Def,
    DerivativeDecl,
    Dots,
    DtypeDecl,
    Emit,
    Expression,
    For,
    GradientDecl,
    HyperDecl,
    IndexDecl,
    Indexed,
    InputDecl,
    Item,
    JacobianDecl,
    LayerDef,
    Minimize,
    Module,
    Next,
    Node,
    Number,
    OutputDecl,
    Padded,
    ParamDecl,
    Parameter,
    RandomDecl,
    Ref,
    Return,
    ScanDecl,
    SizeDecl,
    SizeItem,
    Slice,
    State,
    StateDecl,
    Statement,
    Subscript,
    Text,
    Transpose,
    Unary,
    UpdateDef,
    Use,
)

# How tightly an expression binds; what is looser than its place stands in brackets.
_PIPE, _OR, _AND, _NOT, _COMPARE, _SUM, _TERM, _UNARY, _POWER, _NUMBER, _POSTFIX = range(11)
_BINARY = {"or": _OR, "and": _AND, "+": _SUM, "-": _SUM, "**": _POWER} | dict.fromkeys(("*", "/", "//", "%", "@"), _TERM)
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def unparse(module: Module) -> str:
    """The text of a whole module."""
    lines: list[str] = []
    if module.doc:
        lines += [*_doc(module.doc, ""), ""]
    elif module.statements and _own_doc(module.statements[0]):
        lines += ["#", ""]  # so that it stays the doc of the statement alone
    for statement in module.statements:
        lines += _statement(statement)
    return "\n".join(lines) + "\n" if lines else ""


def unparse_expression(node: Expression) -> str:
    """The text of an expression, with no parentheses that it can do without."""
    return _at(node, _PIPE)


_Line = Statement | StateDecl | Return | Carry | Emit


def _own_doc(statement: _Line) -> str:
    if isinstance(statement, (SizeDecl, InputDecl, IndexDecl, HyperDecl)):
        return statement.items[0].doc
    return getattr(statement, "doc", "")


def _doc(text: str, indent: str) -> list[str]:
    return [f"{indent}## {line}".rstrip() for line in text.split("\n")]


def _statement(statement: _Line, indent: str = "") -> list[str]:
    doc = _own_doc(statement)
    lines = _doc(doc, indent) if doc else []
    lines.append(indent + _line(statement))
    if isinstance(statement, UpdateDef | LayerDef | For | ScanDecl) or (isinstance(statement, Def) and _is_block(statement)):
        for inner in statement.body:
            lines += _statement(inner, indent + "    ")
    return lines


def _is_block(node: Def) -> bool:
    return len(node.body) > 1


def _line(node: _Line) -> str:
    match node:
        case SizeDecl():
            return "size " + ", ".join(map(_size, node.items))
        case DtypeDecl():
            return f"dtype {node.name.id}"
        case InputDecl():
            return "input " + ", ".join(map(_declared, node.items))
        case IndexDecl():
            return "index " + ", ".join(map(_declared, node.items))
        case ParamDecl():
            init = "" if node.init is None else f" {'~' if node.random else '='} {_at(node.init, _PIPE)}"
            penalty = "" if node.penalty is None else f" with {_at(node.penalty, _POSTFIX)}"
            return f"param {node.name.id}{_shape(node.shape)}{init}{' frozen' if node.frozen else ''}{penalty}"
        case HyperDecl():
            return "hyper " + ", ".join(f"{item.name.id} = {_at(item.value, _PIPE)}" for item in node.items)
        case Binding():
            return f"{', '.join(name.id for name in node.targets)} = {_at(node.value, _PIPE)}"
        case Indexed():
            names = ", ".join(name.id for name in node.indices)
            return f"{node.name.id}[{names}] = {_at(node.value, _PIPE)}{_clauses(node.clauses)}"
        case OutputDecl():
            value = "" if node.value is None else f" = {_at(node.value, _PIPE)}"
            return f"output {', '.join(name.id for name in node.names)}{value}"
        case Minimize():
            chosen = "" if node.optimizer is None else f" with {_at(node.optimizer, _POSTFIX)}"
            return f"minimize {_at(node.value, _PIPE)}{chosen}"
        case GradientDecl():
            return f"gradient {node.of.id} wrt {', '.join(name.id for name in node.wrt)}"
        case JacobianDecl():
            each = f" each {node.each.id}" if node.each is not None else ""
            return f"{node.what.replace('_', ' ')} {node.of.id} wrt {', '.join(name.id for name in node.wrt)}{each}"
        case Def():
            head = f"def {node.name.id}({_formals(node.params)})"
            first = node.body[0] if node.body else None
            return f"{head} = {_at(first.value, _PIPE)}" if isinstance(first, Return) and not _is_block(node) else f"{head}:"
        case LayerDef():
            return f"layer {node.name.id}({_formals(node.params)}):"
        case For():
            return f"for {node.variable.id} in {_at(node.values, _PIPE)}:"
        case ScanDecl():
            until = "" if node.until is None else f" until {_at(node.until, _PIPE)}"
            return f"scan {node.variable.id} in {_at(node.values, _PIPE)}{until}{' recompute' if node.recompute else ''}:"
        case Carry():
            return f"carry {node.name.id} = {_at(node.value, _PIPE)}"
        case Emit():
            return f"emit {node.name.id} = {_at(node.value, _PIPE)}"
        case State():
            return f"state {node.name.id}{_shape(node.shape)} = {_at(node.value, _PIPE)}"
        case Next():
            return f"next {node.name.id} = {_at(node.value, _PIPE)}"
        case RandomDecl():
            return f"random {node.name.id}{_shape(node.shape)} ~ {_at(node.draw, _PIPE)}"
        case DerivativeDecl():
            names = ", ".join(name.id for name in node.params)
            return f"derivative {node.function.id}({names}) wrt {node.wrt.id} = {_at(node.value, _PIPE)}"
        case UpdateDef():
            return f"update {node.name.id}({_formals(node.params)}) of {node.weight.id} with {node.gradient.id}:"
        case Use():
            return f"use {_string(node.target) if node.is_path else node.target}"
        case StateDecl():
            return f"state {node.name.id} = {_at(node.value, _PIPE)}"
        case Return():
            return f"return {_at(node.value, _PIPE)}"


def _size(item: SizeItem) -> str:
    return item.name.id + (f" = {_at(item.value, _PIPE)}" if item.value is not None else "")


def _declared(item: Declared) -> str:
    below = "" if item.below is None else f" < {_at(item.below, _SUM)}"
    return f"{item.name.id}{_shape(item.shape)}{below}"


def _shape(shape: tuple[Expression, ...]) -> str:
    return f"[{', '.join(_at(size, _PIPE) for size in shape)}]" if shape else ""


def _formals(params: tuple[Parameter, ...]) -> str:
    return ", ".join(p.name.id + _pattern(p) + (f" = {_at(p.default, _PIPE)}" if p.default is not None else "") for p in params)


def _pattern(param: Parameter) -> str:
    if param.shape is None:
        return ""
    return "[" + ", ".join("..." if isinstance(e, Dots) else e.text if isinstance(e, Number) else e.id for e in param.shape) + "]"


def _clauses(clauses: tuple[Clause, ...]) -> str:
    """With a space in front."""
    parts = []
    for clause in clauses:
        names = ", ".join(name.id for name in clause.names)
        if clause.range is None:
            parts.append(f" for {names}")
        elif names:
            parts.append(f" for {names} in {_at(clause.range, _PIPE)}")
        else:
            parts.append(f" if {_at(clause.range, _OR)}")
    return "".join(parts)


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPED.get(character, character) for character in text) + '"'


def _at(node: Expression, place: int) -> str:
    """The text of an expression where at least ``place`` must be bound."""
    text, strength = _written(node)
    return text if strength >= place else f"({text})"


_inner = threading.local()  # the texts of the parts that wait for what is around them


def _written(node: Expression) -> tuple[str, int]:
    done: dict[int, tuple[str, int]] | None = getattr(_inner, "done", None)
    if done is not None:
        return done.pop(id(node)) if id(node) in done else _expression(node)
    _inner.done = done = {}
    try:
        for part in _inside_out(node):
            done[id(part)] = _expression(part)
        return done.pop(id(node))
    finally:
        _inner.done = None


def _is_expression(node: Node) -> TypeGuard[Expression]:
    return isinstance(node, get_args(Expression))


def _inside_out(root: Expression) -> Iterator[Expression]:
    """Every expression after its parts, but for the left operands that :func:`_binary` follows itself."""
    stack: list[tuple[object, Expression | None]] = [(root, None)]  # what is to be looked into, or what is to be given out
    while stack:
        node, ready = stack.pop()
        if ready is not None:
            yield ready
        elif isinstance(node, tuple):
            stack.extend((part, None) for part in node)
        elif isinstance(node, Node):
            if _is_expression(node):
                stack.append((None, node))
            parts: Iterable[object] = vars(node).values()
            if isinstance(node, Binary) and node.op != "**":
                left: Expression = node
                while isinstance(left, Binary) and left.op != "**":
                    stack.append((left.right, None))
                    left = left.left
                parts = (left,)
            stack.extend((part, None) for part in parts)


def _expression(node: Expression) -> tuple[str, int]:
    match node:
        case Number():
            return node.text, _NUMBER  # `1..T` would not be read
        case Boolean():
            return str(node.value), _POSTFIX
        case Text():
            return _string(node.value), _POSTFIX
        case Ref():
            return node.id, _POSTFIX
        case Unary():
            if node.op == "not":
                return f"not {_at(node.operand, _NOT)}", _NOT
            return node.op + _at(node.operand, _UNARY), _UNARY
        case Binary():
            return _binary(node)
        case Compare():
            parts = [_at(node.operands[0], _SUM)]
            for op, operand in zip(node.ops, node.operands[1:], strict=True):
                parts += [op, _at(operand, _SUM)]
            return " ".join(parts), _COMPARE
        case Call():
            return _call(node)
        case Subscript():
            items = ", ".join(_item(item) for item in node.items)
            return f"{_at(node.value, _POSTFIX)}[{items}]", _POSTFIX
        case Transpose():
            return f"{_at(node.value, _POSTFIX)}.T", _POSTFIX
        case Attribute():
            return f"{_at(node.value, _POSTFIX)}.{node.name.id}", _POSTFIX
        case Padded():
            return f"{_at(node.value, _POSTFIX)} pad", _POSTFIX
        case Comprehension():
            return _at(node.value, _PIPE) + _clauses(node.clauses), _PIPE
        case Array():
            return f"[{', '.join(_at(item, _PIPE) for item in node.items)}]", _POSTFIX


def _binary(node: Binary) -> tuple[str, int]:
    """The left operands are followed in a loop as long as they bind as tightly."""
    strength = _BINARY[node.op]
    if node.op == "**":
        return f"{_at(node.left, _NUMBER)}**{_at(node.right, _UNARY)}", _POWER
    tail: list[str] = []
    left: Expression = node
    level = strength
    closing: list[int] = []  # where a bracket that begins at the very left ends, as a position in `tail`
    while isinstance(left, Binary) and left.op != "**":
        if _BINARY[left.op] < level:
            closing.append(len(tail))
        level = _BINARY[left.op]
        tail.append(f" {left.op} {_at(left.right, level + 1)}")
        left = left.left
    out = [_at(left, level)]
    for position in range(len(tail) - 1, -1, -1):
        out.append(tail[position])
        if position in closing:
            out.append(")")
    return "(" * len(closing) + "".join(out), strength


def _call(node: Call) -> tuple[str, int]:
    args = [_at(argument, _PIPE) for argument in (node.args[1:] if node.piped else node.args)]
    args += [f"{keyword.name.id}={_at(keyword.value, _PIPE)}" for keyword in node.keywords]
    call = f"{node.func.id}({', '.join(args)}){f' as {node.alias.id}' if node.alias else ''}"
    if node.piped:
        return f"{_at(node.args[0], _PIPE)} |> {call}", _PIPE
    return call, _POSTFIX


def _item(item: Item) -> str:
    return "..." if isinstance(item, Dots) else _slice(item) if isinstance(item, Slice) else _at(item, _PIPE)


def _slice(node: Slice) -> str:
    start, stop = (_at(part, _PIPE) if part is not None else "" for part in (node.start, node.stop))
    return f"{start}:{stop}" + (f":{_at(node.step, _PIPE)}" if node.step is not None else "")
