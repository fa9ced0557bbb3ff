"""How the face of a module (model.py and its parts) gets into compiled modules.

As text, for every Python: include/gradwright/face.h, which is in the repository and written by

    python -m gradwright.runtime.face

And as bytecode of the Python that builds the module, since compiling the text takes longer than all else in an import: the
build puts `code_header()` on the C compiler's path, under the name HEADER. A module built without it has the text alone.

A compiled module runs the files one after the other in one namespace, so what they import of one another is left out.
"""
import marshal
from importlib.util import MAGIC_NUMBER
from pathlib import Path

HERE = Path(__file__).parent
PARTS = ("arguments", "named", "handed", "engine", "points", "model")       # each needs only those before it
FACE = HERE / "include" / "gradwright" / "face.h"
HEADER = "gradwright_face.h"
_PLAIN = frozenset(range(32, 127)) - frozenset(b'"\\?')


def source(part: str) -> str:
    """A file of the face as it stands in compiled modules, each line in its place. Found without Python's ast, which threads that
    build modules side by side cannot use at once (in 3.11 one of them may get a SystemError)."""
    lines = (HERE / f"{part}.py").read_text(encoding="utf-8").splitlines(keepends=True)
    inside = False
    for k, line in enumerate(lines):
        if inside or line.startswith("from ."):
            inside = ")" not in line if inside else line.rstrip().endswith("(")
            lines[k] = "\n"
    return "".join(lines)


def text() -> str:
    """What face.h must hold."""
    files = ", ".join(f'"{_name(part)}"' for part in PARTS)
    lines = [[_literal(line) for line in source(part).encode().splitlines(keepends=True)] for part in PARTS]
    texts = ",\n    ".join("\n    ".join(part) for part in lines)
    return ("/* runtime/model.py and its parts as text; made by python -m gradwright.runtime.face */\n"
            f"static const char *const gwm_face_files[] = {{{files}}};\n"
            f"static const char *const gwm_face_texts[] = {{\n    {texts}}};\n")


def code_header() -> str:
    """The bytecode of the files as a C header, the same bytes each time."""
    codes = tuple([compile(source(part), _name(part), "exec", dont_inherit=True, optimize=0) for part in PARTS])
    data = marshal.dumps(codes, 2)      # version 2 counts no references
    lines = "\n    ".join(_literal(data[at:at + 512]) for at in range(0, len(data), 512))
    return (f"#define GWM_FACE_MAGIC {int.from_bytes(MAGIC_NUMBER, 'little')}\n#define GWM_FACE_LENGTH {len(data)}\n"
            f"static const char gwm_face_code[] =\n    {lines};\n")


def _name(part: str) -> str:
    return f"gradwright/runtime/{part}.py"      # in tracebacks


_SPELLED = [chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in range(256)]
_SPELLED[10], _SPELLED[34], _SPELLED[92] = "\\n", '\\"', "\\\\"


def _literal(data: bytes) -> str:
    return '"' + "".join(map(_SPELLED.__getitem__, data)) + '"'


if __name__ == "__main__":
    FACE.write_text(text(), encoding="ascii")
