"""What a compiled XOR module's spec looks like, written by hand, with its kernels in plain NumPy: the NumPy backend's side.

`handmade.pyx` beside this file has the same spec with kernels in Cython. The runtime's tests run over both.
"""
import numpy as np
from gradwright.runtime.model import install

_SPEC = {
    "gradwright": "0.1.0", "name": "xor", "doc": "Two-layer network for XOR.", "source": "xor.gw", "hash": "0" * 64,
    "dtype": "float64", "backend": "numpy",
    "sizes": ("N",), "fixed": {"H": 8},
    "inputs": (
        {"name": "x", "kind": "real", "shape": ("N", 2), "below": None, "line": 2, "doc": "", "declared": "x[N, 2]"},
        {"name": "y", "kind": "real", "shape": ("N", 1), "below": None, "line": 2, "doc": "", "declared": "y[N, 1]"},
    ),
    "params": (
        {"name": "W1", "shape": (2, 8), "offset": 0, "frozen": False, "init": ("glorot_uniform",), "line": 3, "doc": ""},
        {"name": "b1", "shape": (8,), "offset": 16, "frozen": False, "init": ("values", (0.0,)), "line": 4, "doc": ""},
        {"name": "W2", "shape": (8, 1), "offset": 24, "frozen": False, "init": ("glorot_uniform",), "line": 5, "doc": ""},
        {"name": "b2", "shape": (1,), "offset": 32, "frozen": False, "init": ("values", (0.0,)), "line": 6, "doc": ""},
    ),
    "hypers": ({"name": "reg", "default": 0.0, "line": 7, "doc": ""},),
    "outputs": (
        {"name": "p", "kind": "real", "shape": ("N", 1), "doc": ""},
        {"name": "loss", "kind": "real", "shape": (), "doc": ""},
    ),
    "loss": "loss",
    "targets": ({"name": "loss", "shape": (), "declared": False,
                 "wrt": (("W1", "param"), ("b1", "param"), ("W2", "param"), ("b2", "param"))},),
    "kernels": (
        {"name": "predict", "slots": ("in:x", "theta", "out:p"), "kept": 0, "work": 0},
        {"name": "forward", "slots": ("in:x", "in:y", "theta", "hyper", "out:p", "out:loss", "kept"),
         "kept": ("*", 9, "N"), "work": 0},
        {"name": "backward", "slots": ("in:x", "in:y", "theta", "hyper", "kept", "up:loss", "grad:loss"),
         "kept": ("*", 9, "N"), "work": 0},
        {"name": "train", "slots": ("in:x", "in:y", "theta", "hyper", "kept", "out:loss", "grad:loss"),
         "kept": ("*", 9, "N"), "work": 0},
    ),
    "updates": (
        {"name": "sgd", "hypers": (("lr", 0.01), ("momentum", 0.0), ("nesterov", 0.0)), "states": (("v", 0.0),), "doc": ""},
        {"name": "adam", "hypers": (("lr", 0.001), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8)),
         "states": (("m", 0.0), ("s", 0.0)), "doc": ""},
    ),
    "optimizer": None,
}


def _parts(theta):
    return theta[:16].reshape(2, 8), theta[16:24], theta[24:32].reshape(8, 1), theta[32:33]


def _predict(arrays, sizes):
    x, theta, p = arrays
    W1, b1, W2, b2 = _parts(theta)
    p[...] = 1 / (1 + np.exp(-(np.tanh(x @ W1 + b1) @ W2 + b2)))


def _forward(arrays, sizes):
    x, y, theta, hyper, p, loss, kept = arrays
    N, = sizes
    W1, b1, W2, b2 = _parts(theta)
    h, q = kept[:8 * N].reshape(N, 8), kept[8 * N:9 * N].reshape(N, 1)
    h[...] = np.tanh(x @ W1 + b1)
    z = h @ W2 + b2
    q[...] = p[...] = 1 / (1 + np.exp(-z))
    with np.errstate(invalid="ignore"):
        loss[...] = np.sum(np.logaddexp(0, z) - y * z) / np.float64(N) + hyper[0] * np.sum(theta ** 2)


def _backward(arrays, sizes):
    x, y, theta, hyper, kept, up, grad = arrays
    N, = sizes
    W1, b1, W2, b2 = _parts(theta)
    d_W1, d_b1, d_W2, d_b2 = _parts(grad)
    h, q = kept[:8 * N].reshape(N, 8), kept[8 * N:9 * N].reshape(N, 1)
    d_z = (q - y) / max(N, 1) * up
    d_a = d_z @ W2.T * (1 - h * h)
    d_W2[...] = h.T @ d_z
    d_b2[...] = d_z.sum(0)
    d_W1[...] = x.T @ d_a
    d_b1[...] = d_a.sum(0)
    grad += 2 * hyper[0] * up * theta


def _train_step(arrays, sizes):
    x, y, theta, hyper, kept, loss, grad = arrays
    _forward((x, y, theta, hyper, np.empty((sizes[0], 1)), loss, kept), sizes)
    _backward((x, y, theta, hyper, kept, np.ones(()), grad), sizes)


def _sgd(w, g, states, hypers, t):
    lr, momentum, nesterov = hypers
    v, = states
    v[...] = momentum * v + g
    w -= lr * (g + momentum * v if nesterov else v)


def _adam(w, g, states, hypers, t):
    lr, beta1, beta2, eps = hypers
    m, s = states
    m[...] = beta1 * m + (1 - beta1) * g
    s[...] = beta2 * s + (1 - beta2) * g * g
    w -= lr * (m / (1 - beta1 ** t)) / (np.sqrt(s / (1 - beta2 ** t)) + eps)


_KERNELS = (_predict, _forward, _backward, _train_step)
_UPDATES = (_sgd, _adam)


def _run(kernel, arrays, sizes):
    _KERNELS[kernel](arrays, sizes)


install(globals())
