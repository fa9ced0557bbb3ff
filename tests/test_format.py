"""``gradwright fmt``: what formatted text looks like; that it means the same, keeps every comment and stays as it is."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner, Result
from gradwright.compiler import cli
from gradwright.compiler.language import format as formatting
from gradwright.compiler.language.diagnostics import ModelError
from gradwright.compiler.language.format import WIDTH, FormatError, format_text
from gradwright.compiler.language.lexer import Line
from gradwright.compiler.language.parser import parse, parse_lines
from gradwright.compiler.language.source import Source
from hypothesis import given
from hypothesis import strategies as st
from support.everywhere import PLACES, models
from support.programs import Program, programs, random_program
from support.settings import thoroughly
from test_parser import NETWORKS

ROOT = Path(__file__).resolve().parent.parent


def comments(text: str) -> list[str]:
    """All comments, in order, without the spaces at their beginnings. (No string of these models has a `#` in it.)"""
    return [re.sub(r"^(#+)\s*", r"\1", found).rstrip() for found in re.findall(r"#.*", text)]


def reading(text: str) -> tuple[object, ...]:
    """What the lexer makes of it: tokens, blocks and documentation."""
    module, lines, found = parse_lines(Source("m.gw", text))
    assert not found, found[0]

    def tree(line: Line) -> object:
        return [(t.type, t.text) for t in line.tokens], line.doc, [tree(child) for child in line.children]

    return [tree(line) for line in lines], module.doc, module.statements


def settled(text: str) -> str:
    """The formatted text, for which everything holds that the formatter promises."""
    formatted = format_text(text)
    assert reading(formatted) == reading(text)
    assert comments(formatted) == comments(text)
    assert format_text(formatted) == formatted
    assert formatted == "" or (formatted.endswith("\n") and not formatted.startswith("\n"))
    assert not re.search(r"[ \t]+$|\n\n\n\n", formatted, re.MULTILINE)
    return formatted


# ---------------------------------------------------------------- the look

LOOKS: dict[str, tuple[str, str]] = {
    "spaces": (
        "y=x+1\nz = - x   -y\nw=  x **2\nv=f( x ,axis = 0 , keepdims=True )\n"
        "u=not(a<b)and c>=d\nt = x  [ 1 , : ] . T\ns=(- 1)\nr=a@b\n",
        """\
        y = x + 1
        z = -x - y
        w = x**2
        v = f(x, axis=0, keepdims=True)
        u = not (a < b) and c >= d
        t = x[1, :].T
        s = (-1)
        r = a @ b
        """,
    ),
    "products are tight or spaced as one": (
        "a = 2*x+ 3*y\nb = 1/2 *x\nc = x*y@z\nd = x[2*i+1]\ne = -x*-y\nf = x *y+z*w\ng = a*(b+c)/d\nh = 2*x**2\n",
        """\
        a = 2*x + 3*y
        b = 1 / 2 * x
        c = x * y @ z
        d = x[2*i + 1]
        e = -x*-y
        f = x * y + z*w
        g = a*(b + c)/d
        h = 2*x**2
        """,
    ),
    "slices": (
        "a = x[ 1 : 3 ]\nb = x[n+1 :m , ::2]\nc = x[: , -1 :]\nd = x[i*2:]\ne = x[n + 1 : : 2]\nf = x[f(a + b):]\n",
        """\
        a = x[1:3]
        b = x[n + 1 : m, ::2]
        c = x[:, -1:]
        d = x[i*2:]
        e = x[n + 1 :: 2]
        f = x[f(a + b):]
        """,
    ),
    "declarations have two columns": (
        "size N,H=8\ndtype float32\nuse layers\ninput x[N,2],y[N , 1]\nindex  k[N]<H\nhyper reg=1e-3\n"
        "param W[2,H]~normal( 0,0.01 )frozen\nstate m[H]=0\nrandom e[N]~normal(0,1)\nnext m=m+1\noutput p=x@W\n"
        "minimize(p - y) |> square |> mean with adam( lr=1e-2 )\n",
        """\
        size   N, H = 8
        dtype  float32
        use    layers
        input  x[N, 2], y[N, 1]
        index  k[N] < H
        hyper  reg = 1e-3
        param  W[2, H] ~ normal(0, 0.01) frozen
        state  m[H] = 0
        random e[N] ~ normal(0, 1)
        next m = m + 1
        output p = x @ W
        minimize (p - y) |> square |> mean with adam(lr=1e-2)
        """,
    ),
    "declarations behind the longest word": (
        "size  N\ninput x[N]\nparam W[N,2]\noutput x\n",
        """\
        size  N
        input x[N]
        param W[N, 2]
        output x
        """,
    ),
    "what is aligned stays aligned": (
        "param  W1[2,H] ~ he_normal\nparam  b1[H]   = 0\n## the last\nparam  W10[H,1] ~ he_normal\n\nparam a = 0\n"
        "param  bb = 0\n\ns[n, j] = sum(x[n, j])\nL[n]    = sum(s[n, j] for j)\nlonger[n, j] = 1\n",
        """\
        param  W1[2, H]  ~ he_normal
        param  b1[H]     = 0
        ## the last
        param  W10[H, 1] ~ he_normal

        param  a = 0
        param  bb = 0

        s[n, j]      = sum(x[n, j])
        L[n]         = sum(s[n, j] for j)
        longer[n, j] = 1
        """,
    ),
    "comments behind code": (
        "size N #free\ninput x[N]     # the data\ny = x  ## no documentation\n\nz = tanh(x) * tanh(x) * tanh(x) + 1 # a\n"
        f"w = 1 # b\n\nv = 1 # {'long ' * 20}\n",
        f"""\
        size   N                           # free
        input  x[N]                        # the data
        y = x                              ## no documentation

        z = tanh(x) * tanh(x) * tanh(x) + 1  # a
        w = 1                                # b

        v = 1  # {('long ' * 20).rstrip()}
        """,
    ),
    "empty lines": (
        "\n\n#first\n\n\n\n\ninput x\n\n\ndef f(x):\n\n\n  y = x\n\n\n\n  return y\noutput z = f(x)\n\n\n",
        """\
        # first


        input  x


        def f(x):
            y = x

            return y
        output z = f(x)
        """,
    ),
    "comments keep to their blocks": (
        "for i in range(3):\n  # inside\n  h = h + i\n  # still inside\n\n  # here too\n# outside\noutput h\n"
        "scan t in range(3):\n\tfor k in range(2):\n\t\th = h + k\n\t\t# deep\n\t# less\n   # and this\n\temit h\n  #end\n",
        """\
        for i in range(3):
            # inside
            h = h + i
            # still inside

            # here too
        # outside
        output h
        scan t in range(3):
            for k in range(2):
                h = h + k
                # deep
            # less
            # and this
            emit h
        # end
        """,
    ),
    "documentation stays with what it documents": (
        "##The model.\n##  Indented.\n\n##\n## data\n  # and this\ninput x\n"
        "def f(x):\n    y = x\n    return y\n    ## of g\ndef g(x) = x\n",
        """\
        ## The model.
        ##  Indented.

        ##
        ## data
        # and this
        input  x
        def f(x):
            y = x
            return y
        ## of g
        def g(x) = x
        """,
    ),
    "line breaks stay": (
        "h = f(a,\n  b, # why\n\n\n  # a note\n c)\ng = stack(\n a,\n b,\n  )\nk = concat([\n 1, 2\n ])\ns = (a\n + b\n   + c)\n",
        """\
        h = f(a,
              b,                           # why

              # a note
              c)
        g = stack(
            a,
            b,
        )
        k = concat([
            1, 2
        ])
        s = (a
             + b
             + c)
        """,
    ),
    "pipes stand below each other": (
        "output s = x |> conv2d(8, pad=2) |> relu\n |> dense(10)\n # the end\n |> softmax as last\n\nh = x\n|> relu\n\n|> tanh\n"
        "z = (x |> relu\n |> tanh)\ny[i] = z[i]\n for i in range(3)\n",
        """\
        output s = x |> conv2d(8, pad=2) |> relu
                     |> dense(10)
                     # the end
                     |> softmax as last

        h = x
            |> relu

            |> tanh
        z = (x |> relu
               |> tanh)
        y[i] = z[i]
            for i in range(3)
        """,
    ),
    "where in where is else-if": (
        "y = where(a, b,\nwhere(c, d,\ne))\nz = where(where(a, b,\n c), d,\n where(\n  e, f, g))\n",
        """\
        y = where(a, b,
            where(c, d,
                  e))
        z = where(where(a, b,
                        c), d,
            where(
                e, f, g))
        """,
    ),
}


def dedented(text: str) -> str:
    return "".join(line.removeprefix(" " * 8) for line in text.splitlines(keepends=True))


@pytest.mark.parametrize("name", LOOKS)
def test_the_look(name: str) -> None:
    text, wanted = LOOKS[name]
    assert settled(text) == dedented(wanted)
    assert settled(wanted and dedented(wanted)) == dedented(wanted)


LONG = {
    "at a comma": (
        f"y = concat({', '.join(f'number{k}' for k in range(13))}, axis=-1)\n",
        "y = concat(number0, number1, number2, number3, number4, number5, number6, number7, number8, number9, number10, "
        "number11,\n           number12, axis=-1)\n",
    ),
    "before a pipe, rather than in its brackets": (
        "output scores = x |> conv2d(8, kernel=5, pad=2) |> relu |> max_pool2d(2) |> conv2d(16, kernel=5, pad=2) |> relu "
        "|> max_pool2d(2) |> dense(10)\n",
        "output scores = x |> conv2d(8, kernel=5, pad=2) |> relu |> max_pool2d(2) |> conv2d(16, kernel=5, pad=2) |> relu\n"
        "                  |> max_pool2d(2) |> dense(10)\n",
    ),
    "before the loosest operator": (
        f"y = -({' * '.join(['first_factor'] * 4)} + {' * '.join(['second_factor'] * 4)})\n",
        f"y = -({' * '.join(['first_factor'] * 4)}\n      + {' * '.join(['second_factor'] * 4)})\n",
    ),
    "before the clauses of a sum": (
        f"s[n] = sum({' * '.join(['weights[n, d, e]'] * 5)} + bias for d for e in range(n, n + 2) if d != e)\n",
        f"s[n] = sum({' * '.join(['weights[n, d, e]'] * 5)} + bias\n"
        "           for d for e in range(n, n + 2) if d != e)\n",
    ),
    "not between the variables of a clause": (
        f"s[n] = sum({' * '.join(['weights[n, d, e]'] * 5)} for d, e, f) for n in range(N)\n",
        f"s[n] = sum({' * '.join(['weights[n, d, e]'] * 5)} for d, e, f)\n"
        "    for n in range(N)\n",
    ),
    "nor between those in brackets": (
        f"s = sum({' * '.join(['weights[n, d, e]'] * 6)} for d, e, f) + 1\n",
        f"s = sum({' * '.join(['weights[n, d, e]'] * 6)}\n        for d, e, f) + 1\n",
    ),
    "behind a bracket, if there is no other place": (
        f"{'y' * 60} = tanh({'x' * 60})\n",
        f"{'y' * 60} = tanh(\n    {'x' * 60})\n",
    ),
    "nowhere": (f"y = {' + '.join(['some_name'] * 12)}\n", f"y = {' + '.join(['some_name'] * 12)}\n"),
    "a comment does not count": (
        f"y = f(aaaaaaaaaa, bbbbbbbbbbb)  # {'a very long comment ' * 5}.\n",
        f"y = f(aaaaaaaaaa, bbbbbbbbbbb)  # {'a very long comment ' * 5}.\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_long_lines_are_broken(name: str) -> None:
    text, wanted = LONG[name]
    assert settled(text) == wanted
    assert name in ("nowhere", "a comment does not count") or max(map(len, wanted.splitlines())) <= WIDTH


@pytest.mark.parametrize(("text", "wanted"), [
    ("", ""),
    ("\n\n", ""),
    ("# only\n\n", "# only\n"),
    ("input x", "input  x\n"),
    ("y = 1 # one", "y = 1                              # one\n"),
    ("\ufeffinput x\r\n\r\ny = x\r", "input  x\n\ny = x\n"),
    ("θ₁=x*µ\n", "θ₁ = x*µ\n"),
    ("y = 2 .T\n", None),
    ("y = f('#', \"'\")\n", None),
    ("a , b=c\n", "a, b = c\n"),
    ("y = f (x,)[0 ,]\n", "y = f(x,)[0,]\n"),
    ("y=x[i+u-1]pad*w\n", "y = x[i + u - 1] pad * w\n"),
    ("size=3\ninput = size\n", "size = 3\ninput = size\n"),
    ("pad = x[1] * pad\n", None),
    ("def f( a,b = 1 )=a\n", "def f(a, b=1) = a\n"),
    ("layer f( x[... ,D],k = 1 ) :\n return x\n", "layer f(x[..., D], k=1):\n    return x\n"),
    ("y = sum(x[i,j]for i for j in range(3)if i!=j)\n", "y = sum(x[i, j] for i for j in range(3) if i != j)\n"),
])  # fmt: skip
def test_small_texts(text: str, wanted: str | None) -> None:
    module, found = parse(Source("m.gw", text))
    if found:
        with pytest.raises(ModelError):
            format_text(text)
    else:
        assert settled(text) == (text if wanted is None else wanted)


# ---------------------------------------------------------------- every model there is


@pytest.mark.parametrize("place", PLACES)
def test_every_model_keeps_its_meaning(place: str) -> None:
    for texts in models(place).values():
        for number, text in enumerate(texts):
            settled(text)
            settled(scrambled(text, Random(number)))


def test_the_statements_for_networks() -> None:
    settled(NETWORKS)
    for seed in range(12):
        settled(scrambled(NETWORKS, Random(seed)))


def test_the_page_of_the_command_shows_what_comes_out() -> None:
    page = (ROOT / "docs/command.md").read_text(encoding="utf-8")
    before = re.findall(r"^```gw\n(# loose.gw\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    after = re.findall(r"^    \$ gradwright fmt - < loose.gw\n((?:    .*\n)+)", page, re.MULTILINE)
    assert [settled(text) for text in before] == [re.sub("^    ", "", text, flags=re.MULTILINE) for text in after] != []


# ---------------------------------------------------------------- any model, however it is written


def scrambled(text: str, rng: Random, *, spaces_only: bool = False) -> str:
    """The same tokens and documentation with other spaces, line breaks, empty lines and comments."""
    source = Source("m.gw", text)
    _, lines, found = parse_lines(source)
    assert not found
    step = rng.choice(["  ", "    ", "   ", "\t"])

    def some(least: int) -> str:
        return " " * rng.randint(least, 1) if spaces_only else rng.choice(["", " ", " ", "  ", "\t"]) or " " * least

    def comment() -> str:
        return rng.choice(["#", "# a note", "#tight", "### many", "#  far", "##", "# σ = [1, (2"])

    def note(indent: str) -> Iterator[str]:
        while not spaces_only and rng.random() < 0.15:
            yield rng.choice(["", "", " \t", rng.choice(["", indent, " " * 7]) + comment()])

    def spelled(line: Line, indent: str) -> str:
        out, depth, tokens = indent, 0, line.tokens
        for place, token in enumerate(tokens):
            before = tokens[place - 1] if place else None
            piece = source.line(token.line)[token.column - 1 : token.end - 1]
            if before is not None:
                broken = not spaces_only and (depth or token.type == "|>") and rng.random() < 0.08
                if broken:
                    out += some(0) + (comment() if rng.random() < 0.3 else "") + "\n"
                    out += "".join(f"{more}\n" for more in note(indent)) + indent + " " * rng.randint(1, 9)
                elif before.line != token.line:
                    out += " "
                elif spaces_only and {before.type, token.type} & {"*", "/", "//", "%"}:
                    out += " " * (before.end < token.column)  # products may be tight
                elif before.type in ("(", "[", ",") or token.type in (")", "]", ",") or (token.type in ("(", "[") and place > 1):
                    out += some(0)
                else:
                    out += some(int(before.end < token.column))
            depth += (token.type in ("(", "[")) - (token.type in (")", "]"))
            out += piece
        if not spaces_only and rng.random() < 0.1:
            out += some(0) + comment()
        return out

    def block(lines: list[Line], indent: str) -> Iterator[str]:
        for line in lines:
            yield from note(indent)
            if line.doc:
                yield ""
                for row in line.doc.split("\n"):
                    yield f"{indent}##{rng.choice(['', ' ']) if row[:1] not in ('', ' ', '#') else ' '}{row}"
            yield spelled(line, indent)
            yield from block(line.children, indent + step)

    head = ["##" + f" {row}" for row in parse(source)[0].doc.split("\n")] + [""]
    return "\n".join([*head, *block(lines, "")]) + rng.choice(["", "\n", "\n\n"])


@thoroughly(40)
@given(programs(), st.integers(0, 2**32))
def test_any_model_keeps_its_meaning_however_it_is_written(program: Program, seed: int) -> None:
    for text in (program.text, *(text for _, text in program.files)):
        settled(text)
        settled(scrambled(text, Random(seed)))


def test_spaces_do_not_matter() -> None:
    for seed in range(25):
        rng = Random(seed)
        text = format_text(scrambled(random_program(rng).text, rng, spaces_only=True))
        assert format_text(scrambled(text, rng, spaces_only=True)) == text


@pytest.mark.slow
def test_many_models() -> None:
    for seed in range(3000):
        rng = Random(seed)
        settled(scrambled(random_program(rng).text, rng))


@thoroughly(200)
@given(st.text(alphabet="ab1 \n\t#=+-*(),[]:.|>~\"'\\θ\r\f", max_size=60))
def test_any_text_is_formatted_or_refused(text: str) -> None:
    try:
        formatted = format_text(text)
    except ModelError:
        return
    assert format_text(formatted) == formatted


def test_depth_and_length_are_no_trouble() -> None:
    deep = 2_000
    for text in (f"y = {'(' * deep}x{')' * deep}\n", f"y = {'-' * deep}x\n", f"y = {' + '.join(['x'] * 4_000)}\n",
                 f"y = f({', '.join(['x + 1'] * 3_000)})\n", f"y = {'f(x, ' * deep}1{')' * deep}\n"):  # fmt: skip
        formatted = format_text(text)
        assert format_text(formatted) == formatted


def test_a_change_of_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatting, "_written", lambda row: row.code.replace("-", "+") + "\n")
    with pytest.raises(FormatError, match="would mean something else"):
        format_text("y = a - b\n")


# ---------------------------------------------------------------- the command


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.gw").write_text("input  x\n")
    (tmp_path / "loose.gw").write_text("input x\ny=x\n")
    (tmp_path / "wrong.gw").write_text("input x\ny=(x\n")
    return tmp_path


def fmt(*arguments: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli.main, ["fmt", *arguments], input=input, prog_name="gradwright")


def test_files_are_formatted(place: Path) -> None:
    result = fmt("good.gw", "loose.gw")
    assert result.exit_code == 0
    assert result.stdout == "reformatted: loose.gw\n1 file reformatted, 1 file already formatted\n"
    assert (place / "loose.gw").read_text() == "input  x\ny = x\n"
    result = fmt("good.gw", "loose.gw")
    assert (result.exit_code, result.stdout) == (0, "2 files already formatted\n")
    assert sorted(entry.name for entry in place.iterdir()) == ["good.gw", "loose.gw", "wrong.gw"]


def test_check_and_diff_write_nothing(place: Path) -> None:
    for options in (["--check"], ["--diff"], ["--check", "--diff"], ["--check", "-q"]):
        result = fmt(*options, "good.gw", "loose.gw")
        assert result.exit_code == 1, result.output
        assert (place / "loose.gw").read_text() == "input x\ny=x\n"
        assert fmt(*options, "good.gw").exit_code == 0
    assert fmt("--check", "good.gw", "loose.gw").stdout == (
        "would reformat: loose.gw\n1 file would be reformatted, 1 file already formatted\n"
    )
    assert fmt("--check", "-q", "loose.gw").output == ""
    assert fmt("--diff", "-q", "loose.gw").stdout == (
        "--- loose.gw\n+++ loose.gw\n@@ -1,2 +1,2 @@\n-input x\n-y=x\n+input  x\n+y = x\n"
    )


def test_a_file_with_errors_is_left_alone(place: Path) -> None:
    result = fmt("wrong.gw", "loose.gw")
    assert result.exit_code == 1 and "error[E102]" in result.stderr and "wrong.gw:2:3" in result.stderr
    assert (place / "wrong.gw").read_text() == "input x\ny=(x\n"
    assert (place / "loose.gw").read_text() == "input  x\ny = x\n"


def test_folders_and_links(place: Path) -> None:
    (place / "wrong.gw").unlink()
    for name in ("below/a.gw", "below/deeper/b.gw", ".hidden/c.gw", "below/other.txt"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("y=x\n")
    (place / "link.gw").symlink_to("below/a.gw")
    os.chmod(place / "below/a.gw", 0o640)
    result = fmt()
    assert result.exit_code == 0 and result.stdout.endswith("3 files reformatted, 1 file already formatted\n"), result.output
    assert (place / "link.gw").is_symlink() and (place / "below/a.gw").read_text() == "y = x\n"
    assert stat.S_IMODE((place / "below/a.gw").stat().st_mode) == 0o640
    assert (place / ".hidden/c.gw").read_text() == (place / "below/other.txt").read_text() == "y=x\n"


def test_the_standard_input(place: Path) -> None:
    assert (fmt("-", input="y=x\n").stdout, fmt("-", input="y=x\n").exit_code) == ("y = x\n", 0)
    assert (fmt("-", "--check", input="y=x\n").output, fmt("-", "--check", input="y=x\n").exit_code) == ("", 1)
    assert fmt("-", "--check", input="y = x\n").exit_code == 0
    result = fmt("-", input="y=(\n")
    assert result.exit_code == 1 and result.stdout == "" and "<stdin>:1:3" in result.stderr


def test_wrong_usage(place: Path) -> None:
    for arguments in (["missing.gw"], ["-", "good.gw"], ["--wrong"]):
        assert fmt(*arguments).exit_code == 2
    (place / "latin.gw").write_bytes(b"# \xe9\n")
    assert fmt("latin.gw").exit_code == 1
    assert (place / "latin.gw").read_bytes() == b"# \xe9\n"


def test_line_ends_stay(place: Path) -> None:
    windows = (b"y=x\r\nz=x\r\n", b"y = x\r\nz = x\r\n")
    for before, after in (windows, (b"\xef\xbb\xbfy=x\n", b"y = x\n"), (b"y=x\rz=x", b"y = x\nz = x\n")):
        (place / "ends.gw").write_bytes(before)
        assert fmt("ends.gw").exit_code == 0
        assert (place / "ends.gw").read_bytes() == after


def test_a_fault_of_the_formatter_writes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatting, "_written", lambda row: row.code.replace("x", "y") + "\n")
    result = fmt("loose.gw")
    assert result.exit_code == 4 and "fault in Gradwright" in result.stderr
    assert (place / "loose.gw").read_text() == "input x\ny=x\n"

