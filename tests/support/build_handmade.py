"""Build handmade.pyx as a generated module is built: Cython, then the C compiler, into a folder."""
import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
INCLUDE = HERE.parent.parent / "runtime" / "include"


def build(folder: Path, name: str = "handmade_c") -> Path:
    """The shared object's path."""
    source = (HERE / "handmade.pyx").read_text()
    spec = (HERE / "handmade.py").read_text()
    literal = spec[spec.index("_SPEC = {"):spec.index("\n}\n") + 3].replace('"backend": "numpy"', '"backend": "cython"')
    start, stop = source.index("_SPEC = {}"), source.index("\n\ninclude")
    pyx = folder / f"{name}.pyx"
    pyx.write_text(source[:start] + literal + source[stop:])
    subprocess.run([sys.executable, "-m", "cython", "-3", "-I", str(INCLUDE), str(pyx)], check=True)
    shared = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    command = (sysconfig.get_config_var("CC") or "cc").split()[0]
    subprocess.run([command, "-shared", "-fPIC", "-O2", "-w", "-I", sysconfig.get_paths()["include"], "-I", str(INCLUDE),
                    str(pyx.with_suffix(".c")), "-o", str(shared)], check=True)
    return shared


def load(shared: Path) -> ModuleType:
    name = shared.name.split(".")[0]
    spec = importlib.util.spec_from_file_location(name, shared)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module
