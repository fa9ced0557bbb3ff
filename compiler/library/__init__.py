"""The language's own library, in the language. ``functions``, ``activations`` and ``losses`` need no ``use``."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Final, cast

from ..language.source import Source
from ..language.syntax import Def, Module, UpdateDef

if TYPE_CHECKING:
    from importlib.abc import ResourceLoader

NAMES: Final = ("functions", "activations", "losses", "optimizers", "layers")


@cache
def read(name: str) -> Source:
    """The text of one library file, by the loader that found this package. (importlib.resources would do the same and
    cost more than all the parsing.)"""
    path = os.path.join(os.path.dirname(__file__), f"{name}.gw")
    loader = cast("ResourceLoader", __spec__.loader if __spec__ else None)
    return Source(f"{name}.gw", loader.get_data(path).decode("utf-8"))


@cache
def tree(name: str) -> Module:
    """The syntax tree of one library file."""
    from ..language.diagnostics import ModelError
    from ..language.parser import parse

    source = read(name)
    module, diagnostics = parse(source)
    if module is None or any(d.is_error for d in diagnostics):
        raise ModelError(diagnostics, {source.name: source})
    return module


@cache
def functions() -> dict[str, str]:
    """Every function of the library that needs no ``use``, and its file, which is parsed where one of them is called."""
    files = ("functions", "activations", "losses")
    return {name: file for file in files for name in re.findall(r"^def (\w+)\(", read(file).text, re.MULTILINE)}


@cache
def definitions(name: str) -> dict[str, Def]:
    """The functions of one library file."""
    return {s.name.id: s for s in tree(name).statements if isinstance(s, Def)}


@cache
def updates() -> dict[str, UpdateDef]:
    """The update rules that are compiled into every model, in order."""
    return {s.name.id: s for s in tree("optimizers").statements if isinstance(s, UpdateDef)}
