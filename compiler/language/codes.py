"""Every code a diagnostic can carry, with its one-line title. Each has a page ``errors/CODE.md``, which is its test."""

from __future__ import annotations

CODES: dict[str, str] = {
    # E0xx: characters, numbers and strings
    "E001": "a character that is not part of the language",
    "E002": "a string that is not closed",
    "E003": "a number that is not written as one",
    "E004": "an unknown escape in a string",
    # E1xx: the form of a statement
    "E101": "something else is expected here",
    "E102": "a bracket is not closed",
    "E103": "a closing bracket without its opening one",
    "E104": "`=` and `==` are confused",
    "E105": "the line ends too early",
    "E106": "a comma or an operator is missing",
    "E107": "the indentation does not fit",
    "E108": "Python, but not this language",
    "E109": "an operator that does not exist",
    "E110": "not part of the language yet",
    "E111": "nested too deeply",
    "E112": "a function must end in its one `return`",
    "E113": "there are no attributes or methods",
    "E114": "a positional argument after a keyword argument",
    "E115": "`|>` passes a value on to a function",
    "E116": "this cannot be bound",
    "E117": "this statement cannot stand here",
    "E118": "a value without a name",
    # E200-E219: shapes
    # E220-E239: names
    # E240-E259: dtypes and kinds
    # E260-E279: declarations
    # E280-E299: calls and functions
    # W3xx: lints
}
