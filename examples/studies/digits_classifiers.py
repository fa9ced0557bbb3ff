"""Handwritten digits by a linear softmax, a linear support vector machine and two layers, and what their units look for.

    python examples/studies/digits_classifiers.py [FOLDER]
"""

import figures
from gradwright.runtime import Adam, Cosine, load
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

MODELS = {"linear_softmax": "p", "svm_linear": "scores", "digits": "scores"}


def data(seed=0):
    """(training, held-out) arrays by input name."""
    x, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(x / 16, y, test_size=0.25, random_state=seed, stratify=y)
    return {"x": a, "y": c}, {"x": b, "y": d}


def train(name, epochs=60, seed=0):
    training, held_out = data(seed)
    model = load(figures.HERE.parent / f"{name}.gw").Model(seed=seed)
    model.fit(training, Adam(lr=Cosine(5e-3)), epochs=epochs, seed=seed, progress=False)
    scores = model.predict(x=held_out["x"])[MODELS[name]]
    return model, float((scores.argmax(axis=1) == held_out["y"]).mean())


def draw(runs):
    from gradwright.runtime.pictures import templates
    figs = {}
    for name, (model, accuracy) in runs.items():
        weights = model.params.W1 if "W1" in model.params else model.params.W
        figs[name] = templates(weights, (8, 8), titles=range(10) if weights.shape[1] == 10 else ())
        figs[name].suptitle(f"{name}: {accuracy:.1%} of the quarter held out", y=1.06)
    return figs


def main(epochs=60):
    runs = {name: train(name, epochs) for name in MODELS}
    for name, (model, accuracy) in runs.items():
        print(f"{name:15} {accuracy:.1%} of the quarter held out, {model.theta.size} parameters")
    for name, figure in draw(runs).items():
        figures.save(figure, f"digits_{name}.py")
    return runs


if __name__ == "__main__":
    main()
