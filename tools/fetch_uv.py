"""Put uv into a folder of the project, with nothing but Python and a package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main(folder: Path) -> int:
    """Try a virtual environment first, then pip alone: some systems ship only one of them."""
    for attempt in (_by_virtual_environment, _by_pip_target):
        if attempt(folder) and (folder / "bin" / "uv").exists():
            return 0
    print(
        "uv could not be installed: this Python has neither venv nor pip. "
        "Install one of them (on Debian: python3-venv) and run make again.",
        file=sys.stderr,
    )
    return 1


def _run(*command: str) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _by_virtual_environment(folder: Path) -> bool:
    return _run(sys.executable, "-m", "venv", str(folder)) and _run(
        str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"
    )


def _by_pip_target(folder: Path) -> bool:
    return _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "uv")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
