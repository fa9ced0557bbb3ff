"""The parser: what it builds, that Python agrees about expressions, and that no text can break it."""
# ruff: noqa: E501 (tables of programs)

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from gradwright.compiler.elaborate import elaborate
from gradwright.compiler.language import lalr
from gradwright.compiler.language.diagnostics import Diagnostic, render_all
from gradwright.compiler.language.parser import parse, parse_expression
from gradwright.compiler.language.source import Source, Span
from gradwright.compiler.language.syntax import (
    MAX_DEPTH,
    Array,
    Binary,
    Binding,
    Boolean,
    Call,
    Compare,
    Declared,
    Def,
    DtypeDecl,
    Expression,
    GradientDecl,
    HyperDecl,
    HyperItem,
    IndexDecl,
    InputDecl,
    JacobianDecl,
    Keyword,
    Minimize,
    Module,
    Name,
    Node,
    Number,
    OutputDecl,
    ParamDecl,
    Parameter,
    Ref,
    Return,
    SizeDecl,
    SizeItem,
    Slice,
    StateDecl,
    Subscript,
    Text,
    Transpose,
    Unary,
    UpdateDef,
    Use,
)
from gradwright.compiler.language.unparse import unparse, unparse_expression
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent
NOWHERE = Span("", 1, 1, 1, 1)  # spans do not count for equality
MODELS = sorted((ROOT / "examples").glob("*.gw")) + sorted((ROOT / "compiler" / "library").glob("*.gw"))


def good(text: str) -> Module:
    source = Source("m.gw", text)
    module, found = parse(source)
    assert not found, render_all(found, {"m.gw": source})
    assert module is not None and module.broken == ()
    return module


def one(text: str) -> Any:
    statements = good(text).statements
    assert len(statements) == 1
    return statements[0]


def bad(text: str) -> tuple[Diagnostic, ...]:
    found: tuple[Diagnostic, ...]
    module, found = parse(Source("m.gw", text))
    assert module is not None and module.broken
    return found


def expression(text: str) -> Expression:
    value, found = parse_expression(text)
    assert value is not None and not found, (text, found)
    return value


def name(text: str) -> Name:
    return Name(text, span=NOWHERE)


def ref(text: str) -> Ref:
    return Ref(text, span=NOWHERE)


def num(text: str) -> Number:
    return Number(text, span=NOWHERE)


def binary(op: str, left: Expression, right: Expression) -> Binary:
    return Binary(op, left, right, op_span=NOWHERE, span=NOWHERE)


def call(func: str, *args: Expression, piped: bool = False, **keywords: Expression) -> Call:
    named = tuple(Keyword(name(key), value, span=NOWHERE) for key, value in keywords.items())
    return Call(name(func), args, named, piped, span=NOWHERE)


# ---------------------------------------------------------------- statements


def test_sizes() -> None:
    free, fixed = SizeItem(name("N"), None, span=NOWHERE), SizeItem(name("H"), binary("*", num("2"), num("4")), span=NOWHERE)
    assert one("size N, H = 2*4") == SizeDecl((free, fixed), span=NOWHERE)


def test_dtype_and_use() -> None:
    assert one("dtype float32") == DtypeDecl(name("float32"), span=NOWHERE)
    assert one("use layers") == Use("layers", False, span=NOWHERE)
    assert one('use "a b.gw"') == one("use 'a b.gw'") == Use("a b.gw", True, span=NOWHERE)


def test_inputs_and_indices() -> None:
    x, t = Declared(name("x"), (ref("N"), num("2")), span=NOWHERE), Declared(name("t"), (), span=NOWHERE)
    assert one("input x[N, 2], t") == InputDecl((x, t), span=NOWHERE)
    y = Declared(name("y"), (ref("N"),), binary("+", ref("C"), num("1")), span=NOWHERE)
    z = Declared(name("z"), (), ref("C"), span=NOWHERE)
    assert one("index y[N] < C + 1, z < C") == IndexDecl((y, z), span=NOWHERE)
    assert one("index y[N]").items[0].below is None


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    ("text", "init", "random"),
    [
        ("", None, False),
        (" ~ he_normal", ref("he_normal"), True),
        (" ~ normal(0, std=2)", call("normal", num("0"), std=num("2")), True),
        (" = 1 / H", binary("/", num("1"), ref("H")), False),
        (" = frozen", ref("frozen"), False),
    ],
)
def test_params(text: str, init: Expression | None, random: bool, frozen: bool) -> None:
    made = one(f"param W[D, H]{text}{' frozen' if frozen else ''}")
    assert made == ParamDecl(name("W"), (ref("D"), ref("H")), init, random, frozen, span=NOWHERE)
    assert one(f"param frozen{text}{' frozen' if frozen else ''}").frozen is frozen


def test_hypers() -> None:
    items = (HyperItem(name("reg"), num("1e-3"), span=NOWHERE), HyperItem(name("q"), Unary("-", num("1"), span=NOWHERE), span=NOWHERE))
    assert one("hyper reg = 1e-3, q = -1") == HyperDecl(items, span=NOWHERE)


def test_bindings_and_outputs() -> None:
    assert one("a, b = split(z, 2)") == Binding((name("a"), name("b")), call("split", ref("z"), num("2")), span=NOWHERE)
    assert one("output p") == OutputDecl((name("p"),), None, span=NOWHERE)
    assert one("output p, q") == OutputDecl((name("p"), name("q")), None, span=NOWHERE)
    assert one("output p = q") == OutputDecl((name("p"),), ref("q"), span=NOWHERE)


def test_minimize_and_gradient() -> None:
    assert one("minimize -a") == Minimize(Unary("-", ref("a"), span=NOWHERE), None, span=NOWHERE)
    assert one("minimize (a) with adam").optimizer == call("adam")
    assert one("minimize a |> mean with adam(lr=1)").optimizer == call("adam", lr=num("1"))
    assert one("gradient f wrt x, W") == GradientDecl(name("f"), (name("x"), name("W")), span=NOWHERE)
    assert one("jacobian r wrt b, c") == JacobianDecl("jacobian", name("r"), (name("b"), name("c")), span=NOWHERE)
    assert one("jacobian r wrt p each n") == JacobianDecl("jacobian", name("r"), (name("p"),), name("n"), span=NOWHERE)
    assert one("hessian f wrt x") == JacobianDecl("hessian", name("f"), (name("x"),), span=NOWHERE)
    assert one("hessian diagonal f wrt x") == JacobianDecl("hessian_diagonal", name("f"), (name("x"),), span=NOWHERE)
    assert one("hessian diagonal wrt x") == JacobianDecl("hessian", name("diagonal"), (name("x"),), span=NOWHERE)


def test_functions() -> None:
    params = (Parameter(name("a"), None, span=NOWHERE), Parameter(name("b"), num("1"), span=NOWHERE))
    back = Return(binary("*", ref("a"), ref("b")), span=NOWHERE)
    assert one("def f(a, b=1) = a * b") == Def(name("f"), params, (back,), span=NOWHERE)
    bind = Binding((name("c"), name("d")), ref("a"), span=NOWHERE)
    for indent in ("    ", " ", "\t", "  \t"):
        text = f"def f(a, b=1):\n{indent}c, d = a\n\n# a comment at the edge\n{indent}return a * b\n"
        assert one(text) == Def(name("f"), params, (bind, back), span=NOWHERE)
    assert one("def f() = 1").params == ()
    assert [type(s) for s in good("def f(a):\n  return a\nb = f(c)").statements] == [Def, Binding]


def test_updates() -> None:
    body = (
        StateDecl(name("m"), num("0"), span=NOWHERE),
        Binding((name("w"),), binary("-", ref("w"), ref("g")), span=NOWHERE),
    )
    made = one("update sgd(lr = 1) of w with g:\n    state m = 0\n    w = w - g\n")
    assert made == UpdateDef(name("sgd"), (Parameter(name("lr"), num("1"), span=NOWHERE),), name("w"), name("g"), body, span=NOWHERE)


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("-x**2", "-(x**2)"), ("2**-1", "2**(-1)"), ("a**b**c", "a**(b**c)"), ("a - b - c", "(a - b) - c"), ("a @ b * c", "(a @ b) * c"),
        ("a * b @ c", "(a * b) @ c"), ("a // b % c", "(a // b) % c"), ("-a @ b", "(-a) @ b"), ("not a == b", "not (a == b)"),
        ("not a and b or c", "((not a) and b) or c"), ("a + b < c", "(a + b) < c"), ("-x.T[0]", "-((x.T)[0])"), ("- -a", "-(-a)"),
        ("a + b |> f", "f(a + b)"), ("a or b |> f |> g(c, k=d)", "g(f(a or b), c, k=d)"), ("f(a |> g, b)", "f(g(a), b)"),
        ("f(a, k=b |> g)", "f(a, k=g(b))"), ("(a |> f) + 1", "f(a) + 1"), ("x[a |> f]", "x[f(a)]"), ("((((a))))", "a"), ("f(a,)", "f(a)"),
        ("[a, b,]", "[a, b]"), ("x[0,]", "x[0]"),
    ],
)
def test_precedence(text: str, meaning: str) -> None:
    made = expression(text)
    wanted = expression(meaning)
    assert unpiped(made) == unpiped(wanted)


def unpiped(value: Any) -> Any:
    """Everything but spans, and without the mark that a call was written with a pipe."""
    if isinstance(value, Node):
        return (type(value), *(unpiped(getattr(value, f.name)) for f in fields(value) if f.compare and f.name != "piped"))
    return tuple(map(unpiped, value)) if isinstance(value, tuple) else value


def test_a_clause_goes_on_in_an_indented_line() -> None:
    text = "y[i, j] = x[i, j] for i in range(2) for j in range(3)"
    assert one(text.replace(" for", "\n    for")) == one(text)
    assert one(text.replace(" for i", "\n\n  # why\n  for i")) == one(text)
    inner = one("for k in range(2):\n    y[i] = x[i]\n        for i in range(2)\n    z = y\n")
    assert [type(s).__name__ for s in inner.body] == ["Indexed", "Binding"]
    loop = one("def f(x):\n    for i in range(2):\n        for j in range(3):\n            x = x + i\n    return x\n")
    assert len(loop.body) == 2  # what opens a block is a statement
    assert {d.code for d in bad("y = x\n    for i in range(2):\n    z = x\n")} == {"E107"}


def test_pipes_are_calls() -> None:
    assert expression("a |> f") == call("f", ref("a"), piped=True)
    assert expression("a |> f(b, k=c)") == call("f", ref("a"), ref("b"), piped=True, k=ref("c"))
    assert one("h = a\n  |> f\n\n # why\n|> g").value == call("g", call("f", ref("a"), piped=True), piped=True)


def test_comparisons_chain_but_not_through_brackets() -> None:
    assert expression("a < b <= c != d") == Compare(("<", "<=", "!="), (ref("a"), ref("b"), ref("c"), ref("d")), span=NOWHERE)
    inner = Compare(("<",), (ref("a"), ref("b")), span=NOWHERE)
    assert expression("(a < b) < c") == Compare(("<",), (inner, ref("c")), span=NOWHERE)


def test_slices() -> None:
    one_, two, three = num("1"), num("2"), num("3")

    def cut(*parts: Expression | None) -> Slice:
        return Slice(*parts, span=NOWHERE)

    assert expression("x[:, 1:, :2, 1:2, ::3, 1::3, :2:3, 1:2:3, ::, 1]") == Subscript(
        ref("x"),
        (
            cut(None, None, None), cut(one_, None, None), cut(None, two, None), cut(one_, two, None), cut(None, None, three),
            cut(one_, None, three), cut(None, two, three), cut(one_, two, three), cut(None, None, None), one_,
        ),
        span=NOWHERE,
    )


def test_atoms() -> None:
    for text in ("0", "00", "7", "1_000", "1.", ".5", "1.5e-3", "1e+3", "2E5", "1_0.0_1e1_0", "08.5"):
        assert expression(text) == num(text)
        assert float(text) == ast.literal_eval(text)
    assert expression("True") == Boolean(True, span=NOWHERE)
    assert expression(r"""'a"\'\n\t\\'""") == Text("a\"'\n\t\\", span=NOWHERE)
    rows = tuple(Array((num(a), num(b)), span=NOWHERE) for a, b in ("10", "01"))
    assert expression("[[1, 0], [0, 1]]") == Array(rows, span=NOWHERE)
    assert expression("x.T.T") == Transpose(Transpose(ref("x"), span=NOWHERE), span=NOWHERE)


_OPS = ["+", "-", "*", "/", "//", "%", "@", "**", "<", "<=", "==", "!=", " and ", " or "]
_PYTHON_EXPRESSION = st.recursive(
    st.sampled_from(["a", "b", "x1", "2", "1.5", ".5", "True"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(_OPS), inner).map("".join),
        inner.map("-{}".format), inner.map("+{}".format), inner.map("not {}".format), inner.map("({})".format), inner.map("f({})".format),
        st.tuples(inner, inner).map(lambda p: f"f({p[0]}, k={p[1]})"), st.tuples(inner, inner).map(lambda p: f"x[{p[0]}:, {p[1]}]"),
        st.tuples(inner, inner).map(lambda p: f"[{p[0]}, {p[1]}]"), inner.map("({}).T".format),
    ),
    max_leaves=12,
)


def from_python(node: ast.AST) -> Any:
    """Python's tree as nested tuples."""
    match node:
        case ast.Name(id=id):
            return "name", id
        case ast.Constant(value=value):
            return "constant", value
        case ast.BinOp(left=left, op=op, right=right):
            return type(op).__name__, from_python(left), from_python(right)
        case ast.UnaryOp(op=op, operand=operand):
            return type(op).__name__, from_python(operand)
        case ast.BoolOp(op=op, values=values):
            made = from_python(values[0])
            for value in values[1:]:
                made = type(op).__name__, made, from_python(value)
            return made
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return "compare", *(type(op).__name__ for op in ops), *map(from_python, (left, *comparators))
        case ast.Call(func=ast.Name(id=id), args=args, keywords=keywords):
            return "call", id, *map(from_python, args), *((k.arg, from_python(k.value)) for k in keywords)
        case ast.Subscript(value=value, slice=items):
            elements = items.elts if isinstance(items, ast.Tuple) else [items]
            return "subscript", from_python(value), *map(from_python, elements)
        case ast.Slice(lower=lower, upper=upper, step=step):
            return "slice", *(None if part is None else from_python(part) for part in (lower, upper, step))
        case ast.Attribute(value=value):
            return "transpose", from_python(value)
        case ast.List(elts=elements):
            return "list", *map(from_python, elements)
    raise AssertionError(ast.dump(node))


_PYTHON_OPS = {
    "+": "Add", "-": "Sub", "*": "Mult", "/": "Div", "//": "FloorDiv", "%": "Mod", "@": "MatMult", "**": "Pow", "and": "And", "or": "Or",
    "<": "Lt", "<=": "LtE", "==": "Eq", "!=": "NotEq",
}


def from_ours(node: Expression | Slice) -> Any:
    match node:
        case Ref(id=id):
            return "name", id
        case Number(text=text):
            return "constant", ast.literal_eval(text)
        case Boolean(value=value):
            return "constant", value
        case Binary(op=op, left=left, right=right):
            return _PYTHON_OPS[op], from_ours(left), from_ours(right)
        case Unary(op=op, operand=operand):
            return {"-": "USub", "+": "UAdd", "not": "Not"}[op], from_ours(operand)
        case Compare(ops=ops, operands=operands):
            return "compare", *(_PYTHON_OPS[op] for op in ops), *map(from_ours, operands)
        case Call(func=func, args=args, keywords=keywords):
            return "call", func.id, *map(from_ours, args), *((k.name.id, from_ours(k.value)) for k in keywords)
        case Subscript(value=value, items=items):
            return "subscript", from_ours(value), *map(from_ours, items)
        case Slice(start=start, stop=stop, step=step):
            return "slice", *(None if part is None else from_ours(part) for part in (start, stop, step))
        case Transpose(value=value):
            return "transpose", from_ours(value)
        case Array(items=items):
            return "list", *map(from_ours, items)
    raise AssertionError(node)


@settings(max_examples=200, deadline=None)
@given(_PYTHON_EXPRESSION)
def test_python_reads_expressions_in_the_same_way(text: str) -> None:
    try:
        wanted = ast.parse(text, mode="eval").body
    except SyntaxError:  # `a + not b`, in both languages
        assert parse_expression(text)[0] is None
        return
    made = expression(text)
    assert flat_bools(from_ours(made)) == flat_bools(from_python(wanted))
    again = expression(unparse_expression(made))
    assert again == made


def flat_bools(tree: Any) -> Any:
    """`a and b and c` as one list: Python keeps it so, whether bracketed on the left or not."""
    if not isinstance(tree, tuple):
        return tree
    if tree and tree[0] in ("And", "Or"):
        parts: list[Any] = []
        left: Any = tree
        while isinstance(left, tuple) and left[0] == tree[0]:
            parts.append(flat_bools(left[2]))
            left = left[1]
        return (tree[0], flat_bools(left), *reversed(parts))
    return tuple(map(flat_bools, tree))


# ---------------------------------------------------------------- words, lines and documentation


def test_keywords_are_names_wherever_nothing_else_is_meant() -> None:
    words = "size dtype input index param hyper output minimize gradient def update use return state frozen with wrt of".split()
    words += "layer for scan next random jacobian hessian derivative if else lambda import class while int self I __init__ _tmp0".split()
    for word in words:
        text = f"input {word}\n{word} = {word} + 1\n{word}, b = f({word}, {word}={word})\noutput {word}, b\nminimize {word} |> {word} with {word}"
        made = good(text).statements
        assert [type(s) for s in made] == [InputDecl, Binding, Binding, OutputDecl, Minimize]
        assert made[4] == Minimize(call(word, ref(word), piped=True), call(word), span=NOWHERE)
    assert one("gradient wrt wrt wrt, of") == GradientDecl(name("wrt"), (name("wrt"), name("of")), span=NOWHERE)
    assert one("update of() of of with with:\n with = of").weight == name("of")


def test_names_are_normalised_as_pythons_are() -> None:
    made = good("input σ, θ₁, ﬁ, x̂, é, ñ, 日本\noutput y = θ1 + fi").statements[0]
    assert [item.name.id for item in made.items] == ["σ", "θ1", "fi", "x̂", "é", "ñ", "日本"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_newlines_marks_and_ends(newline: str) -> None:
    lines = ["# doc", "input x  # why", "", "def f(a):", "\ty = (a +", "1)", "\treturn y", "output z = f(", "x)"]
    wanted = good("\n".join(lines))
    for start in ("", "\ufeff"):
        for end in ("", newline, newline * 3, newline + "# last"):
            made = good(start + newline.join(lines) + end)
            assert made.statements == wanted.statements and made.doc == "doc"
            assert [s.span for s in made.statements] == [s.span for s in wanted.statements]


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "   \n\t\n", "# only a comment", "## only documentation\n", "\f\n"])
def test_a_file_without_statements(text: str) -> None:
    assert good(text).statements == ()


def test_documentation() -> None:
    module = good(
        "# file.gw: what it is\n# and more\n\nsize N\n\n## both\n##\n##  inputs\ninput a, b\n\n## lost\n\n#### no documentation\nparam w = 0\n"
        "## the function\ndef f(x):\n    ## inner\n    y = x\n    return y\n## out\noutput c = f(a)  ## no documentation\nd = 1\n"
    )
    assert module.doc == "file.gw: what it is\nand more"
    size, inputs, param, function, output, last = module.statements
    assert size.items[0].doc == "" and [i.doc for i in inputs.items] == ["both\n\n inputs"] * 2 and param.doc == ""
    assert function.doc == "the function" and function.body[0].doc == "inner" and output.doc == "out" and last.doc == ""
    assert good("## The model\n\n# a remark\ninput x").doc == "The model"
    both = good("# the file\n## the input\ninput x")
    assert both.doc == "the file" and both.statements[0].items[0].doc == "the input"


# ---------------------------------------------------------------- spans


def nodes(value: Any) -> Iterator[Node]:
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, tuple):
            todo.extend(value)
        elif is_dataclass(value) and not isinstance(value, (Span, Source)):
            if isinstance(value, Node):
                yield value
            todo.extend(getattr(value, f.name) for f in fields(value) if f.name not in ("span", "op_span"))


def covered(source: Source, span: Span) -> str:
    lines = [source.line(number) for number in range(span.line, span.end_line + 1)]
    lines[-1] = lines[-1][:span.end_column - 1]
    lines[0] = lines[0][span.column - 1:]
    return "\n".join(lines)


def test_spans_cover_what_was_written() -> None:
    text = "\ufeffh = max(0, (a + b) @ w.T**2, axis=1) |> f\nparam W[2,\n  3] ~ normal(0, 1) frozen\ny = -x[:, 1:2] < 'θ'\n"
    module = good(text)
    spans = {covered(module.source, node.span) for node in nodes(module.statements)}
    assert {
        "h = max(0, (a + b) @ w.T**2, axis=1) |> f", "h", "max(0, (a + b) @ w.T**2, axis=1) |> f", "f", "max(0, (a + b) @ w.T**2, axis=1)",
        "max", "0", "(a + b) @ w.T**2", "(a + b)", "a", "w.T**2", "w.T", "axis=1", "param W[2,\n  3] ~ normal(0, 1) frozen", "-x[:, 1:2]",
        "x[:, 1:2]", ":", "1:2", "'θ'",
    } <= spans
    products = [n for n in nodes(module.statements) if isinstance(n, Binary)]
    assert sorted(covered(module.source, p.op_span) for p in products) == ["**", "+", "@"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_the_repositorys_models(path: Path) -> None:
    """Each is read, lies within its spans, and can be written and read again."""
    module = good(path.read_text(encoding="utf-8"))
    check_spans(module, ())
    again = good(unparse(module))
    assert again.statements == module.statements and again.doc == module.doc


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "code", "line", "carets", "part"),
    [
        # characters, numbers, texts
        ("y = x\u00a0+ 1", "E001", 1, "\u00a0", "U+00A0"), ("y = x\0", "E001", 1, "\0", "U+0000"), ("y = x $ 2", "E001", 1, "$", "`$`"),
        ("y = x\u200b", "E001", 1, "\u200b", "U+200B"), ("y = a; b = 2", "E001", 1, ";", "`;`"), ("y = xᵀ", "E001", 1, "ᵀ", "`ᵀ`"),
        ("y = 'abc", "E002", 1, "'abc", "not closed"), ("y = 08", "E003", 1, "08", "08"), ("y = 1__0", "E003", 1, "1__0", "1__0"),
        ("y = f('a\0b')", "E001", 1, "\0", "U+0000"), ("y = 1e", "E003", 1, "1e", "`1e`"), ("y = 3x", "E003", 1, "3x", "3x"), ("y = 1e999", "E003", 1, "1e999", "larger"),
        ("y = 1.2.3", "E003", 1, "1.2.3", "1.2.3"), ("y = '\\q'", "E004", 1, "\\q", "\\q"),
        # brackets
        ("y = f(x\nz = 2", "E102", 1, "(", "`)` is missing"), ("y = f(x]", "E102", 1, "(", "closed by a `]`"),
        ("y = f([x)", "E102", 1, "[", "`]` is missing"), ("y = x)", "E103", 1, ")", "closes nothing"),
        ("y = f(a,\n  b\n\noutput z = (3)", "E102", 1, "(", "missing"),
        # what comes after what
        ("param", "E105", 1, "", "after `param` comes a name"), ("param 3", "E101", 1, "3", "after `param` comes a name, not `3`"),
        ("input and", "E101", 1, "and", "cannot be a name"), ("x 3", "E118", 1, "", ""), ("y = x +", "E105", 1, "", "after `+`"),
        ("y = * x", "E101", 1, "*", "after `=` comes a value"), ("y = f(a,,b)", "E101", 1, ",", "value"), ("y = ()", "E101", 1, "()", "nothing"),
        ("inptu x", "E101", 1, "inptu", "not a statement"), ("hyper a", "E105", 1, "", "`=`"), ("gradient f x", "E101", 1, "x", "`wrt`"),
        ("minimize a with 3", "E101", 1, "3", "the optimiser"), ("output a, b = 3", "E101", 1, "=", "one name"),
        ("param W[2] normal(0, 1)", "E101", 1, "normal", "`~`"), ("input x(3)", "E101", 1, "(", "`[ ]`"), ("param a, b", "E101", 1, ",", "one"),
        ("def f(x): return x", "E101", 1, "return", "ends"), ("= 3", "E101", 1, "=", "begin"), ("use a, b", "E101", 1, ",", "end of the line"),
        ("a, b = x, x", "E101", 1, ",", "one value stands after `=`"), ("a, b = f(x, 2), x", "E101", 1, ",", "one value"),
        # = and ==
        ("x == 3", "E104", 1, "==", "one `=`"), ("x = y = 3", "E104", 1, "=", "second"), ("y = f(x[0] = 1)", "E104", 1, "=", "argument"),
        ("size N == 3", "E104", 1, "==", "one `=`"), ("minimize a = 3", "E104", 1, "=", "nothing to bind"),
        # two values side by side
        ("y = a b", "E106", 1, "a b", "operator"), ("y = f(a b)", "E106", 1, "a b", "comma or an operator"), ("y = 2(x)", "E106", 1, "(", "operator"),
        ("input x y", "E106", 1, "y", "comma"), ("y = f(x)(z)", "E106", 1, "(", "operator"),
        # indentation
        ("y = x\n  + z", "E107", 2, "  ", "opens no block"), ("  y = x", "E107", 1, "  ", "first"), ("def f(x):\ny = 3", "E107", 1, ":", "body"),
        ("def f(x):\n    a = x\n  return a", "E107", 3, "  ", "fits no line"), ("def f(x):\n    a = x\n\treturn a", "E107", 3, "\t", "mixed"),
        # Python
        ("import numpy", "E108", 1, "import", "import"), ("if x > 0:\n    y = 1\nelse:\n    y = 2", "E108", 1, "if", "if"),
        ("y = a if b else c", "E108", 1, "if", "if"), ("y = lambda a: a", "E108", 1, "lambda", "lambda"), ("y = a is b", "E108", 1, "is", "is"),
        ("y = a not in b", "E108", 1, "not", "not in"), ("x: float = 3", "E108", 1, ":", "annotation"), ("print(x)", "E108", 1, "print", "print"),
        ("y = x^2", "E109", 1, "^", "`^`"), ("x += 1", "E109", 1, "+=", "`+=`"), ("y = a && b", "E109", 1, "&&", "`&&`"),
        ("y = !a", "E109", 1, "!", "`!`"), ("y = ~a", "E109", 1, "~", "`~`"), ("y = x.dot(w)", "E113", 1, ".dot", ".dot"),
        ("y = np.exp(x)", "E113", 1, ".exp", ".exp"), ("y = x.shape[0]", "E113", 1, ".shape", ".shape"), ('"""doc"""', "E108", 1, '"""', "docstring"),
        # derivatives
        ("jacobian r", "E105", 1, "", "`wrt`"), ("jacobian r + 1 wrt b", "E101", 1, "+", "`wrt`"), ("hessian diagonal", "E105", 1, "", "`wrt`"),
        ("hessian f wrt x each n", "E106", 1, "each", "comma"), ("jacobian r wrt b[0]", "E101", 1, "[", "`each`"),
        # loops, layers and index notation
        ("for i in range(3):\n    x = y y", "E106", 2, "y y", "operator"), ("for i range(3):\n    x = y", "E101", 1, "range", "`in`"),
        ("for i in range(3):\n    emit x", "E117", 2, "emit", "the body of a loop"), ("for i in range(3)", "E105", 1, "", "`:`"),
        ("for i in range(3):\n    input x", "E117", 2, "input", "the body of a loop"), ("for i in range(3):", "E107", 1, ":", "body"),
        ("layer d(x[..., D]):\n  y = x", "E112", 1, "d", "the layer `d` returns nothing"), ("emit x", "E117", 1, "emit", "only in the body of a scan"),
        ("layer d(x[..., D]):\n  output y = x\n  return x", "E117", 2, "output", "the body of a layer"),
        ("state m", "E105", 1, "", "`=`"), ("random e[N] = 3", "E101", 1, "=", "`~`"), ("next m[i] = 3", "E101", 1, "[", "`=`"),
        ("y = sum(x, ...)", "E101", 1, "...", "and in the shape of a layer's argument"),
        ("y = [..., 0]", "E101", 1, "...", "after `[` comes a value"), ("scan t in range(T) while a:\n  emit x", "E106", 1, ") while", ""),
        ("y = x[d] for d", "E101", 1, "for", "inside the brackets"), ("y = f(x if x > 0)", "E108", 1, "if", "if"),
        ("y = sum(x[i] if i for i)", "E108", 1, "if", "if"), ("y = sum(x[i] in i)", "E108", 1, "in", "in"),
        ("y = x as head", "E101", 1, "as", "`as` names the layer"), ("y = x |> f(a[i] for i)", "E114", 1, "f(a[i] for i)", "comprehension"),
        ("y = sum(a, x[i] for i)", "E101", 1, "for", ""), ("s[0] = 3", "E116", 1, "s[0]", "only names"), ("y = head.sum(x)", "E113", 1, ".sum", ".sum"),
        # the rest
        ("def f(x):\n    y = x", "E112", 1, "f", "returns nothing"), ("def f(x):\n    return x\n    y = 3", "E112", 3, "y = 3", "follow"),
        ("y = f(a=1, b)", "E114", 1, "b", "name"), ("y = x |> f + 1", "E115", 1, "+", "loosest"), ("y = x |> 3", "E115", 1, "3", "function"),
        ("a + b = 3", "E116", 1, "a + b", "only names"), ("x.T = 3", "E116", 1, "x.T", "only names"), ("(a, b) = c", "E116", 1, "(a, b)", "names"),
        ("def f(x):\n    input z\n    return x", "E117", 2, "input", "cannot stand"), ("return 3", "E117", 1, "return", "cannot stand"),
        ("update u() of w with g:\n    return w", "E117", 2, "return", "cannot stand"), ("x + 1", "E118", 1, "x + 1", "nowhere"),
        ("f(x)", "E118", 1, "f(x)", "nowhere"), ("x, y", "E118", 1, "x, y", "nowhere"),
    ],
)
def test_one_error_with_its_place(text: str, code: str, line: int, carets: str, part: str) -> None:
    if text == "x 3":  # a name and a number: no statement, and no value either
        assert [d.code for d in bad(text)] == ["E106"]
        return
    found = bad(text)
    source = Source("m.gw", text)
    assert [(d.code, d.span.line) for d in found] == [(code, line)], render_all(found, {"m.gw": source})
    assert covered(source, found[0].span) == carets
    assert part in found[0].message


def test_all_errors_in_one_run() -> None:
    lines = ["size 3", "y = (1 +", "input x, y z", "def f(x):", "    a = 08", "    b = x x", "    return a", "q = 1", "w = ^ $", "minimize"]
    assert [(d.code, d.span.line) for d in bad("\n".join(lines))] == [
        ("E101", 1), ("E102", 2), ("E106", 3), ("E003", 5), ("E106", 6), ("E109", 9), ("E001", 9), ("E105", 10),
    ]
    module = parse(Source("m.gw", "\n".join(lines)))[0]
    assert module is not None and [s.targets[0].id for s in module.statements] == ["q"]
    assert set(module.broken) >= {"y", "x", "f", "w"} and "q" not in module.broken


def test_a_bracket_that_is_never_closed_hides_nothing() -> None:
    text = "y = f(x,\n  a\nz = 2\nsize M\nu = (1\noutput z\n"
    module, found = parse(Source("m.gw", text))
    assert [(d.code, d.span.line) for d in found] == [("E102", 1), ("E102", 5)]
    assert module is not None and [type(s) for s in module.statements] == [Binding, SizeDecl, OutputDecl]


def test_arguments_may_look_like_statements() -> None:
    assert one("y = f(x,\nlr = 3,\nminimize = 2,\noutput\n= 4)").value == call("f", ref("x"), lr=num("3"), minimize=num("2"), output=num("4"))


# ---------------------------------------------------------------- sizes and speed

DEEP = MAX_DEPTH + 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1200 + "x" + ")" * 1200, "x" + " + x" * 5000, "x" + " * x - x" * 2500, "x" + " < x" * 5000, "f(" + "x, " * 5000 + ")",
        "(" * 1200 + "x" + " + 1)" * 1200, "f(" * MAX_DEPTH + "x" + ")" * MAX_DEPTH, "x" + " |> f" * MAX_DEPTH, "a" * 100_000,
        "x" + " and x" * 5000, "f(" * 1200 + "x" + ")" * 1200, "-" * 5000 + "x", "not " * 5000 + "x", "x" + ".T" * 5000,
        "x" + "[0]" * 5000, "x" + "**x" * 5000, "[" * 1200 + "1" + "]" * 1200, "x" + " |> f" * 5000,
        "x + (" * 10_000 + "x" + ")" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_long_and_deep_expressions_work(text: str) -> None:
    value = expression(text)
    assert unparse_expression(expression(unparse_expression(value))) == unparse_expression(value)


@pytest.mark.parametrize(
    "text",
    ["f(" * DEEP + "x" + ")" * DEEP, "-" * DEEP + "x", "not " * DEEP + "x", "x" + ".T" * DEEP, "x" + "[0]" * DEEP, "x" + "**x" * DEEP,
     "[" * DEEP + "1" + "]" * DEEP, "x" + " |> f" * DEEP, "x + (" * DEEP + "x" + ")" * DEEP],
    ids=lambda text: text[:12],
)
def test_deeper_nesting_is_an_error(text: str) -> None:
    assert [d.code for d in bad("y = " + text)] == ["E111"]


@pytest.mark.parametrize(
    "text",
    ["(" * 20_000, ")" * 20_000, "y = (\n" * 20_000, "\0" * 5000, "".join(" " * i + "y = 3\n" for i in range(1500)),
     "".join(" " * i + "for i in x:\n" for i in range(1500)), "a, " * 20_000 + "= 1", "y = " + "1" * 100_000, "y = " + "1." * 50_000,
     "y = x\n" + "\n" * 50_000 + "|> f", "foo bar baz\n" * 3000, '"\n' * 5000, "[(" * 10_000, "y = " + "é" * 50_000 + "²" * 1000],
    ids=lambda text: repr(text[:10]),
)
def test_hopeless_texts_end_soon(text: str) -> None:
    module, found = parse(Source("m.gw", text))
    assert module is not None
    check_spans(module, found)
    render_all(found[:3], {"m.gw": module.source})


def test_a_file_of_a_megabyte() -> None:
    line = "h = max(0, x @ W1 + b1)  # a line as they are\n"
    count = 1_000_000 // len(line)
    assert len(good(line * count).statements) == count


def test_the_tables_are_current() -> None:
    file = ROOT / "compiler" / "language" / "tables.py"
    assert file.read_text(encoding="utf-8") == lalr.make_tables(), "make them: python -m gradwright.compiler.language.lalr"


def test_the_grammar_has_no_conflicts() -> None:
    """Lark would decide a shift/reduce conflict silently."""
    import io
    import logging

    from lark import logger

    heard, level = io.StringIO(), logger.level
    handler = logging.StreamHandler(heard)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        lalr.make_tables(debug=True)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert "onflict" not in heard.getvalue()


def test_reading_needs_neither_lark_nor_anything_else_that_is_slow() -> None:
    code = (
        "import sys; from gradwright.compiler.language.parser import parse; from gradwright.compiler.language.source import Source;"
        "assert parse(Source('m', 'y = 1'))[1] == (); print(sorted({'lark', 'sympy', 'numpy', 'difflib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# ---------------------------------------------------------------- any text at all


def check_spans(module: Module, found: tuple[Diagnostic, ...]) -> None:
    """Every span begins before it ends and lies in the text (one past the end of a line is allowed)."""
    lines = module.source.lines
    spans = [node.span for node in nodes(module.statements)] + [d.span for d in found]
    spans += [label.span for d in found for label in d.labels]
    for span in spans:
        assert span.file == "m.gw"
        assert (span.line, span.column) <= (span.end_line, span.end_column)
        for line, column in ((span.line, span.column), (span.end_line, span.end_column)):
            assert 1 <= line <= max(len(lines), 1)
            assert 1 <= column <= len(module.source.line(line)) + 1


_VALID = [path.read_text(encoding="utf-8") for path in MODELS] + [
    "scan t in range(T):\n    carry h = zeros(N, H)\n    i, f = split(concat(x[:, t], h, axis=1) @ W, 4, axis=1)\n    emit hs = h\n",
    "s[n, j] = sum(x[n, d] * W[d, j] for d)\nL[n] = sum(max(0, s[n, j]) for j if j != y[n])\n",
    "output y = x |> conv2d(8, kernel=5)\n    |> flatten |> dense(10) as head\nminimize mean(y) with adam(lr=1e-2)\n",
]
_PIECES = [
    "(", ")", "[", "]", "=", "==", ",", ":", "|>", "~", "<", "**", "-", "not ", "\n", "\n    ", "\n\t", "\r\n", " ", "#", "## ", '"', "'", "\\", "\0",
    "\ufeff", "²", "σ", "\u2028", "日", "def ", "def f(x):\n    ", "update u() of w with g:\n ", "input ", "size ", "param ", "output ", "minimize ",
    " with ", " wrt ", " of ", " frozen", "for ", "if ", "else:", "return ", "use ", "1e", "08", "1_0", "...", ".T", ".", '"""', "lambda ", "in ", "as ",
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid program with pieces cut out, doubled or put in."""
    text = draw(st.sampled_from(_VALID))
    start = draw(st.integers(0, max(0, len(text) - 200)))
    text = text[start:start + 400] if draw(st.booleans()) else text
    for _ in range(draw(st.integers(1, 6))):
        a = draw(st.integers(0, len(text)))
        b = draw(st.integers(a, min(len(text), a + 30)))
        text = text[:a] + draw(st.sampled_from(["", text[a:b] * 2, *_PIECES])) + text[draw(st.sampled_from([a, b])):]
    return text


@settings(max_examples=150, deadline=None)
@given(st.one_of(mutated(), st.lists(st.sampled_from(_PIECES)).map("".join), st.text(), st.binary().map(lambda b: b.decode("latin-1"))))
@example("(\ufeff\U00018d09\u00a0\u200d")
@example("y = 'a\u2028b'\x0b")
def test_no_text_breaks_the_parser(text: str) -> None:
    source = Source("m.gw", text)
    module, found = parse(source)
    assert module is not None
    assert bool(module.broken) == any(d.is_error for d in found)
    check_spans(module, found)
    assert all(c == "\n" or c.isprintable() for c in render_all(found, {"m.gw": source}))
    again, more = parse(Source("m.gw", unparse(module)))
    assert again is not None and not more, (unparse(module), more)
    assert again.statements == module.statements
    if module.doc.strip() == module.doc and "\f" not in module.doc:
        assert again.doc == module.doc


@settings(max_examples=40, deadline=None)
@given(mutated())
def test_no_program_breaks_the_front_end(text: str) -> None:
    """What is left of a broken program goes on to the next stage, which must not stumble over it."""
    module, found = parse(Source("m.gw", text))
    assert module is not None
    model, more = elaborate(module)
    assert model is None or not any(d.is_error for d in (*found, *more))


def test_axes_may_be_written_as_a_tuple() -> None:
    assert parse_expression("sum(x, axis=(0, 1))") == parse_expression("sum(x, axis=[0, 1])")
    assert parse_expression("sum(x, axis=(0, 1,))") == parse_expression("sum(x, axis=[0, 1])")


NETWORKS = """size N, T, D = 16, H = 32
input x[N, T, D], target[N, H]
param W[D + H, 4*H] ~ glorot_uniform with l2(1e-4)
param b[4*H] = 0 with l1
state m[H] = 0
next m = 0.9 * m
random e[N, 3] ~ normal(0, 1)
derivative huber(e, d) wrt e = clip(e, -d, d)
scan t in reversed(range(T)) until h > 3 recompute:
    carry h = zeros(N, H)
    for k in range(3):
        h = h + k
    s[i] = h[i]
    emit hs = h
    emit h
scan t in range(T) recompute:
    carry h = 0
layer dense(x[..., D], units, bias = True):
    ## the weights
    param W[D, units] ~ glorot_uniform
    param b[units] = 0
    return where(bias, x @ W + b, x @ W)
layer block(q[N, 3, D], k[N, T]):
    state mean[D] = 0
    random r[N] ~ uniform(0, 1)
    next mean = sum(q)
    y = dense(q, 3) as inner
    return y
S[n, j] = sum(x[n, d] * W[d, j] for d)
L[n] = sum(max(0, S[n, j] - S[n, y[n]] + 1) for j if j != y[n])
o[n, i] = sum(x[n, i + u - 1] pad * w[u] for u in range(3)) for i in range(H)
z = max(sum(x[i, j] for j) for i if i > 3)
q = x |> conv2d(8, kernel=5, pad=2) |> relu as r |> dense(10) as head
v = sum(head.W**2) + sum(block.inner.W)
for units in [64, 32]:
    h = dense(h, units)
"""


def test_the_statements_for_networks_are_read_and_written_back() -> None:
    module, found = parse(Source("m.gw", NETWORKS))
    assert module is not None and not found
    text = unparse(module)
    again, more = parse(Source("m.gw", text))
    assert again is not None and not more and again.statements == module.statements
    assert unparse(again) == text
    assert [type(s).__name__ for s in module.statements[4:12]] == [
        "State", "Next", "RandomDecl", "DerivativeDecl", "ScanDecl", "ScanDecl", "LayerDef", "LayerDef",
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["for", "scan", "state", "next", "random", "layer", "derivative", "emit", "carry", "pad", "until"])
def test_the_words_of_new_statements_are_still_names(word: str) -> None:
    module, found = parse(Source("m.gw", f"input {word}[3]\ny = {word} * 2\nz = {word}[1] + f({word}, {word}={word})\n"))
    assert module is not None and not found
    module, found = parse(Source("m.gw", f"{word} = 3\n{word}, b = split(x, 2, axis=0)\n{word}[i] = x[i]\n"))
    assert module is not None and not found and len(module.statements) == 3
