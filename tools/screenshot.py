"""Take the README's picture: the top of a dossier in headless Chromium.

python tools/screenshot.py demo/findings/dossier/ID.html docs/images/dossier.png
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "dossier"))
from chromium import chromium  # type: ignore[import-not-found,unused-ignore]


def main(page_file: Path, picture: Path, *, width: int = 1280, height: int = 1130) -> None:
    """Open the page at this width, light, and keep its first screen."""
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as page:
        page.show(page_file, width=width)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 0.75}
        shot = page.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
