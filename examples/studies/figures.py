"""What the scripts here end with: a figure in a file, where matplotlib is installed."""

import sys
from pathlib import Path

HERE = Path(__file__).parent


def save(figure, script):
    """Write SCRIPT.png into the working folder, or the folder that the command line names."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / f"{Path(script).stem}.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")
    print(f"figure: {path}")
