"""Handwritten digits: scikit-learn's 1,797 real images of 8 by 8 pixels, a quarter of them held out.

    python examples/train_digits.py
"""

from pathlib import Path

from gradwright.runtime import Adam, load
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def data(seed=0):
    """(training, held-out) arrays by input name; pixels are scaled to 0 .. 1."""
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, test_size=0.25, random_state=seed, stratify=y)
    return {"x": x_train, "y": y_train}, {"x": x_test, "y": y_test}


def accuracy(model, arrays):
    return float((model.predict(x=arrays["x"]).scores.argmax(axis=1) == arrays["y"]).mean())


def train(seed=0, epochs=60, progress=False):
    training, held_out = data(seed)
    model = load(HERE / "digits.gw").Model(seed=seed)
    history = model.fit(training, optimizer=Adam(lr=2e-3), epochs=epochs, batch_size=32, seed=seed, progress=progress)
    return model, history, accuracy(model, training), accuracy(model, held_out)


def main():
    model, history, seen, unseen = train(progress=True)
    print(model)
    print(f"digits        loss {history.loss[0]:.4f} -> {history.loss[-1]:.4f} in {history.seconds:.2f} s")
    print(f"              accuracy {seen:.1%} of the images trained on, {unseen:.1%} of the quarter held out")


if __name__ == "__main__":
    main()
