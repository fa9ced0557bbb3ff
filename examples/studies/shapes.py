"""The shapes of the course's convolutions: six filters over an image of a real photograph, and 3 by 3 over 7 by 7.

Measured: six filters of 5 x 5 x 3 make 6 x 28 x 28 of 32 x 32 x 3, with 456 parameters; 3 x 3 over 7 x 7 gives 5 x 5, with stride
2 it gives 3 x 3, with a border of one zero 7 x 7.

    python examples/studies/shapes.py [FOLDER]
"""

import figures
import numpy as np
from gradwright.runtime import load
from sklearn.datasets import load_sample_images


def found(backend="cython"):
    """The model, the image, and its outputs."""
    model = load(figures.HERE / "shapes.gw", backend=backend).Model(seed=0)
    image = load_sample_images().images[1][160:320:5, 240:400:5] / 255
    return model, image, model.predict(image=image.transpose(2, 0, 1)[None], small=np.ones((1, 1, 7, 7)))


def draw(image, maps):
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(1, 7, figsize=(14, 2.4))
    axes[0].imshow(image)
    axes[0].set_title("32 x 32 x 3")
    for k, ax in enumerate(axes[1:]):
        ax.imshow(maps[0, k], cmap="gray")
        ax.set_title(f"map {k}: 28 x 28")
    for ax in axes:
        ax.set_axis_off()
    return figure


def main(backend="cython"):
    model, image, out = found(backend)
    shapes = {name: value.shape[1:] for name, value in out._asdict().items()}
    for name, shape in shapes.items():
        print(f"shapes  {name:9} {' x '.join(map(str, shape))}")
    weights = int(model.params["six.W"].size + model.params["six.b"].size)
    print(f"        {weights} parameters of six filters")
    figures.save(draw(image, out.maps), __file__)
    return shapes, weights


if __name__ == "__main__":
    main()
