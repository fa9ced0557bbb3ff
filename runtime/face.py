"""Write include/gradwright/face.pxi: the text of model.py as a string that compiled modules carry.

    python -m gradwright.runtime.face
"""
from pathlib import Path

HERE = Path(__file__).parent
FACE = HERE / "include" / "gradwright" / "face.pxi"


def text() -> str:
    """What face.pxi must hold."""
    model = (HERE / "model.py").read_text(encoding="utf-8")
    if "'''" in model or "\r" in model:
        raise ValueError("model.py must not contain ''' or carriage returns: it becomes a raw string")
    return f"# runtime/model.py as text; made by python -m gradwright.runtime.face\ncdef str _FACE = r'''{model}'''\n"


if __name__ == "__main__":
    FACE.write_text(text(), encoding="utf-8")
