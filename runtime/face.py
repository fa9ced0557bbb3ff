"""How model.py gets into compiled modules.

As text, for every Python: include/gradwright/face.h, which is in the repository and written by

    python -m gradwright.runtime.face

And as bytecode of the Python that builds the module, since compiling the text takes longer than all else in an import: the
build puts `code_header()` on the C compiler's path, under the name HEADER. A module built without it has the text alone.
"""
import marshal
from importlib.util import MAGIC_NUMBER
from pathlib import Path

HERE = Path(__file__).parent
FACE = HERE / "include" / "gradwright" / "face.h"
HEADER = "gradwright_face.h"
_NAME = "gradwright/runtime/model.py"      # in tracebacks
_PLAIN = frozenset(range(32, 127)) - frozenset(b'"\\?')


def source() -> str:
    return (HERE / "model.py").read_text(encoding="utf-8")


def text() -> str:
    """What face.h must hold."""
    lines = "\n    ".join(_literal(line) for line in source().encode().splitlines(keepends=True))
    return ("/* runtime/model.py as text; made by python -m gradwright.runtime.face */\n"
            f"static const char gwm_face_text[] =\n    {lines};\n")


def code_header() -> str:
    """The bytecode of model.py as a C header, the same bytes each time."""
    data = marshal.dumps(compile(source(), _NAME, "exec", dont_inherit=True, optimize=0), 2)   # version 2 counts no references
    lines = "\n    ".join(_literal(data[at:at + 512]) for at in range(0, len(data), 512))
    return (f"#define GWM_FACE_MAGIC {int.from_bytes(MAGIC_NUMBER, 'little')}\n#define GWM_FACE_LENGTH {len(data)}\n"
            f"static const char gwm_face_code[] =\n    {lines};\n")


_SPELLED = [chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in range(256)]
_SPELLED[10], _SPELLED[34], _SPELLED[92] = "\\n", '\\"', "\\\\"


def _literal(data: bytes) -> str:
    return '"' + "".join(map(_SPELLED.__getitem__, data)) + '"'


if __name__ == "__main__":
    FACE.write_text(text(), encoding="ascii")
