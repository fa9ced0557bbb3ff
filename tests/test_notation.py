"""Index notation: what it means, against PyTorch and plain loops; the equations it becomes; what is said about mistakes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gradwright.compiler.graph.ir import Eqn
from gradwright.compiler.graph.rewrite import canonical
from gradwright.compiler.graph.shapes import Dim
from gradwright.compiler.graph.text import show_eqn
from gradwright.compiler.passes import BEFORE, apply
from gradwright.compiler.passes.products import classify
from gradwright.runtime import load
from support.models import build, elaborated, errors, numbered
from support.modules import Modules, build_modules, drawn

try:
    import torch
    from torch.nn import functional as F
except ImportError:
    torch = None  # type: ignore[assignment]

pytestmark = pytest.mark.unoptimised

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


@dataclass(frozen=True)
class Case:
    """A model with the one output y, what PyTorch makes of the inputs by name, and the sizes that it is tried at."""

    text: str
    theirs: Callable[..., Any]
    sizes: tuple[Mapping[str, int], ...] = ({},)
    positive: bool = False


def conv(stride: int, pad: int, dilation: int, kernel: int) -> Case:
    reach = dilation * (kernel - 1) + 1
    ranges = " ".join(f"for {v} in range((H + {2 * pad - reach})//{stride} + 1)" for v in "ij") if pad else ""
    index = ", ".join(f"{stride}*{v} + {dilation}*{w} - {pad}" for v, w in ("iu", "jv"))
    text = f"""
        size N, H
        input x[N, 3, H, H], w[2, 3, {kernel}, {kernel}], b[2]
        y[n, o, i, j] = sum(x[n, c, {index}]{" pad" if pad else ""} * w[o, c, u, v] for c, u, v) + b[o] {ranges}
        output y
    """
    return Case(
        text,
        lambda x, w, b: F.conv2d(x, w, b, stride, pad, dilation),
        tuple({"N": n, "H": h} for n, h in ((2, reach + 5), (1, reach + 4), (2, max(reach - 2 * pad, 1)), (0, reach))),
    )


def pool(kernel: int, stride: int, pad: int) -> Case:
    ranges = " ".join(f"for {v} in range((H + {2 * pad - kernel})//{stride} + 1)" for v in "ij") if pad else ""
    text = f"""
        size N, H
        input x[N, 2, H, H]
        y[n, c, i, j] = max(x[n, c, {stride}*i + u - {pad}, {stride}*j + v - {pad}]{" pad" if pad else ""}
                            for u in range({kernel}) for v in range({kernel})) {ranges}
        output y
    """
    return Case(
        text,
        lambda x: F.max_pool2d(x, kernel, stride, pad),
        tuple({"N": n, "H": h} for n, h in ((2, 7), (1, 6), (2, kernel), (0, 5))),
    )


NT = ({"N": 3, "T": 4}, {"N": 1, "T": 1}, {"N": 2, "T": 3})


def lower(n: int) -> Any:
    return torch.tril(torch.ones(n, n, dtype=torch.bool))


def poly(a: Any, b: Any) -> Any:
    n = len(a)
    return torch.stack([sum(a[j] * b[i - j] for j in range(i + 1)) for i in range(n)]) if n else a


CASES: dict[str, Case] = {
    "product": Case(
        "size N, D\ninput x[N, D], w[D, 5]\ny[n, j] = sum(x[n, d] * w[d, j] for d)\noutput y",
        lambda x, w: x @ w,
        ({"N": 3, "D": 4}, {"N": 0, "D": 2}, {"N": 1, "D": 1}, {"N": 2, "D": 0}),
    ),
    "batched product": Case(
        "size N, T\ninput q[N, T, 3], k[N, T, 3]\ny[n, i, j] = sum(q[n, i, d] * k[n, j, d] for d) / 3**0.5\noutput y",
        lambda q, k: q @ k.transpose(1, 2) / 3**0.5,
        NT,
    ),
    "bilinear": Case(
        "size N\ninput x[N, 3], w[2, 3, 4], z[N, 4]\ny[n, o] = sum(x[n, i] * w[o, i, j] * z[n, j] for i, j)\noutput y",
        lambda x, w, z: torch.einsum("ni,oij,nj->no", x, w, z),
        ({"N": 3}, {"N": 0}),
    ),
    "hinge": Case(
        "size N\ninput s[N, 5]\nindex t[N] < 5\ny[n] = sum(max(0, s[n, j] - s[n, t[n]] + 1) for j if j != t[n])\noutput y",
        lambda s, t: F.multi_margin_loss(s, t, reduction="none") * 5,
        ({"N": 4}, {"N": 0}),
    ),
    "embedding": Case(
        "size N, T\nindex t[N, T] < 6\ninput e[6, 3]\ny[n, k, d] = e[t[n, k], d]\noutput y", lambda t, e: e[t], NT
    ),
    "every other one of what every other row holds": Case(
        "size N, M\ninput x[N, M]\nh = tanh(reshape(x[::2, :], -1))\noutput y = h[::2]",
        lambda x: torch.tanh(x[::2].reshape(-1))[::2],
        ({"N": 3, "M": 2}, {"N": 4, "M": 3}, {"N": 1, "M": 1}, {"N": 0, "M": 2}),
    ),
    "a row that the first of a free axis names": Case(
        """size T
        index t[T] < 5
        input e[5, 3]
        scan k in range(1, T):
            carry f = e[t[0]]
            f = f / 2 + e[t[k]]
        output y = f""",
        lambda t, e: functools.reduce(lambda f, k: f / 2 + e[k], t[1:], e[t[0]]),
        ({"T": 4}, {"T": 1}),
    ),
    "distances": Case(
        "size N, T\ninput a[N, 3], b[T, 3]\ny[i, j] = sum((a[i, d] - b[j, d])**2 for d)\noutput y",
        lambda a, b: ((a[:, None] - b[None]) ** 2).sum(-1),
        (*NT, {"N": 0, "T": 2}),
    ),
    "a product of polynomials": Case(
        "size N\ninput a[N], b[N]\ny[i] = sum(a[j] * b[i - j] for j in range(i + 1)) for i in range(N)\noutput y",
        poly,
        ({"N": 5}, {"N": 1}),
    ),
    "what stands before": Case(
        "size N\ninput x[N]\ny[i] = sum(log(x[i - 1 - j]) * (j + 1) for j in range(i)) for i in range(N)\noutput y",
        lambda x: torch.stack([sum((torch.log(x[i - 1 - j]) * (j + 1) for j in range(i)), 0 * x[0]) for i in range(len(x))]),
        ({"N": 5}, {"N": 1}),
        positive=True,
    ),
    "from here to the end": Case(
        "size N\ninput x[N]\ny[i] = logsumexp(x[j] for j in range(i, N)) for i in range(N)\noutput y",
        lambda x: torch.stack([torch.logsumexp(x[i:], 0) for i in range(len(x))]) if len(x) else x,
        ({"N": 5}, {"N": 1}, {"N": 0}),
    ),
    "cumulative product": Case(
        "size N\ninput x[N]\ny[i] = prod(x[j] for j in range(i + 1)) for i in range(N)\noutput y",
        lambda x: torch.cumprod(x, 0),
        ({"N": 5}, {"N": 1}, {"N": 0}),
    ),
    "from the second on": Case(
        """size N
        input x[N]
        a[i] = sum(x[j] * 2 for j in range(1, i)) for i in range(N)
        y[i] = a[i] + 10 * argmax(x[j] for j in range(1, i + 1)) * x[0] for i in range(N)
        output y""",
        lambda x: torch.stack(
            [2 * x[1 : max(i, 1)].sum() + 10 * (0 if i == 0 else 1 + x[1 : i + 1].argmax()) * x[0] for i in range(len(x))]
        ),
        ({"N": 5}, {"N": 1}, {"N": 2}),
    ),
    "powers": Case(
        "size N, T\ninput c[T], x[N]\ny[n] = sum(c[j] * x[n]**j for j)\noutput y",
        lambda c, x: (c * x[:, None] ** torch.arange(len(c))).sum(1),
        NT,
        positive=True,
    ),
    "numbers": Case(
        "size N, H = 3\ninput h\ny[i, k] = i * h + k / H - N for i in range(N) for k in range(H)\noutput y",
        lambda h, N: torch.arange(N)[:, None] * h + torch.arange(3.0, dtype=h.dtype) / 3 - N,
        ({"N": 4}, {"N": 0}),
    ),
    "differences": Case(
        "size N\ninput x[N]\ny[i] = x[i + 1] - x[i]\noutput y", lambda x: x.diff(), ({"N": 5}, {"N": 2}, {"N": 1})
    ),
    "backwards": Case("size N\ninput x[N]\ny[i] = x[N - 1 - i] * x[-1]\noutput y", lambda x: x.flip(0) * x[-1],
                      ({"N": 5}, {"N": 1})),
    "every other": Case("size N\ninput x[N]\ny[i] = x[2*i]\noutput y", lambda x: x[::2], tuple({"N": n} for n in (0, 1, 2, 5))),
    "spread": Case(
        "size N\ninput x[N]\ny[i] = x[i // 2] * (i % 2 + 1) for i in range(2*N)\noutput y",
        lambda x: x.repeat_interleave(2) * (torch.arange(2 * len(x)) % 2 + 1),
        ({"N": 4}, {"N": 1}, {"N": 0}),
    ),
    "blocks": Case(
        "size N\ninput x[4*N]\ny[i, k] = x[4*i + k] for k in range(4)\noutput y",
        lambda x: x.reshape(-1, 4),
        ({"N": 3}, {"N": 1}, {"N": 0}),
    ),
    "lengths": Case(
        "size N, T\ninput x[N, T]\nindex m[N] < T + 1\ny[n] = sum(x[n, t] for t in range(m[n]))\noutput y",
        lambda x, m: (x * (torch.arange(x.shape[1]) < m[:, None])).sum(1),
        NT,
    ),
    "causal attention": Case(
        """size N, T
        input q[N, T, 3], k[N, T, 3], v[N, T, 2]
        s[n, i, j] = where(j <= i, sum(q[n, i, d] * k[n, j, d] for d), -inf)
        y[n, i, e] = sum(softmax(s)[n, i, j] * v[n, j, e] for j)
        output y""",
        lambda q, k, v: torch.softmax(torch.where(lower(q.shape[1]), q @ k.transpose(1, 2), -torch.inf), -1) @ v,
        NT,
    ),
    "a sum of maxima": Case(
        "size N, T\ninput x[N, T, 3]\ny = sum(max(x[n, t, d] for d) for n for t if t != n) + x[0, 0, 0]\noutput y",
        lambda x: (x.amax(-1) * ~torch.eye(x.shape[0], x.shape[1], dtype=torch.bool)).sum() + x[0, 0, 0],
        NT,
    ),
    "the largest sum": Case(
        "size N, T\ninput x[N, T]\noutput y = max(sum(x[i, j] for j) for i) + min(x[i, 0] for i)",
        lambda x: x.sum(1).max() + x[:, 0].min(),
        NT,
    ),
    "means": Case(
        """size N, T
        input x[N, T]
        y[n] = mean(x[n, t]**2 for t) + mean(x[n, t] for t if t > 0 or n == 0) + logsumexp(x[n, t] for t)
        output y""",
        lambda x: (x**2).mean(1)
        + torch.stack([r.mean() if n == 0 else r[1:].mean() for n, r in enumerate(x)])
        + torch.logsumexp(x, 1),
        ({"N": 3, "T": 4}, {"N": 2, "T": 2}),
    ),
    "of truth values": Case(
        """size N, T
        input x[N, T]
        y[n] = where(any(x[n, t] > 1 for t), x[n, 0], 2 * x[n, 0]) * where(all(x[n, t] < 1 for t if t > 0), 3, 5)
        output y""",
        lambda x: torch.where((x > 1).any(1), x[:, 0], 2 * x[:, 0]) * torch.where((x[:, 1:] < 1).all(1), 3, 5),
        NT,
    ),
    "argmax": Case(
        """size N, T
        input x[N, T + 2], e[T + 2]
        a[n] = argmax(x[n, t] for t in range(1, T + 2))
        y[n] = e[a[n]] * x[n, argmin(x[n, t] for t)]
        output y""",
        lambda x, e: e[x[:, 1:].argmax(1) + 1] * x.amin(1),
        NT,
    ),
    "functions": Case(
        """size N, T
        input x[N, T], w[T]
        def bump(a, b) = exp(-(a - b)**2)
        def squares(v) = sum(v[i]**2 for i)
        def rows(m):
            r[n] = sum(m[n, k] for k)
            return r * 2
        y[n] = sum(bump(x[n, t], w[t]) for t) * squares(w) + sigmoid(rows(x)[n]) + norm1(x)
        def norm1(m) = sum(abs(m[i, j]) for i for j)
        output y""",
        lambda x, w: torch.exp(-((x - w) ** 2)).sum(1) * (w**2).sum() + torch.sigmoid(x.sum(1) * 2) + x.abs().sum(),
        NT,
    ),
    "loops": Case(
        """size N
        input x[N, 4]
        h = x
        for k in range(3):
            h[n, i] = h[n, i] * sum(h[n, j] for j if j != k) + x[n, k]
        output y = h""",
        lambda x: _loops(x),
        ({"N": 3}, {"N": 0}),
    ),
    "a loop at run time": Case(
        """size N, T
        input x[T, N, 3], w[3, 3], k[3]
        scan t in range(T):
            carry s = zeros(N, 3)
            blurred[n, j] = sum(s[n, j + u - 1] pad * k[u] for u) for n in range(N) for j in range(3)
            s[n, j] = tanh(sum(s[n, i] * w[i, j] for i) + x[t, n, j] * (t + 1) + blurred[n, j])
        output y = s""",
        lambda x, w, k: _recurrent(x, w, k),
        NT,
    ),
    "a literal": Case(
        "size N\ninput x[N]\ny[i] = sum([1, -2, 1][k] * x[i + k] for k)\noutput y",
        lambda x: x[:-2] - 2 * x[1:-1] + x[2:],
        ({"N": 6}, {"N": 3}, {"N": 2}),
    ),
    "zeros outside": Case(
        "size N\ninput x[N]\ny[i] = x[i - 2] pad + 3 * x[i + 1] pad for i in range(N + 3)\noutput y",
        lambda x: F.pad(x, (2, 1)) + 3 * F.pad(x[1:], (0, 4 if len(x) else 3)),
        ({"N": 5}, {"N": 1}, {"N": 0}),
    ),
    "traces": Case(
        "size N\ninput a[N, 3, 3]\ny[n] = sum(a[n, i, i] for i) * prod(a[n, i, 2 - i] for i)\noutput y",
        lambda a: a.diagonal(dim1=1, dim2=2).sum(1) * a.flip(2).diagonal(dim1=1, dim2=2).prod(1),
        ({"N": 2}, {"N": 0}),
    ),
    "average pooling": Case(
        "size N\ninput x[N, 2, 6, 7]\n"
        "y[n, c, i, j] = mean(x[n, c, 2*i + u, 2*j + v] for u in range(2) for v in range(3))\noutput y",
        lambda x: F.avg_pool2d(x, (2, 3), 2),
        ({"N": 2}, {"N": 0}),
    ),
    "grouped convolution": Case(
        """size N, T
        input x[N, 4, T + 2], w[2, 3, 2, 3]
        z[n, g, o, t] = sum(x[n, 2*g + c, t + u] * w[g, o, c, u] for c, u)
        output y = reshape(z, N, 6, T)""",
        lambda x, w: F.conv1d(x, w.reshape(6, 2, 3), groups=2),
        NT,
    ),
    "transposed convolution": Case(
        """size N, T
        input x[N, T], w[3]
        y[n, i] = sum(where(i - u == 2*k, x[n, k] * w[u], 0) for k for u) for i in range(2*T + 1)
        output y""",
        lambda x, w: F.conv_transpose1d(x[:, None], w[None, None], stride=2)[:, 0],
        NT,
    ),
    **{f"convolution {a}": conv(*a)
       for a in ((1, 0, 1, 3), (2, 0, 1, 3), (1, 1, 1, 3), (2, 1, 1, 4), (2, 2, 2, 3), (3, 2, 1, 2))},
    **{f"pooling {a}": pool(*a) for a in ((2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 1, 1), (4, 3, 2))},
}  # fmt: skip


def _loops(x: Any) -> Any:
    h = x
    for k in range(3):
        h = h * (h.sum(1) - h[:, k])[:, None] + x[:, k : k + 1]
    return h


def _recurrent(x: Any, w: Any, k: Any) -> Any:
    s = torch.zeros_like(x[0])
    for t, now in enumerate(x):
        s = torch.tanh(s @ w + now * (t + 1) + F.conv1d(s[:, None], k[None, None], padding=1)[:, 0])
    return s


def text_of(case: Case) -> str:
    import textwrap

    first, _, rest = case.text.partition("\n")
    return textwrap.dedent(case.text) if not first.strip() else first + "\n" + textwrap.dedent(rest)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Modules]:
    models = [build(text_of(c)) for c in CASES.values()]
    made = build_modules(models, [{}] * len(models), tmp_path_factory.mktemp("notation"))
    return dict(zip(CASES, made, strict=True))


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, built: dict[str, Modules]) -> None:
    case, made = CASES[name], built[name]
    rng = np.random.default_rng(3)
    for sizes in case.sizes:
        inputs = drawn(made, sizes, rng, (0.2, 2) if case.positive else None)
        tensors = {k: torch.tensor(v, requires_grad=np.asarray(v).dtype == np.float64) for k, v in inputs.items()}
        given = {
            k: v
            for k, v in sizes.items()
            if k not in {n for d in made.plan.model.inputs for s in d.value.shape for n in s.free()}
        }
        wanted = case.theirs(**tensors, **given)
        up = rng.normal(size=tuple(wanted.shape))
        real = {k: t for k, t in tensors.items() if t.requires_grad}
        slopes = torch.autograd.grad(wanted, list(real.values()), torch.tensor(up), allow_unused=True)
        for backend in (made.compiled, made.numpy):
            model = backend.Model()
            out, g = model.value_and_grad(**inputs, **given, upstream=up)
            close(out.y, wanted.detach().numpy(), f"{name} {sizes}")
            for key, slope in zip(real, slopes, strict=True):
                close(g[key], np.zeros(inputs[key].shape) if slope is None else slope.numpy(), f"{name} {sizes} {key}")


def close(found: Any, wanted: Any, what: str = "") -> None:
    assert np.shape(found) == np.shape(wanted), f"{what}: {np.shape(found)} for {np.shape(wanted)}"
    scale = max(float(np.max(np.abs(wanted), initial=0)), 1e-300)
    error = float(np.max(np.abs(np.asarray(found) - wanted), initial=0))
    assert error <= 1e-10 * max(scale, 1), f"{what}: {error}"


# ---------------------------------------------------------------- the equations

DECLARED = """
size N, T, D = 40
input x[N, D], q[N, T, D], k[N, D, T], u[N], v[T], a[N, N]
param W[D, 32] ~ glorot_uniform
"""
SAME: dict[str, tuple[str, ...]] = {
    "x @ W": (
        "y[n, j] = sum(x[n, d] * W[d, j] for d)",
        "y[row, col] = sum(W[inner, col] * x[row, inner] for inner)",
        "y[i, c] = sum(x[i, j] * W[j, c] for j in range(D))",
    ),
    "q @ k": (
        "y[n, i, j] = sum(q[n, i, d] * k[n, d, j] for d)",
        "y[b, s, t] = sum(k[b, e, t] * q[b, s, e] for e)",
    ),
    "q @ W": ("y[n, t, j] = sum(q[n, t, d] * W[d, j] for d)", "y[n, t, j] = sum(W[d, j] * q[n, t, d] for d)"),
    "a @ u": ("y[i] = sum(a[i, j] * u[j] for j)", "y[i] = sum(u[j] * a[i, j] for j)"),
    "u @ u": ("y = sum(u[i] * u[i] for i)",),
    "x.T": ("y[j, i] = x[i, j]",),
    "transpose(q, 2, 0, 1)": ("y[d, n, t] = q[n, t, d]",),
    "sum(q, axis=[0, 2])": (
        "y[t] = sum(q[n, t, d] for n, d)",
        "y[t] = sum(q[n, t, d] for d for n)",
        "y[t] = sum(sum(q[n, t, d] for d) for n)",
    ),
    "sum(x)": ("y = sum(x[i, j] for i for j)", "y = sum(x[i, j] for j, i)"),
    "mean(q, axis=1)": ("y[n, d] = mean(q[n, t, d] for t)",),
    "mean(x)": ("y = mean(x[n, d] for n for d)",),
    "max(q, axis=2)": ("y[n, t] = max(q[n, t, d] for d)",),
    "min(x)": ("y = min(x[n, d] for n, d)",),
    "prod(x, axis=0)": ("y[d] = prod(x[n, d] for n)",),
    "logsumexp(q, axis=-1)": ("y[n, t] = logsumexp(q[n, t, d] for d)",),
    "cumsum(x, axis=1)": ("y[n, i] = sum(x[n, j] for j in range(i + 1)) for i in range(D)",),
    "cumprod(u)": ("y[i] = prod(u[j] for j in range(i + 1)) for i in range(N)",),
    "x[:, ::2]": ("y[n, j] = x[n, 2*j]",),
    "x[1:, :-3]": ("y[n, j] = x[n + 1, j] for n in range(N - 1) for j in range(D - 3)",),
    "u * u[0]": ("y[n] = u[n] * u[0]", "y[n] = u[0] * u[n]"),
    "outer(u, v)": ("y[i, j] = u[i] * v[j]", "y[t, s] = v[s] * u[t]"),
    "trace(a)": ("y = sum(a[i, i] for i)",),
    'einsum("nd,dj->nj", x, W)': ("y[n, j] = sum(x[n, d] * W[d, j] for d)",),
    'einsum("ntd,ndt->n", q, k)': (
        "y[n] = sum(k[n, d, t] * q[n, t, d] for t, d)",
        "y[n] = sum(q[n, t, d] * k[n, d, t] for d, t)",
    ),
}


def printed(text: str) -> list[str]:
    """The equations after the passes that come before differentiation, in their canonical form, without comments."""
    graph = apply(BEFORE, build(DECLARED + text + "\noutput y").graph)
    return numbered("\n".join(show_eqn(canonical(e)) for e in graph.eqns if isinstance(e, Eqn))).split("\n")


@pytest.mark.parametrize("named", SAME)
def test_what_is_a_named_operation_is_its_equation(named: str) -> None:
    for spelled in SAME[named]:
        assert printed(spelled) == printed(f"y = {named}"), spelled


def test_a_convolution_is_one_equation_however_it_is_written() -> None:
    declared = "size N, H\ninput x[N, 3, H, H], w[8, 3, 5, 5]\n"
    spelled = (
        "y[n, o, i, j] = sum(x[n, c, 2*i + u, 2*j + v] * w[o, c, u, v] for c, u, v)",
        "y[n, o, i, j] = sum(w[o, c, u, v] * x[n, c, u + 2*i, v + i*0 + j*2] for v for u for c)",
        "y[b, k, row, col] = sum(sum(x[b, m, 2*row + p, 2*col + q] * w[k, m, p, q] for p, q) for m)",
    )
    shown = set()
    for text in spelled:
        (eqn,) = build(f"{declared}{text}\noutput y").graph.eqns
        assert isinstance(eqn, Eqn)
        shown.add(show_eqn(canonical(eqn)))
    assert len(shown) == 1
    assert eqn.out.shape[2] == (Dim.of("H") - 5) // 2 + 1


@pytest.mark.parametrize("text", SAME["x @ W"])
def test_a_product_goes_to_the_matrix_kernel(text: str) -> None:
    (eqn,) = build(f"{DECLARED}{text}\noutput y").graph.eqns
    assert isinstance(eqn, Eqn)
    found = classify(eqn)
    assert found is not None and [a.extent for a in (*found.m, *found.n, *found.k)] == [Dim.of("N"), Dim.of(32), Dim.of(40)]


def test_a_hinge_reads_as_it_is_written() -> None:
    model = build(
        "size N\ninput s[N, 5]\nindex t[N] < 5\n"
        "L[n] = sum(max(0, s[n, j] - s[n, t[n]] + 1) for j if j != t[n])\noutput y = mean(L)"
    )
    first = model.graph.eqns[0]
    assert isinstance(first, Eqn)
    assert show_eqn(first).split("  ")[0] == "L[n] = sum j: where(j != t[n], max(0, s[n, j] - s[n, t[n]] + 1), 0)"


# ---------------------------------------------------------------- numbers that must come out


@pytest.mark.parametrize("backend", ["cython", "numpy"])
def test_the_numbers_of_the_second_assignment(backend: str) -> None:
    model = load(
        "size N, H\ninput x[N, 3, H, H], w[3, 3, 4, 4], b[3], p[N, 3, H, H]\n"
        "s[n, o, i, j] = sum(x[n, c, 2*i + u - 1, 2*j + v - 1] pad * w[o, c, u, v] for c, u, v)"
        " for i in range(H//2) for j in range(H//2)\n"
        "y[n, o, i, j] = s[n, o, i, j] + b[o]\n"
        "z[n, c, i, j] = max(p[n, c, 2*i + u, 2*j + v] for u in range(2) for v in range(2))\n"
        "output y, z",
        backend=backend,
    ).Model()
    found = model.forward(
        x=np.linspace(-0.1, 0.5, 96).reshape(2, 3, 4, 4), w=np.linspace(-0.2, 0.3, 144).reshape(3, 3, 4, 4),
        b=np.linspace(-0.1, 0.2, 3), p=np.linspace(-0.3, 0.4, 96).reshape(2, 3, 4, 4),
    )  # fmt: skip
    np.testing.assert_allclose(found.y[0, 0], [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]], atol=5e-9)
    np.testing.assert_allclose(found.z[0, 0], [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]], atol=5e-9)


# ---------------------------------------------------------------- diagnostics

MISTAKES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "two axes": (
        "size N\ninput x[N, 3], w[5, 2]\ny[n, j] = sum(x[n, d] * w[d, j] for d)",
        [("E232", "the ranges of d disagree")],
    ),
    "two free sizes": ("size N, M\ninput x[N], w[M]\ny[i] = x[i] * w[i]", [("E232", "the ranges of i disagree")]),
    "two free sizes, shifted": (
        "size N, M\ninput x[N], w[M]\ny[i] = x[i] * w[i + 1]",
        [("E232", "the ranges of i disagree")],
    ),
    "nothing": ("size N\ninput x[N]\ny[i, j] = x[i]", [("E231", "nothing tells the range of j")]),
    "a sum of two": (
        "size N\ninput x[N]\ny[i, j] = x[i + j]",
        [("E231", "nothing tells the range of i"), ("E231", "nothing tells the range of j")],
    ),
    "pad": ("size N\ninput x[N]\ny[i] = x[i - 1] pad", [("E231", "nothing tells the range of i")]),
    "shadows a size": ("size N\ninput x[N]\ny[N] = x[N]", [("E230", "N is a size already")]),
    "shadows an index variable": (
        "size N\ninput x[N, N]\ny[i] = sum(x[i, i] for i)",
        [("E230", "i is an index variable already")],
    ),
    "shadows a number": ("size N\ninput x[N]\ny[pi] = x[pi]", [("E230", "pi is a number already")]),
    "twice": ("size N\ninput x[N, N]\ny[i, i] = x[i, i]", [("E230", "i stands twice on the left")]),
    "below 0": ("size N\ninput x[N]\ny[i] = x[i - 1]", [("E233", "i starts at 0, and this is outside there")]),
    "too small": ("input x[2], w[4]\ny[i] = sum(x[i + u] * w[u] for u)", [("E233", "no i keeps this read inside")]),
    "given": ("size N\ninput x[N]\ny[i] = x[i] for i in range(3)", [("E233", "this read of x may be outside")]),
    "given too far": ("input x[3]\ny[i] = x[i] for i in range(4)", [("E233", "this read of x may be outside")]),
    "a number outside": ("input x[3, 4]\ny[i] = x[i, 4]", [("E206", "this index is outside")]),
    "labels": ("size N\ninput s[N, 4]\nindex t[N] < 5\ny[n] = s[n, t[n]]", [("E214", "this index may be outside")]),
    "labels and one more": (
        "size N\ninput s[N, 5]\nindex t[N] < 5\ny[n] = s[n, t[n] + 1]",
        [("E214", "this index may be outside")],
    ),
    "a real index": ("size N\ninput s[N, 5], t[N]\ny[n] = s[n, t[n]]", [("E241", "an index is a whole number")]),
    "a real in an index": ("size N\ninput s[N], t\ny[n] = s[n + t]", [("E241", "an index is a whole number")]),
    "a range below 0": ("input x[3]\ny[i] = x[i] for i in range(1 - 3)", [("E236", "this range has -2 values")]),
    "half an index": (
        "size N\ninput s[N]\ny[n] = s[n / 2]",
        [("E237", "this is not a sum of whole multiples of index variables")],
    ),
    "a product": ("size N\ninput s[N]\ny[n] = s[n * n]", [("E237", "this is not a sum of whole multiples of index variables")]),
    "too few": ("size N\ninput s[N, 3]\ny[n] = s[n]", [("E234", "s has 2 axes and is read with 1 index")]),
    "too many": ("size N\ninput s[N]\ny[n] = s[n, 0]", [("E234", "s has 1 axis and is read with 2 indices")]),
    "none": ("size N\ninput s[N], t[N]\ny[n] = s[n] * t", [("E234", "t is [N] and stands here without its indices")]),
    "none in an index": (
        "size N\ninput s[N, 3]\nindex t[N] < 3\ny[n] = s[n, t]",
        [("E234", "t is [N] and stands here without its indices")],
    ),
    "a slice": (
        "size N\ninput s[N, 3]\ny[n] = s[n, 1:]",
        [("E234", "index notation reads one element, and a slice takes several")],
    ),
    "a number with axes": (
        "size N\ninput s[N]\ndef f(v, i) = v[i]\ny[n] = f(s[n], n)",
        [("E234", "v is one number and has no axes")],
    ),
    "whole arrays": (
        "size N\ninput s[N, 3]\ny[n, j] = softmax(s[n, j])",
        [("E235", "softmax: this works on whole arrays, and is given one number")],
    ),
    "a range with steps": (
        "input x[9]\ny = sum(x[i] for i in range(0, 9, 3))",
        [("E236", "an index variable runs over a range")],
    ),
    "a range on the left": (
        "input x[9]\ny[i] = x[i] for i in range(1, 9)",
        [("E236", "the range of a variable on the left starts at 0")],
    ),
    "a range that depends, on the left": (
        "input x[9]\ny[i, j] = x[i] * x[j] for j in range(i)",
        [("E236", "the range of a variable on the left is the same for all others")],
    ),
    "a range of reals": (
        "input x[9], h\ny = sum(x[i] for i in range(h))",
        [("E213", "a whole number or a size is wanted here")],
    ),
    "no reduction": ("input x[9]\ny = tanh(x[i] for i)", [("E238", "tanh cannot be taken over an index")]),
    "a condition on the left": (
        "input x[9]\ny[i] = x[i] for i in range(9) if i > 2",
        [("E238", "a condition belongs in a comprehension")],
    ),
    "pad elsewhere": ("input x[9]\ny = x[1] pad", [("E238", "`pad` is for reads in index notation")]),
    "a range for another": ("input x[9]\ny[i] = x[i] for k in range(3)", [("E238", "k does not stand on the left")]),
    "argmax of two": ("input x[9, 9]\ny = argmax(x[i, j] for i, j)", [("E205", "argmax works along one axis")]),
    "all at once": (
        "size N\ninput x[N]\ny[i] = nothing[i] + x[i, i]\nz[i] = x[j]\nq = y[0] + z[0]",
        [
            ("E220", "there is no nothing here"),
            ("E234", "x has 1 axis and is read with 2 indices"),
            ("E220", "there is no j here"),
        ],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    text, wanted = MISTAKES[name]
    assert [(code, message) for code, _, message in errors(text + "\noutput q = 1")] == wanted


def test_an_error_in_a_function_names_the_call() -> None:
    text = (
        "size N\ninput x[N, 3], w[4]\n"
        "def weigh(a, b):\n    r[n] = sum(a[n, d] * b[d] for d)\n    return r\noutput y = weigh(x, w)"
    )
    assert elaborated(text)[2].split("\n") == [
        "error[E232]: the ranges of d disagree",
        "  --> model.gw:4:21",
        "   |",
        " 4 |     r[n] = sum(a[n, d] * b[d] for d)",
        "   |                     ^      ^ axis 0 of b has 4 elements",
        "   |                     |",
        "   |                     axis 1 of a has 3 elements",
        " 5 |     return r",
        " 6 | output y = weigh(x, w)",
        "   |            ^^^^^^^^^^^ in this call of weigh",
        "   = d runs over both axes, and so they must have the same size",
        "   = help: where d is to take fewer values, give its range: for d in range(...)",
    ]


def test_a_size_without_room_is_an_error_of_the_call() -> None:
    model = load("size N\ninput x[N]\ny[i] = sum(x[i + u] for u in range(4))\noutput y", backend="numpy").Model()
    assert model.forward(x=np.ones(3)).y.shape == (0,)
    with pytest.raises(ValueError, match="-1"):
        model.forward(x=np.ones(2))
