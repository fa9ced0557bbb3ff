"""How model.py gets into compiled modules.

As text, for every Python: include/gradwright/face.pxi, which is in the repository and written by

    python -m gradwright.runtime.face

And as bytecode of the Python that builds the module, since compiling the text takes longer than all else in an import: the
build puts `code_header()` beside the module's C file, under the name HEADER. A module built without it has the text alone.
"""
import marshal
from importlib.util import MAGIC_NUMBER
from pathlib import Path

HERE = Path(__file__).parent
FACE = HERE / "include" / "gradwright" / "face.pxi"
HEADER = "gradwright_face.h"
_NAME = "gradwright/runtime/model.py"      # in tracebacks


def text() -> str:
    """What face.pxi must hold."""
    model = (HERE / "model.py").read_text(encoding="utf-8")
    if "'''" in model or "\r" in model:
        raise ValueError("model.py must not contain ''' or carriage returns: it becomes a raw string")
    return f"# runtime/model.py as text; made by python -m gradwright.runtime.face\ncdef str _FACE = r'''{model}'''\n"


def code_header() -> str:
    """The bytecode of model.py as a C header, the same bytes each time."""
    source = text().partition("r'''")[2].removesuffix("'''\n")
    data = marshal.dumps(compile(source, _NAME, "exec", dont_inherit=True, optimize=0), 2)   # version 2 does not count references
    lines = [_literal(data[at:at + 512]) for at in range(0, len(data), 512)]
    return (f"#define GWM_FACE_MAGIC {_literal(MAGIC_NUMBER)}\n#define GWM_FACE_LENGTH {len(data)}\n"
            "static const char gwm_face_code[] =\n    " + "\n    ".join(lines) + ";\n")


def _literal(data: bytes) -> str:
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data) + '"'


if __name__ == "__main__":
    FACE.write_text(text(), encoding="utf-8")
