"""Two losses on shared parameters: a generator and a discriminator, each a file of its own, learn a ring of points.

The generator's file has the discriminator's parameters too, frozen. `generator.share(discriminator)` makes them views of the
discriminator's vector: each step of the one is seen by the other, and nothing is copied.

    python examples/studies/gan.py [FOLDER]
"""

import figures
import numpy as np
from gradwright.runtime import Adam, load


def ring(rng, rows):
    """Points of the data."""
    angle = rng.uniform(0, 2 * np.pi, rows)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * 2 + rng.normal(scale=0.1, size=(rows, 2))


def pair(seed=0):
    generator = load(figures.HERE / "generator.gw").Model(seed=seed)
    discriminator = load(figures.HERE / "discriminator.gw").Model(seed=seed)
    generator.share(discriminator)
    return generator, discriminator


def train(steps=6000, seed=0, rows=128):
    rng = np.random.default_rng(seed)
    generator, discriminator = pair(seed)
    label = np.repeat([1.0, 0.0], rows)[:, None]
    losses = np.empty((steps, 2))
    ours, theirs = Adam(lr=1e-3, beta1=0.5), Adam(lr=5e-3, beta1=0.5)
    for k in range(steps):
        made = generator.predict(z=rng.normal(size=(rows, 2))).x
        losses[k, 0] = discriminator.step(theirs, x=np.concatenate([ring(rng, rows), made]), label=label)
        losses[k, 1] = generator.step(ours, z=rng.normal(size=(rows, 2)))
    return generator, discriminator, losses


def distance(generator, rng):
    """How far made points lie from the circle of the data, on average."""
    made = generator.predict(z=rng.normal(size=(1000, 2))).x
    return float(np.abs(np.linalg.norm(made, axis=1) - 2).mean())


def draw(generator, discriminator, losses):
    import matplotlib.pyplot as plt
    from gradwright.runtime.pictures import decision_boundary
    rng = np.random.default_rng(1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5))
    decision_boundary(discriminator, limits=((-3.2, 3.2), (-3.2, 3.2)), ax=left)
    left.scatter(*ring(rng, 500).T, s=4, color="black", label="data")
    left.scatter(*generator.predict(z=rng.normal(size=(500, 2))).x.T, s=4, color="tab:green", label="made")
    left.legend()
    right.plot(losses, label=["discriminator", "generator"], linewidth=0.5)
    right.set_xlabel("step")
    right.legend()
    return figure


def main(steps=6000):
    rng = np.random.default_rng(2)
    before = distance(pair()[0], rng)
    generator, discriminator, losses = train(steps)
    after = distance(generator, rng)
    print(f"gan  made points lie {before:.2f} -> {after:.2f} from the circle of the data, on average")
    figures.save(draw(generator, discriminator, losses), __file__)
    return before, after


if __name__ == "__main__":
    main()
