"""README.md and docs/*.md: every example runs and gives what the page shows, and every table says what the compiler has.

``pytest tests/test_docs.py --refresh`` writes the tables and the shown results anew; then read the difference.

A block's first words say what it is::

    gw                  a whole model, which must elaborate; a first line "# name.gw" gives it that name, and a model of
                        examples/ stands there word for word
    gw error            a model with errors or warnings; the next text block shows them
    python [PACKAGE]    runs, all blocks of a page in one namespace (if the package is there); with >>> the results are compared
    console             "$ gradwright ..." runs and its output is compared, where shown; "..." stands for anything
    cython FILE         lines that stand in the committed FILE like that
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import gradwright.runtime
import pytest
from click.testing import CliRunner
from gradwright.compiler import cli, driver, ops
from gradwright.compiler.elaborate.expressions import SPECIAL
from gradwright.compiler.language.codes import CODES
from gradwright.compiler.language.diagnostics import ModelError, render
from gradwright.runtime import loading
from support.caches import furnish

ROOT = Path(__file__).resolve().parent.parent
WRITTEN_BY_HAND = ("README.md", "docs/tutorial.md", "docs/language.md", "docs/api.md")
# `load` takes the NumPy backend for all other models: the pages would compile for minutes.
COMPILED = ("xor.gw", "digits.gw")
FAMILIES = (
    "arithmetic", "comparison", "linear", "choice", "elementwise", "reduction", "running", "movement", "ordering", "gather",
    "made",
)  # fmt: skip
LIBRARY = ROOT / "compiler" / "library"


@dataclass
class Block:
    info: str
    text: str
    line: int  # of the text, from 1

    @property
    def kind(self) -> str:
        return self.info.partition(" ")[0]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        if line.startswith("```"):
            if start is None:
                start = number
            else:
                found.append(Block(lines[start][3:].strip(), "".join(f"{row}\n" for row in lines[start + 1 : number]), start + 2))
                start = None
    assert start is None, f"{page}:{start}: a block is not closed"
    return found


def same(want: str, got: str) -> bool:
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the examples in it, as a reader has one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    cache_folder = tmp_path_factory.getbasetemp() / "cache"
    furnish(cache_folder)
    monkeypatch.setenv("GRADWRIGHT_CACHE", str(cache_folder))
    load = loading.load

    def quick(model: Any, *, backend: str | None = None, **options: Any) -> Any:
        compiled = Path(str(model)).name in COMPILED and "\n" not in str(model)
        return load(model, backend=backend or ("cython" if compiled else "numpy"), **options)

    monkeypatch.setattr(loading, "load", quick)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "generated":
            del sys.modules[name]


class Reader:
    """Somebody who tries everything that a page says, from the top to the bottom."""

    def __init__(self, page: str, place: Path) -> None:
        self.page, self.place = page, place
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.changes: list[tuple[Block, str]] = []  # blocks that show something else than what comes out
        self.shown: str | None = None  # what the next text block must be

    def read(self) -> None:
        for block in blocks(self.page):
            if block.kind == "text" and self.shown is not None:
                if block.text != self.shown:
                    self.changes.append((block, self.shown))
                self.shown = None
                continue
            assert self.shown is None, f"{self.page}:{block.line}: the diagnostics of the model above must stand here"
            action = getattr(self, "try_" + block.kind, None)
            if action is not None:
                action(block)

    def try_gw(self, block: Block) -> None:
        name = re.match(r"# (\w+\.gw)\b", block.text)
        path = name[1] if name else "model.gw"
        if name and (ROOT / "examples" / path).exists():
            held = (ROOT / "examples" / path).read_text(encoding="utf-8")
            assert block.text == held, f"{self.page}:{block.line}: examples/{path} reads differently"
        (self.place / path).write_text(block.text, encoding="utf-8")
        try:
            result = driver.check_model(path)
        except ModelError as error:
            diagnostics, sources = error.diagnostics, error.sources
        else:
            diagnostics, sources = result.diagnostics, result.sources
        text = "\n".join(render(d, sources) + "\n" for d in diagnostics)
        if block.info == "gw error":
            assert diagnostics, f"{self.page}:{block.line}: nothing is wrong with this model"
            self.shown = text
        else:
            assert not diagnostics, f"{self.page}:{block.line}:\n{text}"

    def try_python(self, block: Block) -> None:
        if any(find_spec(needed) is None for needed in block.info.split()[1:]):
            return
        at = f"{self.page}:{block.line}"
        if ">>>" not in block.text:
            exec(compile("\n" * (block.line - 1) + block.text, self.page, "exec"), self.names)
            return
        examples = doctest.DocTestParser().get_examples(block.text)
        output, failed = io.StringIO(), [False]
        got: list[str] = []

        class Runner(doctest.DocTestRunner):
            def report_success(self, out: Any, test: Any, example: Any, found: str) -> None:
                got.append(example.want)

            def report_failure(self, out: Any, test: Any, example: Any, found: str) -> None:
                lines = found.splitlines()
                trace = bool(lines) and lines[0].startswith("Traceback")
                got.append(f"{lines[0]}\n    ...\n{lines[-1]}\n" if trace else found)
                failed[0] = True

            def report_unexpected_exception(self, out: Any, test: Any, example: Any, exc_info: Any) -> None:
                last = doctest.traceback.format_exception_only(*exc_info[:2])[-1]  # type: ignore[attr-defined]
                got.append("Traceback (most recent call last):\n    ...\n" + last)
                failed[0] = True

        test = doctest.DocTest(examples, {}, at, self.page, block.line - 1, block.text)
        test.globs = self.names  # not the copy that it makes: blocks of a page go on where the last one ended
        runner = Runner(verbose=False, optionflags=doctest.ELLIPSIS)
        with contextlib.redirect_stderr(output):
            runner.run(test, out=output.write, clear_globs=False)
        if failed[0]:
            lines = block.text.splitlines()
            text: list[str] = []
            for number, (example, found) in enumerate(zip(examples, got, strict=True)):
                end = examples[number + 1].lineno if number + 1 < len(examples) else len(lines)
                length = len(example.source.splitlines())
                text += [*lines[example.lineno : example.lineno + length], *found.splitlines()]
                after = example.lineno + length + len(example.want.splitlines())
                text += lines[after:end]
            self.changes.append((block, "\n".join(text) + "\n"))

    def try_console(self, block: Block) -> None:
        parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
        assert not parts[0], f"{self.page}:{block.line}: a console block begins with a command"
        text = ""
        for command, want in zip(parts[1::2], parts[2::2], strict=True):
            words = command.partition("#")[0].split()
            got = want
            if words[0] == "gradwright":
                done = CliRunner().invoke(cli.main, words[1:], prog_name="gradwright")
                assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
                assert done.exit_code in (0, 1), (command, done.output)
                if want and not same(want, done.output):
                    got = done.output
            elif words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"make has no {words[1]}"
            elif words[0] == "python" and words[1] != "-m":
                assert (ROOT / words[1]).exists(), f"there is no {words[1]}"
            text += f"$ {command}\n{got}"
        if text != block.text:
            self.changes.append((block, text))

    def try_cython(self, block: Block) -> None:
        file = block.info.partition(" ")[2]
        held = (ROOT / file).read_text(encoding="utf-8")
        assert "\n" + block.text in held, f"{self.page}:{block.line}: this does not stand in {file} any more"


def write(page: str, changes: list[tuple[Block, str]]) -> None:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    for block, text in reversed(changes):
        lines[block.line - 1 : block.line - 1 + len(block.text.splitlines())] = text.splitlines()
    (ROOT / page).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_every_example_gives_what_the_page_shows(page: str, place: Path, refresh: bool) -> None:
    reader = Reader(page, place)
    reader.read()
    if refresh and reader.changes:
        write(page, reader.changes)
        return
    for block, text in reader.changes:
        assert block.text == text, f"{page}:{block.line} shows something else than what comes out"


# ---------------------------------------------------------------- tables


def usage(op: ops.Op) -> str:
    """How an operation is called."""
    words = [f"{name[1:]}..." if name.startswith("*") else name for name in op.arrays]
    for option in op.options:
        if option.kind == "text":
            words.insert(0, option.name)
        elif option.kind == "sizes":
            words.append({"shape": "*sizes"}.get(option.name, f"*{option.name}"))
        else:
            words.append(option.name if option.required else f"{option.name}={option.default}")
    return f"{op.name}({', '.join(words)})"


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def sorted_operations() -> list[ops.Op]:
    """By family, and within one as declared: the table as a whole is in the order in which files were imported."""
    return sorted(ops.table().values(), key=lambda op: FAMILIES.index(op.family))


def operators() -> str:
    text = row("operator", "meaning") + row("---", "---")
    for op in sorted_operations():
        if op.symbol:
            a, b = (op.arrays + ("",))[:2]
            gap = " " if op.symbol.isalpha() else ""
            text += row(f"`{op.symbol}{gap}{a}`" if not b else f"`{a} {op.symbol} {b}`", op.doc)
    return text


def operations() -> str:
    text = row("operation", "shapes", "meaning") + row("---", "---", "---")
    for op in sorted_operations():
        if not op.hidden and not op.symbol:
            text += row(f"`{usage(op)}`", f"`{op.signature}`", op.doc)
    return text


def special() -> str:
    text = row("name", "meaning") + row("---", "---")
    for name, doc in SPECIAL.items():
        text += row(f"`{name}`", doc)
    return text


def documented(file: str, keyword: str) -> Iterator[tuple[str, str, str]]:
    """(signature, documentation, body) of each definition of a library file."""
    pattern = rf"^((?:## .*\n)+){keyword} (\w+\(.*?\))((?: of| =|:).*\n(?:    .*\n)*)"
    for doc, signature, body in re.findall(pattern, (LIBRARY / file).read_text(encoding="utf-8") + "\n", re.MULTILINE):
        yield signature, " ".join(line.removeprefix("##").strip() for line in doc.splitlines()), body


def functions(file: str) -> str:
    text = row("function", "meaning") + row("---", "---")
    for signature, doc, _ in documented(file, "def"):
        text += row(f"`{signature}`", doc)
    return text


def layers() -> str:
    text = row("layer", "its params and states", "meaning") + row("---", "---", "---")
    for signature, doc, body in documented("layers.gw", "layer"):
        owned = re.findall(r"^    (?:param|state) (\w+\[.*?\])", body, re.MULTILINE)
        text += row(f"`{signature}`", ", ".join(f"`{name}`" for name in owned), doc)
    return text


def optimisers() -> str:
    text = ""
    for signature, doc, body in documented("optimizers.gw", "update"):
        text += f"**`{signature}`**. {doc}\n\n```text\n"
        text += "".join(line[4:] + "\n" for line in body.splitlines()[1:]) + "```\n\n"
    return text


def codes() -> str:
    text = row("code", "title") + row("---", "---")
    for code, title in CODES.items():
        text += row(f"`{code}`", title)
    return text


def spelled(option: click.Option) -> str:
    kind = option.type.name.partition(" ")[0].upper()
    if isinstance(option.type, click.Choice):
        kind = "|".join(map(str, option.type.choices))
    return ", ".join(option.opts) + ("" if option.is_flag else f" {option.metavar or kind}")


def default(option: click.Option) -> str:
    return f" Without it {option.default}." if option.show_default and option.default is not None else ""


def commands(group: click.Group = cli.main, name: str = "gradwright") -> str:
    """Every command with its arguments and options."""
    text = ""
    for key, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            text += commands(command, f"{name} {key}")
            continue
        context = click.Context(command, info_name=f"{name} {key}")
        words = [word for word in command.collect_usage_pieces(context) if word != "[OPTIONS]"]
        text += f"**`{' '.join([name, key, *words])}`**. {command.get_short_help_str(1000)}\n\n"
        options = [p for p in command.params if isinstance(p, click.Option)]
        if options:
            text += row("option", "meaning") + row("---", "---")
            text += "".join(row(f"`{spelled(o)}`", " ".join((o.help or "").split()) + default(o)) for o in options) + "\n"
    return text


TABLES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "operators": operators,
    "operations": operations,
    "special": special,
    "functions": lambda: functions("functions.gw"),
    "activations": lambda: functions("activations.gw"),
    "losses": lambda: functions("losses.gw"),
    "layers": layers,
    "optimisers": optimisers,
    "codes": codes,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_reference_lists_what_there_is(name: str, refresh: bool) -> None:
    file = ROOT / "docs" / ("api.md" if name == "commands" else "language.md")
    text = file.read_text(encoding="utf-8")
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, _, rest = text.partition(begin)
    held, found, after = rest.partition(end)
    assert found, f"{file.name} has no table between {begin.strip()} and {end.strip()}"
    made = "\n" + TABLES[name]().rstrip("\n") + "\n\n"
    if refresh and held != made:
        file.write_text(before + begin + made + end + after, encoding="utf-8")
        return
    assert held == made, f"the table {name} is stale: pytest --refresh writes it anew"


def test_the_tables_miss_nothing_of_the_library() -> None:
    """The expression that reads the library files finds all that the compiler finds there."""
    for file in ("functions.gw", "activations.gw", "losses.gw", "optimizers.gw", "layers.gw"):
        text = (LIBRARY / file).read_text(encoding="utf-8")
        for keyword in ("def", "update", "layer"):
            names = re.findall(rf"^{keyword} (\w+)", text, re.MULTILINE)
            assert [s.partition("(")[0] for s, _, _ in documented(file, keyword)] == names


# What the page lists as not there yet, each in a model that would have it.
MISSING = {
    "inv": "output y = inv(outer(x, x))",
    "solve": "output y = solve(outer(x, x), x)",
    "det": "output y = det(outer(x, x))",
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_called_missing_is_missing(name: str) -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert name in page.partition("## What is not there yet")[2]
    with pytest.raises(ModelError) as caught:
        driver.check_model(f"input x[3]\n{MISSING[name]}\n")
    found = {d.code for d in caught.value.diagnostics}
    assert found == {"E110"}, "this is there now: docs/language.md should say so"


# ---------------------------------------------------------------- the API


def test_every_public_name_of_the_runtime_is_described() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in gradwright.runtime.__all__:
        assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", page), f"docs/api.md does not mention {name}"


def test_every_public_name_of_a_module_is_described(place: Path) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    model = loading.load("examples/xor.gw", backend="numpy").Model()
    names = {n for n in dir(type(model)) if not n.startswith("_")} | {n for n in vars(model) if not n.startswith("_")}
    for name in sorted(names - {"engine"}):
        assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", page), f"docs/api.md does not mention Model.{name}"


# ---------------------------------------------------------------- links and size


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target} is not there"


def test_the_readme_stays_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    assert "<!-- benchmarks -->" in text and "<!-- /benchmarks -->" in text
