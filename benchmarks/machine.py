"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from .workers import versions

_FLAGS = ("avx2", "fma", "avx512f", "avx512dq", "avx512vl", "avx512_bf16", "asimd", "sve")
_PACKAGES = ("numpy", "torch", "jax", "jaxlib", "numba", "onnxruntime", "casadi", "sympy", "cython")


def machine() -> dict[str, Any]:
    """The processor with its vector units and caches, the system, the compiler, and the versions of the peers."""
    from gradwright.compiler.build.peak import caches
    from gradwright.compiler.build.toolchain import toolchain

    model, flags = "", set[str]()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and not model:
                model = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
    compiler = subprocess.run([*toolchain().command, "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "processor": model or platform.processor() or platform.machine(),
        "vector units": [flag for flag in _FLAGS if flag in flags],
        "caches": caches(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "compiler": compiler.splitlines()[0] if compiler else toolchain().command[0],
        "versions": versions(_PACKAGES),
        "revision": _revision(),
    }


def _revision() -> str:
    """Of this repository, with a + where it was changed."""
    root = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        revision = git("rev-parse", "--short", "HEAD")
        return revision + ("+" if revision and git("status", "--porcelain", "--untracked-files=no") else "")
    except OSError:
        return ""


def words(about: dict[str, Any]) -> str:
    """In one sentence."""
    kinds = [name for name, _ in (("AVX-512", "avx512f"), ("AVX2", "avx2"), ("NEON", "asimd")) if _ in about["vector units"]]
    found = [f"{name} {about['versions'][key]}" for name, key in
             (("NumPy", "numpy"), ("PyTorch", "torch"), ("JAX", "jax"), ("numba", "numba"), ("ONNX Runtime", "onnxruntime"),
              ("CasADi", "casadi"), ("SymPy", "sympy")) if key in about["versions"]]  # fmt: skip
    with_vectors = f" with {kinds[0]}" if kinds else ""
    held = ", ".join(f"{size // 1024} KiB {level}" for level, size in about["caches"].items())
    return (f"{about['processors']} processors of an {about['processor']}{with_vectors} ({held}), "
            f"{about['compiler']}, Python {about['python']}, {', '.join(found)}")  # fmt: skip


if __name__ == "__main__":
    print(words(machine()))
