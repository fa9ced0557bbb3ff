"""XOR: what a linear model and a network of two layers say over the plane.

    python examples/studies/xor_boundaries.py [FOLDER]
"""

import figures
import numpy as np
from gradwright.runtime import Adam, load

X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
Y = np.array([[0.0], [1], [1], [0]])
MODELS = ("xor_linear", "xor")


def train(name, epochs=500, seed=0):
    model = load(figures.HERE.parent / f"{name}.gw").Model(seed=seed)
    history = model.fit({"x": X, "y": Y}, Adam(lr=1e-1), epochs=epochs, batch_size=None, progress=False)
    return model, history


def right(model):
    return int(((model.predict(x=X).p > 0.5) == (Y > 0.5)).sum())


def draw(runs):
    import matplotlib.pyplot as plt
    from gradwright.runtime.pictures import decision_boundary
    figure, axes = plt.subplots(1, len(runs) + 1, figsize=(4 * len(runs) + 4, 3.6))
    for ax, (name, (model, history)) in zip(axes, runs.items(), strict=False):
        decision_boundary(model, X, Y, ax=ax)
        ax.set_title(f"{name}: {right(model)} of 4 right")
        axes[-1].plot(history.loss, label=name)
    axes[-1].set_title("loss")
    axes[-1].legend()
    return figure


def main(epochs=500):
    runs = {name: train(name, epochs) for name in MODELS}
    for name, (model, history) in runs.items():
        print(f"{name:12} loss {history.loss[0]:.4f} -> {history.loss[-1]:.4f}, {right(model)} of 4 right")
    figures.save(draw(runs), __file__)
    return runs


if __name__ == "__main__":
    main()
