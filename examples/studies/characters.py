"""A text as numbers: the help on the Python language that comes with Python's standard library, for the models of characters."""

import math
from pydoc_data.topics import topics

import numpy as np

VOCABULARY = "\n abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;()[]{}'\"`*_-+=/<>|\\@%#!&^~$?"
CODES = {character: k for k, character in enumerate(VOCABULARY)}


def text(length=None):
    """The topics one after the other, every run of spaces and each line's indentation made one space."""
    lines = "\n".join(topics[name] for name in sorted(topics)).splitlines()
    whole = "\n".join(" ".join(line.split()) for line in lines)
    return "".join(c for c in whole if c in CODES)[:length]


def encode(string):
    return np.array([CODES[c] for c in string])


def windows(string, width):
    """Pieces of `width` characters and, for each, the same moved on by one: what is read and what is to be said."""
    codes = encode(string)
    rows = (len(codes) - 1) // width
    return {"x": codes[:rows * width].reshape(rows, width), "y": codes[1:rows * width + 1].reshape(rows, width)}


def data(length=300_000, width=64):
    """(training, held-out): the last tenth of the text is held out."""
    whole = text(length)
    cut = len(whole) * 9 // 10
    return windows(whole[:cut], width), windows(whole[cut:], width)


def bits(model, arrays, rows=256):
    """Bits per character, of a loss in nats."""
    parts = [slice(k, k + rows) for k in range(0, len(arrays["x"]), rows)]
    losses = [float(model.forward(x=arrays["x"][part], y=arrays["y"][part]).loss) * len(arrays["x"][part]) for part in parts]
    return sum(losses) / len(arrays["x"]) / math.log(2)


def unigram_bits(training, arrays):
    """Bits per character of a model that knows how often each character comes, and nothing else."""
    count = np.bincount(training["y"].ravel(), minlength=len(VOCABULARY)) + 1.0
    return float(-np.log2(count / count.sum())[arrays["y"]].mean())


def sample(model, start, length=300, window=64, temperature=0.8, seed=0):
    """`start` and `length` characters more, each drawn from what the model says after the last `window` ones."""
    rng = np.random.default_rng(seed)
    codes = list(encode(start))
    for _ in range(length):
        scores = model.predict(x=np.array([codes[-window:]])).scores[0, -1].astype(float) / temperature
        p = np.exp(scores - scores.max())
        codes.append(int(rng.choice(len(p), p=p / p.sum())))
    return "".join(VOCABULARY[k] for k in codes)
