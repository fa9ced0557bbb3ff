"""Random mistakes in models: lines twice or missing, names, numbers, operators in place of others."""

from __future__ import annotations

import re
from random import Random

TOKEN = re.compile(r"[^\W\d]\w*|\d+\.?\d*|[^\w\s]")
NUMBERS = ("0", "1", "2", "3", "-1", "0.5", "7", "N", "1e30")
FUNCTIONS = tuple(
    "exp log sqrt sin tanh sum mean max min prod logsumexp argmax softmax sort cumsum transpose reshape stack concat where norm "
    "var flip triu diag abs sigmoid relu einsum repeat tile roll pad".split()
)
SIGNS = ("+", "-", "*", "/", "@", "**", "<", "==", ",", "(", ")", "[", "]", ":", "")


def mistaken(text: str, rng: Random) -> str:
    """The model with one to three mistakes in it; some of them make another legal model."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        kind, tokens = rng.randrange(8), list(TOKEN.finditer(lines[at]))
        if kind == 0:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        elif tokens:
            token = rng.choice(tokens)
            new = rng.choice(tokens).group() if kind == 2 else _another(token.group(), lines, rng)
            lines[at] = lines[at][: token.start()] + new + lines[at][token.end() :]
    return "\n".join(lines)


def _another(token: str, lines: list[str], rng: Random) -> str:
    if token[0].isdigit():
        return rng.choice(NUMBERS)
    if not (token[0].isalpha() or token[0] == "_"):
        return rng.choice(SIGNS)
    if token in FUNCTIONS and rng.randrange(2):
        return rng.choice(FUNCTIONS)
    return rng.choice([t for line in lines for t in TOKEN.findall(line) if t[0].isalpha()] + list(FUNCTIONS))
