"""The recorders' tools are the gateway tests' tools too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
# And those who decide and are appealed to are those of the server's tests.
for name in ("serving", "appeals", "receiver", "dossier"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / name))
