"""XOR: no straight line separates it, and two layers learn it.

    python examples/train_xor.py
"""

from pathlib import Path

import numpy as np
from gradwright.runtime import Adam, load

HERE = Path(__file__).parent
X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
Y = np.array([[0.0], [1], [1], [0]])


def right(model, x=X, y=Y):
    """How many of the four points a model gets right."""
    return int(((model.predict(x=x).p > 0.5) == (y > 0.5)).sum())


def train_linear(seed=0, epochs=1000, progress=False):
    """Logistic regression: 3 of 4 at best, whatever the seed."""
    model = load(HERE / "xor_linear.gw").Model(seed=seed)
    history = model.fit({"x": X, "y": Y}, optimizer=Adam(lr=1e-1), epochs=epochs, batch_size=None, seed=seed, progress=progress)
    return model, history


def train(seed=0, epochs=500, progress=False):
    """The 2-8-1 network."""
    model = load(HERE / "xor.gw").Model(seed=seed)
    history = model.fit({"x": X, "y": Y}, optimizer=Adam(lr=1e-1), epochs=epochs, batch_size=None, seed=seed, progress=progress)
    return model, history


def main(seeds=20):
    model, history = train_linear(progress=True)
    print(f"linear model  loss {history.loss[0]:.4f} -> {history.loss[-1]:.4f}, right {right(model)} of 4")
    model, history = train(progress=True)
    print(f"two layers    loss {history.loss[0]:.4f} -> {history.loss[-1]:.6f}, right {right(model)} of 4")
    for x, p in zip(X, model.predict(x=X).p[:, 0], strict=True):
        print(f"    {x[0]:.0f} xor {x[1]:.0f} = {p:.4f}")
    learned = sum(right(train(seed)[0]) == 4 for seed in range(seeds))
    print(f"two layers learn all four points from {learned} of {seeds} seeds")


if __name__ == "__main__":
    main()
