"""What was measured, as text, as tables and as a figure.

    python -m benchmarks draw results.json                 # the tables
    python -m benchmarks draw results.json --write         # into README.md, docs/performance.md and docs/images/performance.svg
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .machine import words
from .peers import OURS, PEERS

ROOT: Final = Path(__file__).resolve().parent.parent
HEADERS: Final = ("", "workload", "Gradwright", "best peer", "÷ best peer", "others, ÷ each", "gradient ÷ forward",
                  "memory, MB", "reached")  # fmt: skip
Result = Mapping[str, Any]


def microseconds(us: float) -> str:
    for limit, unit in ((1.0, "ns"), (1e3, "µs"), (1e6, "ms")):
        if us < limit:
            return f"{us / limit * 1e3:.3g} {unit}"
    return f"{us / 1e6:.3g} s"


def spread(numbers: Mapping[str, float]) -> str:
    return f"{numbers['median']:.3g} ({numbers['min']:.3g}–{numbers['max']:.3g})"


def line(result: Result) -> str:
    """One workload while the others still run."""
    peers = result["peers"]
    head = f"{result['workload']:<14} {result['threads']}T "
    if OURS not in peers:
        return f"{head} Gradwright fails: {result['missing'].get(OURS, '')}"
    ranked = sorted(peers.items(), key=lambda item: item[1]["us"]["median"])
    told = [f"{peer} {microseconds(row['us']['median'])}" for peer, row in ranked]
    best = result["best"]
    ratio = f" ratio {spread(peers[best]['ratio'])}" if best else ""
    failed = "".join(f"\n    {peer}: {why}" for peer, why in result["missing"].items() if not why.startswith("not installed"))
    return f"{head}{ratio}   {', '.join(told)}   [{result['rounds']} rounds, {result['took']:.0f} s]{failed}"


def reached(result: Result, found: Mapping[str, Any]) -> str:
    """Operations a second, with the share of what the machine can do; or bytes, where they are what limits."""
    count = result.get("counted")
    if not count:
        return ""
    seconds = result["peers"][OURS]["us"]["median"] / 1e6
    flops, moved = count["operations"] / seconds, count["bytes"] / seconds
    most = _of(found["peak"]["flops"][result["dtype"]], result["threads"])
    wide = _of(found["peak"]["read"][level(count["bytes"], found["peak"]["caches"])], result["threads"])
    return f"{flops / 1e9:.3g} GFLOP/s ({flops / most:.0%}), {moved / 1e9:.3g} GB/s ({moved / wide:.0%})"


def _of(row: Mapping[Any, float], threads: int) -> float:
    """What so many threads reach; in a file the numbers have become text."""
    return row[threads] if threads in row else row.get(str(threads)) or max(row.values())


def level(touched: float, caches: Mapping[str, int]) -> str:
    """The smallest cache that holds so many bytes."""
    return next((name for name, held in sorted(caches.items(), key=lambda c: c[1]) if touched <= held), "memory")


def row(result: Result, found: Mapping[str, Any]) -> tuple[str, ...]:
    peers, best = result["peers"], result["best"] if OURS in result["peers"] else None
    if OURS not in peers:
        return result["workload"], result["what"], f"fails: {result['missing'].get(OURS, '')}", *("",) * 6
    others = [f"{PEERS[peer][0]} {p['ratio']['median']:.3g}" for peer, p in
              sorted(peers.items(), key=lambda item: item[1]["us"]["median"]) if peer not in (OURS, best)]  # fmt: skip
    memory = f"{peers[OURS]['memory'] / 1e6:.0f}"
    memory += f"; PyTorch {peers['torch']['memory'] / 1e6:.0f}" if "torch" in peers else ""
    slope = result.get("gradient_over_forward")
    what = result["what"] + (", float64" if result["dtype"] == "float64" and result["group"] != "table" else "")
    return (
        result["workload"],
        what,
        microseconds(peers[OURS]["us"]["median"]),
        f"{PEERS[best][0]} {microseconds(peers[best]['us']['median'])}" if best else "–",
        spread(peers[best]["ratio"]) if best else "–",
        ", ".join(others) or "–",
        f"{slope['median']:.3g}" if slope else "–",
        memory,
        reached(result, found),
    )


def tables(found: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """A title and rows for each group and number of threads."""
    titles = {"table": "Training and gradients", "beyond": "Beyond the twelve", "predict": "Forward only"}
    for group, title in titles.items():
        for threads in sorted({r["threads"] for r in found["results"]}):
            rows = [row(r, found) for r in found["results"] if r["group"] == group and r["threads"] == threads]
            if rows:
                yield f"{title}, {threads} thread{'s' * (threads > 1)}", rows


def markdown(found: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for title, rows in tables(found):
        keep = [k for k in range(len(HEADERS)) if any(r[k] not in ("", "–") for r in rows)]
        lines += [f"**{title}**", "", *_table([HEADERS[k] for k in keep], [[r[k] for k in keep] for r in rows]), ""]
    return [*lines, told(found)]


def told(found: Mapping[str, Any]) -> str:
    """Where and how it was measured."""
    rounds = sorted({r["rounds"] for r in found["results"]})
    busy = " Times are those that each process had the processor: the machine had other work."
    clock = "" if found["settings"]["clock"] == "wall" else busy
    revision = found["machine"]["revision"]
    return (f"Measured on {words(found['machine'])}; {rounds[0]}{f' to {rounds[-1]}' if len(rounds) > 1 else ''} rounds"
            + (f", revision {revision}" if revision else "") + f".{clock}")  # fmt: skip


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers), *("| " + " | ".join(r) + " |" for r in rows)]


def text(found: Mapping[str, Any]) -> list[str]:
    """For a terminal."""
    lines: list[str] = []
    for title, rows in tables(found):
        shown = [(*r[:1], *r[2:7], r[8]) for r in [HEADERS, *rows]]
        widths = [min(60, max(len(r[k]) for r in shown)) for k in range(len(shown[0]))]
        lines += ["", title]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=True)).rstrip() for r in shown]
    return [*lines, "", told(found)]


# ---------------------------------------------------------------- README, docs and figure


def short(found: Mapping[str, Any]) -> list[str]:
    """The table of the README, a column for each of the twelve workloads, on one thread."""
    kept = [r for r in found["results"] if r["group"] == "table" and r["threads"] == 1 and OURS in r["peers"] and r["best"]]
    bests = [(PEERS[r["best"]][0], r["peers"][r["best"]]) for r in kept]
    rows = [
        ("Gradwright", *(microseconds(r["peers"][OURS]["us"]["median"]) for r in kept)),
        ("best peer", *(f"{microseconds(peer['us']['median'])}, {name}" for name, peer in bests)),
        ("ours ÷ peer's", *(f"{peer['ratio']['median']:.2g}" for _, peer in bests)),
    ]
    return [*_table(("one step, one thread", *(r["workload"] for r in kept)), rows), "", told(found)]


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Time over that of the best peer, a mark for each workload: left of the line is faster."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "gradwright"  # the same file for the same numbers
    from matplotlib import pyplot

    threads = sorted({r["threads"] for r in found["results"]})
    kept = [r for r in found["results"] if OURS in r["peers"] and r["best"]]
    names = list(dict.fromkeys(r["workload"] for r in kept))
    figure, axes = pyplot.subplots(figsize=(7, 1.2 + 0.24 * len(names)), layout="constrained")
    for n, color in zip(threads, ("tab:blue", "tab:orange", "tab:green"), strict=False):
        rows = [r for r in kept if r["threads"] == n]
        ratio = [r["peers"][r["best"]]["ratio"] for r in rows]
        middle = [x["median"] for x in ratio]
        error = [[x["median"] - x["min"] for x in ratio], [x["max"] - x["median"] for x in ratio]]
        places = [names.index(r["workload"]) + 0.15 * (n - 1) for r in rows]
        label = f"{n} thread{'s' * (n > 1)}"
        axes.errorbar(middle, places, xerr=error, fmt="o", color=color, markersize=4, elinewidth=1, label=label)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("time of a step ÷ that of the best peer: median, least and largest of the rounds")
    axes.legend(loc="best", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def between(text: str, mark: str, lines: Sequence[str]) -> str:
    """The text with other lines between two marks."""
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.S)
    assert pattern.search(text), f"there is no <!-- {mark} -->"
    return pattern.sub(lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text)


def write(found: Mapping[str, Any], root: Path = ROOT) -> None:
    for page, lines in ((root / "README.md", short(found)), (root / "docs" / "performance.md", markdown(found))):
        page.write_text(between(page.read_text(encoding="utf-8"), "benchmarks", lines), encoding="utf-8")
    draw(found, root / "docs" / "images" / "performance.svg")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks draw", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("results", type=Path, nargs="+", help="of python -m benchmarks run --json; later ones replace rows")
    parser.add_argument("--write", action="store_true", help="into the README, the documentation and the figure")
    parser.add_argument("--figure", type=Path, help="only the figure, into this file")
    given = parser.parse_args()
    found = merged([json.loads(path.read_text(encoding="utf-8")) for path in given.results])
    if given.figure:
        draw(found, given.figure)
    elif given.write:
        write(found)
    else:
        print("\n".join(markdown(found)))


def merged(several: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One of several runs: of a workload measured twice the later counts."""
    rows: dict[tuple[str, int], Any] = {}
    for found in several:
        rows |= {(r["workload"], r["threads"]): r for r in found["results"]}
    return {**several[-1], "results": list(rows.values())}


if __name__ == "__main__":
    main()
