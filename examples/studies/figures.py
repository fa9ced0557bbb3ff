"""What the scripts here end with: a figure in a file, where matplotlib is installed."""

import sys
from pathlib import Path

HERE = Path(__file__).parent


def save(figure, script, folder=None):
    """Write SCRIPT.png into `folder`: without it the one that the command line names, or the working folder."""
    path = Path(folder or (sys.argv[1] if len(sys.argv) > 1 else ".")) / f"{Path(script).stem}.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")
    print(f"figure: {path}")
