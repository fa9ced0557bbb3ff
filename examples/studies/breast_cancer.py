"""Breast cancer, 569 real patients: logistic regression, held against scikit-learn's at the same regularisation.

    python examples/studies/breast_cancer.py [FOLDER]
"""

import figures
import numpy as np
from gradwright.runtime import Adam, Cosine, load
from gradwright.runtime.metrics import auc
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

C = 1.0     # scikit-learn's: its penalty is sum(w**2) / 2, its data term C times the sum over the patients


def data():
    x, y = load_breast_cancer(return_X_y=True)
    return {"x": (x - x.mean(axis=0)) / x.std(axis=0), "y": y.astype(float)}


def train(epochs=5000):
    arrays = data()
    model = load(figures.HERE / "logistic.gw").Model()
    model.hyper.reg = 1 / (C * len(arrays["y"]))
    history = model.fit(arrays, Adam(lr=Cosine(5e-2)), epochs=epochs, batch_size=None, progress=False)
    return model, history


def theirs():
    arrays = data()
    found = LogisticRegression(C=C, tol=1e-10, max_iter=10000).fit(arrays["x"], arrays["y"])
    return found.coef_[0], float(found.intercept_[0])


def draw(model, history, coefficients):
    import matplotlib.pyplot as plt
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    history.plot(ax=left)
    places = np.arange(len(coefficients))
    right.bar(places - 0.2, model.params.w, 0.4, label="Gradwright")
    right.bar(places + 0.2, coefficients, 0.4, label="scikit-learn")
    right.set_xlabel("feature")
    right.legend()
    return figure


def main(epochs=5000):
    model, history = train(epochs)
    coefficients, offset = theirs()
    arrays = data()
    worst = max(float(np.abs(model.params.w - coefficients).max()), abs(float(model.params.b) - offset))
    area = auc(model.predict(x=arrays["x"]).p, arrays["y"])
    print(f"breast cancer  loss {history.loss[-1]:.6f}, area under the curve {area:.4f}")
    print(f"               largest difference from scikit-learn's coefficients: {worst:.1e}")
    figures.save(draw(model, history, coefficients), __file__)
    return worst


if __name__ == "__main__":
    main()
