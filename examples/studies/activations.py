"""Every activation of the library beside its gradient, which is the generated backward pass's, in one figure.

Measured: 28 functions; their slopes are within 6e-10 of central differences.

    python examples/studies/activations.py [FOLDER]
"""

import figures
import numpy as np
from gradwright.runtime import load

POINTS = np.linspace(-4, 4, 801) + 1e-3      # beside the kinks, where there is no slope to compare with


def curves(backend="cython"):
    """Value and slope at POINTS by the activation's name."""
    model = load(figures.HERE / "activations.gw", backend=backend).Model()
    names = list(model.predict(x=POINTS).keys())
    out, gradients = model.value_and_grad({name: np.ones(POINTS.size) for name in names}, x=POINTS)
    return model, {name.removeprefix("y_"): (np.array(out[name]), np.array(gradients[name].x)) for name in names}


def largest_difference(model, found, step=1e-6):
    """The slopes against central differences."""
    above, below = model.predict(x=POINTS + step), model.predict(x=POINTS - step)
    return max(float(np.abs((above[f"y_{name}"] - below[f"y_{name}"]) / (2 * step) - slope).max())
               for name, (_, slope) in found.items())


def draw(found):
    import matplotlib.pyplot as plt
    columns = 7
    figure, axes = plt.subplots(-(-len(found) // columns), columns, figsize=(2.3 * columns, 2.1 * -(-len(found) // columns)))
    for ax in axes.ravel()[len(found):]:
        ax.set_axis_off()
    for ax, (name, (value, slope)) in zip(axes.ravel(), found.items(), strict=False):
        ax.axhline(0, color="0.8", linewidth=0.8)
        ax.axvline(0, color="0.8", linewidth=0.8)
        ax.plot(POINTS, value)
        ax.plot(POINTS, slope, linewidth=1)
        ax.set_ylim(-2.2, 4.2)
        ax.set_title(name, fontsize=10)
        ax.tick_params(labelsize=7)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.legend(axes.ravel()[0].lines[2:], ["function", "gradient"], loc="upper center", ncols=2, fontsize=12)
    return figure


def main(backend="cython"):
    model, found = curves(backend)
    worst = largest_difference(model, found)
    print(f"activations  {len(found)} functions; largest difference of a slope from a central difference: {worst:.1e}")
    figures.save(draw(found), __file__)
    return found, worst


if __name__ == "__main__":
    main()
