"""What batch size, schedule and regularisation do to two layers on the digits.

    python examples/studies/digits_study.py [FOLDER]
"""

import digits_classifiers
import figures
from gradwright.runtime import Adam, Cosine, OneCycle, Step, load

BATCHES = {size: {"batch_size": size} for size in (8, 32, 128, None)}
SCHEDULES = {"constant": 5e-3, "cosine": Cosine(5e-3), "one cycle": OneCycle(2e-2), "steps": Step(5e-3, every=10)}
PENALTIES = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)


def run(epochs, reg=1e-4, lr=2e-3, batch_size=32):
    training, held_out = digits_classifiers.data()
    model = load(figures.HERE.parent / "digits.gw").Model()
    return model.fit({**training, "reg": reg}, Adam(lr=lr), epochs=epochs, batch_size=batch_size, seed=0, progress=False,
                     validation={**held_out, "reg": reg}, metrics="accuracy")


def study(epochs=30):
    """Histories by what was varied and how."""
    return {"rows a step": {size: run(epochs, **option) for size, option in BATCHES.items()},
            "schedule": {name: run(epochs, lr=lr) for name, lr in SCHEDULES.items()},
            "penalty": {reg: run(epochs, reg=reg) for reg in PENALTIES}}


def draw(found):
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(1, len(found), figsize=(5 * len(found), 4), sharey=True)
    for ax, (title, histories) in zip(axes, found.items(), strict=True):
        for label, history in histories.items():
            ax.plot(1 - history.accuracy, label="all" if label is None else str(label))
        ax.set_yscale("log")
        ax.set_title(title)
        ax.set_xlabel("epoch")
        ax.legend()
    axes[0].set_ylabel("part of the held-out digits that is wrong")
    return figure


def main(epochs=30):
    found = study(epochs)
    for title, histories in found.items():
        for label, history in histories.items():
            name = "all" if label is None else label
            words = f"loss {history.loss[-1]:.4f}, accuracy {history.accuracy[-1]:.1%}, {history.seconds:.2f} s"
            print(f"{title:12} {name!s:10} {words}")
    figures.save(draw(found), __file__)
    return found


if __name__ == "__main__":
    main()
