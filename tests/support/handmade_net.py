"""A spec with everything else that the runtime must handle, with kernels in NumPy: index inputs, a computed size, a frozen
parameter, a scalar and a hyper, several targets with upstreams, integer and boolean outputs, awkward names."""
import numpy as np
from gradwright.runtime.model import install


def _input(name, shape, declared, kind="real", below=None):
    return {"name": name, "kind": kind, "shape": shape, "below": below, "line": 1, "doc": "", "declared": declared}


def _param(name, shape, offset, init, frozen=False):
    return {"name": name, "shape": shape, "offset": offset, "frozen": frozen, "init": init, "line": 1, "doc": ""}


# size N, T, D = 3, C = 4;  s = x @ if + keys[seq, t[0]] * scale + T;  f = sum(s * s over all);  best = argmax(s);  big = s > 0
_SPEC = {
    "gradwright": "0.1.0", "name": "net", "doc": "", "source": "net.gw", "hash": "", "dtype": "float32", "backend": "numpy",
    "sizes": ("N", "T"), "fixed": {"D": 3, "C": 4},
    "inputs": (
        _input("x", ("N", 3), "x[N, D]"),
        _input("y", ("N",), "y[N]", "index", 4),
        _input("seq", (("+", ("*", 2, "T"), 1),), "seq[2*T + 1]"),
        _input("t", (), "t"),
    ),
    "params": (
        _param("if", (3, 4), 0, ("normal", 0.0, 0.1)),
        _param("keys", (4,), 12, ("values", (1.0, 2.0, 3.0, 4.0))),
        _param("ϕ", (), 16, ("values", (2.0,))),
        _param("base", (3, 4), 0, ("orthogonal",), True),
    ),
    "hypers": ({"name": "scale", "default": 0.5, "line": 1, "doc": ""},),
    "outputs": (
        {"name": "s", "kind": "real", "shape": ("N", 4), "doc": ""},
        {"name": "best", "kind": "int", "shape": ("N",), "doc": ""},
        {"name": "big", "kind": "bool", "shape": ("N", 4), "doc": ""},
        {"name": "f", "kind": "real", "shape": (), "doc": ""},
    ),
    "loss": None,
    "targets": (
        {"name": "f", "shape": (), "declared": True, "wrt": (("if", "param"), ("keys", "param"), ("x", "input"))},
        {"name": "s", "shape": ("N", 4), "declared": True, "wrt": (("x", "input"), ("base", "param"))},
    ),
    "values": {"s:base": (3, 4)},
    "kernels": (
        {"name": "forward", "slots": ("in:x", "in:y", "in:seq", "in:t", "theta", "frozen", "hyper", "out:s", "out:best",
                                      "out:big", "out:f", "kept"), "kept": ("*", 4, "N"), "work": 0},
        {"name": "backward", "slots": ("in:x", "theta", "frozen", "kept", "up:f", "up:s", "grad:f", "din:f:x", "din:s:x",
                                       "dval:s:base"), "kept": ("*", 4, "N"), "work": 5},
    ),
    "updates": (), "optimizer": None,
}


def _run(kernel, arrays, sizes):
    N, T = sizes
    if kernel == 0:
        x, y, seq, t, theta, frozen, hyper, s, best, big, f, kept = arrays
        assert seq.shape == (2 * T + 1,) and y.dtype == np.int64 and x.dtype == np.float32
        W, keys, base = theta[:12].reshape(3, 4), theta[12:16], frozen.reshape(3, 4)
        s[...] = x @ (W + base) + keys * hyper[0] + t + theta[16] * 0 + y[:, None] * 0
        best[...] = s.argmax(1) if N else 0
        big[...] = s > 0
        f[...] = np.sum(s * s)
        kept[:4 * N] = s.ravel()
    else:
        x, theta, frozen, kept, up_f, up_s, grad, dfx, dsx, dbase = arrays
        W = theta[:12].reshape(3, 4) + frozen.reshape(3, 4)
        d = 2 * kept[:4 * N].reshape(N, 4) * up_f
        grad[:12] = (x.T @ d).ravel()
        grad[12:16] = d.sum(0) * 0.5
        grad[16] = 0
        dfx[...] = d @ W.T
        dsx[...] = up_s @ W.T
        dbase[...] = x.T @ up_s


install(globals())
