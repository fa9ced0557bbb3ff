"""A variational auto-encoder of handwritten digits: 64 grey values become a point of the plane, and points become digits.

Measured: the bound on the negative log-likelihood of an image held out falls from 45.5 to 24.7 nats; of the digits held out,
76.7 % lie among digits of their kind.

    python examples/studies/vae.py [FOLDER]
"""

import digits_classifiers
import figures
import numpy as np
from gradwright.runtime import Adam, Cosine, load
from sklearn.neighbors import KNeighborsClassifier


def data():
    """(training, held-out) images and labels; the input `code` matters only to the output `drawn`."""
    return [({"x": part["x"], "code": np.zeros((len(part["x"]), 2))}, part["y"]) for part in digits_classifiers.data()]


def train(epochs=400, seed=0):
    model = load(figures.HERE / "vae.gw").Model(seed=seed)
    (training, _), _ = data()
    history = model.fit(training, Adam(lr=Cosine(5e-3)), epochs=epochs, batch_size=64, seed=seed, progress=False)
    return model, history


def bound(model, arrays):
    """The bound on the negative log-likelihood of an image, in nats, from one draw of the noise."""
    return float(model.forward(**arrays).loss)


def neighbours(model):
    """The part of held-out digits that have the label of most of their 5 neighbours in the plane."""
    (training, labels), (held_out, wanted) = data()
    judge = KNeighborsClassifier(5).fit(model.predict(**training).mean_z, labels)
    return float((judge.predict(model.predict(**held_out).mean_z) == wanted).mean())


def draw(model, history, side=15):
    """The loss, where the digits held out lie in the plane, and what the plane decodes to."""
    import matplotlib.pyplot as plt
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.8))
    history.plot(ax=left)
    left.set_xlabel("epoch")
    _, (held_out, labels) = data()
    places = middle.scatter(*model.predict(**held_out).mean_z.T, c=labels, cmap="tab10", s=12, vmin=-0.5, vmax=9.5)
    figure.colorbar(places, ax=middle, ticks=range(10))
    middle.set_title("digits held out in the plane")
    line = np.linspace(-2.5, 2.5, side)
    code = np.stack([part.ravel() for part in np.meshgrid(line, line[::-1])], axis=1)
    drawn = model.predict(x=np.zeros((len(code), 64)), code=code).drawn.reshape(side, side, 8, 8)
    right.imshow(drawn.transpose(0, 2, 1, 3).reshape(8 * side, 8 * side), cmap="gray_r", extent=(-2.5, 2.5, -2.5, 2.5))
    right.set_title("what the plane decodes to")
    return figure


def main(epochs=400):
    _, (held_out, _) = data()
    before = bound(load(figures.HERE / "vae.gw").Model(seed=0), held_out)
    model, history = train(epochs)
    after, part = bound(model, held_out), neighbours(model)
    print(f"vae  bound {before:.2f} -> {after:.2f} nats an image held out; {part:.1%} lie among digits of their kind")
    print(f"     {model.theta.size} parameters, {history.seconds:.1f} s")
    figures.save(draw(model, history), __file__)
    return before, after, part


if __name__ == "__main__":
    main()
