"""Diabetes, 442 real patients: least squares by SciPy's L-BFGS, held against numpy.linalg.lstsq.

    python examples/studies/diabetes.py [FOLDER]
"""

import figures
import numpy as np
from gradwright.runtime import load
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes


def data():
    """Features of mean 0 and variance 1, as is good for a method that starts with steepest descent."""
    x, y = load_diabetes(return_X_y=True)
    return {"x": (x - x.mean(axis=0)) / x.std(axis=0), "y": y}


def solve():
    arrays = data()
    model = load(figures.HERE / "least_squares.gw").Model()
    losses = []

    def loss_and_gradient(theta):
        model.theta = theta
        out, _ = model.value_and_grad(**arrays)
        losses.append(float(out.loss))
        return float(out.loss), model.grad

    found = minimize(loss_and_gradient, model.theta.copy(), jac=True, method="L-BFGS-B",
                     options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10000, "maxcor": 20, "maxls": 50})
    model.theta = found.x
    return model, np.array(losses)


def theirs():
    arrays = data()
    columns = np.column_stack([arrays["x"], np.ones(len(arrays["y"]))])
    return np.linalg.lstsq(columns, arrays["y"], rcond=None)[0]


def draw(model, losses):
    import matplotlib.pyplot as plt
    arrays = data()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.semilogy(losses - losses.min() + 1e-12)
    left.set_xlabel("evaluations")
    left.set_title("loss above the smallest")
    right.scatter(arrays["y"], model.predict(x=arrays["x"]).p, s=6)
    right.plot([0, 350], [0, 350], color="black")
    right.set_xlabel("measured")
    right.set_ylabel("predicted")
    return figure


def main():
    model, losses = solve()
    worst = float(np.abs(model.theta - theirs()).max())
    print(f"diabetes  loss {losses[-1]:.4f} after {len(losses)} evaluations; largest difference from lstsq: {worst:.1e}")
    figures.save(draw(model, losses), __file__)
    return worst


if __name__ == "__main__":
    main()
