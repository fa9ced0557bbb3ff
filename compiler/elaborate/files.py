"""The files of a model: the library's, and those that ``use`` brings in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from ..language import syntax
from ..language.diagnostics import Bag, suggest
from ..language.parser import parse
from ..language.source import Source, Span
from ..library import NAMES, definitions, functions, read, tree
from .definitions import collect
from .scope import Frame, Function, Missing

Reader = Callable[[str], "Source | None"]


class Files:
    """Every file that takes part. ``main`` is the model's, ``read`` finds those that it names."""

    def __init__(self, main: Frame, bag: Bag, missing: Missing, read: Reader | None) -> None:
        self.main, self.bag, self.missing, self.read = main, bag, missing, read
        self.sources: dict[str, Source] = {main.source.name: main.source}
        self.library_frames: dict[str, Frame] = {}
        self.library_functions: dict[str, Function] = {}

    def library(self, name: str) -> Function | None:
        """A function of the compiler's own library."""
        found = self.library_functions.get(name)
        if found is None and name in functions():
            file = functions()[name]
            frame = self.library_frames.get(file)
            if frame is None:
                frame = self.new_frame(file)
                if any(isinstance(s, syntax.DerivativeDecl) for s in tree(file).statements):
                    collect(tree(file), frame, self.bag, self.missing)
            found = self.library_functions[name] = frame.functions.get(name) or Function(definitions(file)[name], frame)
        return found

    def new_frame(self, name: str) -> Frame:
        """A file of the library, which takes part from here on."""
        frame = self.library_frames[name] = Frame(read(name), library=True)
        self.sources.setdefault(frame.source.name, frame.source)
        return frame

    def layers(self) -> Frame:
        """The library's layers."""
        frame = self.library_frames.get("layers")
        if frame is None:
            frame = self.new_frame("layers")
            collect(tree("layers"), frame, self.bag, self.missing)
        return frame

    # ------------------------------------------------------------ use

    def open(self, module: syntax.Module) -> None:
        """Take up what the model's file defines, and what it uses."""
        collect(module, self.main, self.bag, self.missing)
        for statement in module.statements:
            if isinstance(statement, syntax.Use):
                self.use(statement, self.main, (PurePosixPath(self.main.source.name).name,))

    def use(self, node: syntax.Use, user: Frame, chain: tuple[str, ...]) -> None:
        """Make what a file gives visible in one that uses it. ``chain``: the files that led here."""
        if not node.is_path:
            if node.target == "layers":
                self.merge(self.layers(), user, node.span)
            elif node.target not in NAMES:
                self.no_library(node)
            return
        if self.circular(node, chain):
            return
        source = self.read(node.target) if self.read is not None else None
        if source is None:
            notes = ("it is looked for beside the model",) if user is self.main else ()
            self.bag.report("E227", f'there is no file "{node.target}"', node.span, notes=notes)
            return
        self.merge(self.use_file(source, chain), user, node.span)

    def no_library(self, node: syntax.Use) -> None:
        meant = suggest(node.target, NAMES)
        self.bag.report(
            "E226", f"there is no library {node.target}", node.span, notes=(f"there are {', '.join(NAMES)}",),
            help=f"did you mean {meant}?" if meant else f'a file of your own is named in quotes: use "{node.target}.gw"',
        )  # fmt: skip

    def circular(self, node: syntax.Use, chain: tuple[str, ...]) -> bool:
        """Whether a file uses one that uses it."""
        if node.target not in chain:
            return False
        around = [*chain[chain.index(node.target) :], node.target]
        self.bag.report(
            "E228", f"{node.target} uses itself" if len(around) == 2 else "these files use each other", node.span,
            notes=() if len(around) == 2 else (f"{', '.join(around[:-1])} and again {node.target}, each uses the next",),
            help="put what both need into a file of its own" if len(around) > 2 else None,
        )  # fmt: skip
        return True

    def use_file(self, source: Source, chain: tuple[str, ...]) -> Frame:
        """The functions and update rules of a file, with those that it uses itself. ``chain``: the files that led here."""
        self.sources[source.name] = source
        frame = Frame(source, library=False)
        module, found = parse(source)
        self.bag.extend(found)
        if module is None:
            self.missing.add("*")
            return frame
        self.missing.update(module.broken)
        collect(module, frame, self.bag, self.missing)
        for statement in module.statements:
            if isinstance(statement, syntax.Use):
                self.use(statement, frame, (*chain, source.name))
        return frame

    def merge(self, inner: Frame, outer: Frame, span: Span) -> None:
        """What a used file gives becomes visible; a file's own definitions come first, and two used files may not differ."""
        for name, function in inner.functions.items():
            old = outer.functions.setdefault(name, function)
            if old.frame is not outer and old.tree is not function.tree and old.frame.source != function.frame.source:
                where = f"{old.frame.source.name} and {function.frame.source.name}"
                self.bag.report("E221", f"the function {name} comes from two files", span, notes=(f"{where} both define it",))
        for name, rule in inner.updates.items():
            outer.updates.setdefault(name, rule)
        for name, layer in inner.layers.items():
            known = outer.layers.setdefault(name, layer)
            library = known.frame.library or layer.frame.library  # one's own comes before the library's
            if known.frame is not outer and known.tree is not layer.tree and not library:
                where = f"{known.frame.source.name} and {layer.frame.source.name}"
                self.bag.report("E221", f"the layer {name} comes from two files", span, notes=(f"{where} both define it",))
            elif known.frame.library and not layer.frame.library:
                outer.layers[name] = layer
