"""Draw docs/images/neuron.svg: the neuron of the course with values and gradients, as the compiled module computes them.

    python docs/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path

from gradwright import runtime

TEXT = """
input  w0, x0, w1, x1, w2
a = w0 * x0
b = w1 * x1
s = a + b
z = s + w2
e = exp(-z)
u = 1 + e
output f = 1 / u
gradient f wrt w0, x0, w1, x1, w2, a, b, s, z, e, u
output a, b, s, z, e, u
"""
POINT = {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}

# gate: (label, x, y); wire: (value, from, to, where its numbers stand)
GATES = {"*0": ("×", 190, 75), "*1": ("×", 190, 245), "+0": ("+", 330, 160), "+1": ("+", 460, 190), "n": ("exp(−·)", 600, 190),
         "i": ("1 +", 730, 190), "r": ("1 / ·", 850, 190)}  # fmt: skip
INPUTS = {"w0": (40, 25), "x0": (40, 125), "w1": (40, 195), "x1": (40, 295), "w2": (330, 280)}
WIRES = [("w0", "w0", "*0"), ("x0", "x0", "*0"), ("w1", "w1", "*1"), ("x1", "x1", "*1"), ("a", "*0", "+0"), ("b", "*1", "+0"),
         ("s", "+0", "+1"), ("w2", "w2", "+1"), ("z", "+1", "n"), ("e", "n", "i"), ("u", "i", "r")]  # fmt: skip


def picture() -> str:
    model = runtime.load(TEXT, backend="numpy", name="neuron_by_gates").Model()
    out, g = model.value_and_grad(**POINT)
    value = {**POINT, **{n: float(out[n]) for n in ("a", "b", "s", "z", "e", "u", "f")}}
    slope = {n: float(g.f[n]) for n, _, _ in WIRES} | {"f": 1.0}
    place = {**INPUTS, **{n: (x, y) for n, (_, x, y) in GATES.items()}}
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 320" font-family="sans-serif" font-size="14">',
             '<rect width="980" height="320" fill="#ffffff"/>']  # fmt: skip

    def numbers(x: float, y: float, name: str) -> None:
        parts.append(f'<text x="{x:g}" y="{y - 6:g}" fill="#1b7f3b" text-anchor="middle">{value[name]:.4g}</text>')
        parts.append(f'<text x="{x:g}" y="{y + 17:g}" fill="#c0262d" text-anchor="middle">{slope[name]:.4g}</text>')

    for name, start, end in WIRES:
        (x1, y1), (x2, y2) = place[start], place[end]
        x1 += 14 if start in INPUTS else 26
        x2 -= 26
        parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#555555" stroke-width="1.4"/>')
        numbers((x1 + x2) / 2, (y1 + y2) / 2, name)
    parts.append('<line x1="878" y1="190" x2="960" y2="190" stroke="#555555" stroke-width="1.4"/>')
    numbers(922, 190, "f")
    for name, (x, y) in INPUTS.items():
        parts.append(f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-style="italic">{name}</text>')
    for label, x, y in GATES.values():
        parts.append(f'<rect x="{x - 26}" y="{y - 18}" width="54" height="36" rx="18" fill="#eef2fb" stroke="#34508b"/>')
        parts.append(f'<text x="{x + 1}" y="{y + 5}" text-anchor="middle" font-size="13">{label}</text>')
    parts.append('<text x="500" y="45" fill="#1b7f3b">green: values, forward</text>')
    parts.append('<text x="500" y="67" fill="#c0262d">red: gradients, backward</text>')
    parts.append('<rect x="560" y="148" width="326" height="84" rx="14" fill="none" stroke="#999999" stroke-dasharray="5 4"/>')
    parts.append('<text x="722" y="138" fill="#555555" text-anchor="middle">together a sigmoid gate: σ′ = σ (1 − σ)</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (Path(__file__).parent / "images" / "neuron.svg").write_text(picture(), encoding="utf-8")
