"""The language for Pygments, and so for Sphinx, MkDocs, Jupyter and the terminal; ``pip install 'gradwright[pygments]'`` has it.

Words are coloured as keywords where they are such: at the start of a statement that goes on as theirs does, and between values.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from .language.lexer import INNER, STATEMENTS

__all__ = ["GradwrightLexer"]

_NAME = r"([^\W\d][\w₀-₉\u0300-\u036f\u20d0-\u20ff]*)"
_GAP = r"([ \t\f]+)"
_FREE = r"([ \t\f]*)"
_START = r"^(\ufeff?[ \t\f]*)"
# What makes a name of the first word of a line: it is bound, or piped.
_NO_NAME = r"(?![ \t]*(?:=|,|\.|\|>|#|$|\[[^\]\n]*\][ \t]*=(?!=)))"
_DECLARING = ("size", "input", "index", "param", "hyper", "state", "random")
_DEFINING = ("def", "layer", "update")


class GradwrightLexer(RegexLexer):  # type: ignore[misc]  # Pygments has no types
    """Models, as in ``pygmentize -l gradwright xor.gw``."""

    name = "Gradwright"
    url = ""
    aliases: ClassVar[list[str]] = ["gradwright", "gw"]
    filenames: ClassVar[list[str]] = ["*.gw"]

    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (rf"{_START}(def|update){_GAP}{_NAME}{_FREE}(\()",
             bygroups(Whitespace, Keyword.Declaration, Whitespace, Name.Function, Whitespace, Punctuation), "formals"),
            (rf"{_START}(layer){_GAP}{_NAME}{_FREE}(\()",
             bygroups(Whitespace, Keyword.Declaration, Whitespace, Name.Class, Whitespace, Punctuation), "formals"),
            (rf"{_START}(dtype){_GAP}{_NAME}", bygroups(Whitespace, Keyword.Declaration, Whitespace, Keyword.Type)),
            (rf"{_START}(use){_GAP}{_NAME}", bygroups(Whitespace, Keyword.Namespace, Whitespace, Name.Namespace)),
            (words(_DECLARING, prefix=_START, suffix=rf"\b{_NO_NAME}(?:{_GAP}{_NAME})?"),
             bygroups(Whitespace, Keyword.Declaration, Whitespace, Name.Variable), "declared"),
            (words(tuple(word for word in (*STATEMENTS, *INNER) if word not in (*_DECLARING, *_DEFINING)),
                   prefix=_START, suffix=rf"\b{_NO_NAME}"), bygroups(Whitespace, Keyword)),
            (r"\n|\ufeff|[ \t\f\r]+", Whitespace),
            include("comments"),
            include("expression"),
            (r"[)\]]", Punctuation),
        ],
        "comments": [
            (r"##(?!#).*", String.Doc),
            (r"#.*", Comment.Single),
        ],
        # size N, H = 8: names, each with its shape and its value
        "declared": [
            (r"\n", Whitespace, "#pop"),
            (r"[ \t\f\r]+", Whitespace),
            include("comments"),
            (rf"(with){_GAP}{_NAME}", bygroups(Keyword, Whitespace, Name.Function)),
            (r"frozen\b(?=[ \t\f]*(?:with\b|#|$))", Keyword),
            (_NAME, Name.Variable),
            (r",", Punctuation),
            (rf"(~){_FREE}{_NAME}", bygroups(Operator, Whitespace, Name.Function), "value"),
            (r"[=<]", Operator, "value"),
            include("expression"),
            (r"[)\]]", Punctuation),
        ],
        "value": [
            (r"(?=,|\n|#)", Whitespace, "#pop"),
            (r"[ \t\f\r]+", Whitespace),
            (r"(?:(?<=[\w)\]][ \t])|(?<=[)\]]))frozen\b(?=[ \t\f]*(?:with\b|#|$))", Keyword),
            include("expression"),
            (r"[)\]]", Punctuation),
        ],
        # of a function or a layer: names, which may have defaults or the shape of an array
        "formals": [
            (r"\s+", Whitespace),
            include("comments"),
            (r"\)", Punctuation, "#pop"),
            (_NAME, Name.Variable),
            (r",", Punctuation),
            (r"=", Operator, "default"),
            include("expression"),
        ],
        "default": [
            (r"(?=[,)])", Whitespace, "#pop"),
            (r"\s+", Whitespace),
            include("expression"),
        ],
        "brackets": [
            (r"\s+", Whitespace),
            include("comments"),
            (r"[)\]]", Punctuation, "#pop"),
            (rf"{_NAME}{_FREE}(=)(?!=)", bygroups(Name.Attribute, Whitespace, Operator)),
            include("expression"),
        ],
        "expression": [
            (r'"(?:[^"\\\n]|\\.)*"', String.Double),
            (r"'(?:[^'\\\n]|\\.)*'", String.Single),
            (r"(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?|\d[\d_]*[eE][+-]?\d[\d_]*", Number.Float),
            (r"\d[\d_]*", Number.Integer),
            (r"(?:True|False)\b", Keyword.Constant),
            (r"(and|or|not)\b([ \t\f]*)", bygroups(Operator.Word, Whitespace)),
            # between values: a name is never followed by another one
            (rf"(with){_GAP}(?!(?:and|or)\b){_NAME}(?![ \t\f]*:)", bygroups(Keyword, Whitespace, Name.Function)),
            (rf"(as){_GAP}(?!(?:and|or)\b){_NAME}", bygroups(Keyword, Whitespace, Name.Label)),
            (r"(?<=hessian )diagonal\b(?=[ \t\f]+(?!wrt\b)[^\W\d])", Keyword),
            (r"(?:for|of|with|wrt|each)(?=[ \t\f]+(?!(?:and|or)\b)[^\W\d])", Keyword),
            (r"(?:if|in|until)(?=[ \t\f]+(?!(?:and|or)\b)(?:[\w(\[]|-\S))", Keyword),
            (r"(?<=\])([ \t\f]*)(pad)\b", bygroups(Whitespace, Keyword)),
            (r"(?<=\] )(pad)\b", Keyword),
            (r"(?<=[\w)\]] )recompute\b(?=[ \t\f]*:)", Keyword),
            (rf"(\|>)([ \t\f]*){_NAME}", bygroups(Operator, Whitespace, Name.Function)),
            (rf"(~)([ \t\f]*){_NAME}", bygroups(Operator, Whitespace, Name.Function)),
            (r"(?:pi|inf|training)\b(?![₀-₉]|[ \t\f]*\()", Name.Constant),
            (rf"{_NAME}(?=[ \t\f]*\()", Name.Function),
            (rf"(\.){_NAME}", bygroups(Punctuation, Name.Attribute)),
            (_NAME, Name),
            (r"\*\*|//|==|!=|<=|>=|\|>|[-+*/%@<>=~]", Operator),
            (r"\.\.\.|[,:.]", Punctuation),
            (r"[(\[]", Punctuation, "brackets"),
        ],
    }  # fmt: skip
