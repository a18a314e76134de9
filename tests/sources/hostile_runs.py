"""Imports the files of a seed, looks at them in every other way, and says what went wrong.

`python tests/sources/hostile_runs.py SEED FOLDER` plays one seed again and leaves its files; with
no words it is a worker that is given seeds on standard input, and answers each with a line.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner
from hostile_files import Case, hostile_case
from hostile_values import hits, planted

from stillwatch.cli.main import run
from stillwatch.identity import Key, Tokeniser
from stillwatch.lake.store import Lake
from stillwatch.records import InputError
from stillwatch.sources.adapter import ImportRequest, load_adapter
from stillwatch.sources.detection import detect_format
from stillwatch.sources.kept_tables import KeptTables
from stillwatch.sources.memory import process_bytes
from stillwatch.sources.pipeline import input_files, take_in

__all__ = ["play", "serve"]

# What docs/privacy.md says stays as the source gave it. In every other column an identifier is a leak.
_AS_GIVEN = frozenset(
    [
        "account_id",
        "batch_id",
        "client_country",
        "conversation_id",
        "exchange_id",
        "input_text",
        "model",
        "output_text",
        "request_id",
        "settings",
        "stop_reason",
        "system_text",
        "tls_fingerprint",
        "tool_names",
        "user_agent",
    ]
)
_KEY = "07" * 32
# A seed takes a tenth of a second, and the first one compiles.
CPU_SECONDS = 120
_SHARE_OF_COMMANDS = 1 / 8
_ADAPTER_RAISED = "the rest of the file cannot be read ("
_DETECTION_RAISED = "it cannot be read ("


class _Play:
    """One seed: what was done with its files, and what went wrong."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.draw = random.Random(-seed - 1)
        self.folder, self.lake = folder, folder / "lake"
        self.wrong: list[str] = []
        self.rows = [0, 0]
        self.case = hostile_case(seed)
        self.fills = {"account_id": "somebody"} if self.draw.random() < 0.7 else {}
        self.is_quiet = "map" not in self.case.notes  # names of a map are shown to its owner
        (folder / "key").write_text(_KEY)
        (folder / "key").chmod(0o600)

    def all(self) -> None:
        """Read the files as an import does; of one seed in eight, import them with the command."""
        self._write()
        if self.draw.random() < _SHARE_OF_COMMANDS:
            self._commands()
        else:
            self._read()

    def _read(self) -> None:
        """All that happens to a log before it is written into the lake."""
        kept = KeptTables()
        map_file = self.folder / "map.toml" if self.case.map_text is not None else None
        try:
            paths = input_files([self.folder / "in"])
            detected = detect_format(paths)
            intake = take_in(
                paths,
                adapter=load_adapter(self.case.log_format, ImportRequest(tuple(paths), map_file)),
                tokeniser=Tokeniser(Key(bytes.fromhex(_KEY))),
                fills=self.fills,
                now=datetime.now(UTC),
                destination=kept,
            )
        except InputError as error:
            self._look_at_words("the error", str(error))
            return
        set_aside = sum(rows.num_rows for name, rows in kept.tables if name == "quarantine")
        given = sum(rows.num_rows for _, rows in kept.tables) - set_aside
        self.rows = [given, set_aside]
        if (intake.read, intake.quarantined) != (given + set_aside, set_aside):
            self.wrong.append(f"miscount: {intake.read} read, {given} given, {set_aside} set aside")
        told = [intake.first_reason, *intake.remarks, *intake.emptied, *intake.dropped]
        self._look_at_words("the report", " | ".join(told))
        self._look_at_words("--detect", " | ".join(c.explain() for c in detected))
        for name, rows in kept.tables:
            self._look_at_rows(name, rows)

    def _commands(self) -> None:
        """Import, and a part of everything else that reads a log."""
        if self._import(self.folder / "in") is None:
            return
        self._look_at_the_lake()
        if self.draw.random() < 0.3:
            self._import_again()
        if self.draw.random() < 0.3:
            self._command("import", "--detect", self.folder / "in", "--json")
        if self.draw.random() < 0.5:
            name = self.draw.choice(sorted(self.case.files))
            row = str(self.draw.choice((1, 2, 3, 7)))
            words = ["import", "--explain", row, self.folder / "in" / name, *self._options()]
            self._command(*words, *self.draw.choice(((), ("--json",))))
        if self.draw.random() < 0.7:
            self._mend()
        if self.draw.random() < 0.05:
            self._keys()

    def _write(self) -> None:
        for name, data in self.case.files.items():
            path = self.folder / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if self.case.map_text is not None:
            (self.folder / "map.toml").write_bytes(self.case.map_text)

    def _options(self) -> list[str | Path]:
        words: list[str | Path] = ["--format", self.case.log_format]
        words += ["--key-file", self.folder / "key"]
        return (
            [*words, "--map", self.folder / "map.toml"] if self.case.map_text is not None else words
        )

    def _import(self, path: Path, *more: str) -> dict[str, Any] | None:
        words = ["import", path, "--lake", self.lake, *self._options(), *more, "--json"]
        words += [f"--set={name}={value}" for name, value in self.fills.items()]
        said = self._command(*words)
        if not said:
            return None
        report: dict[str, Any] = json.loads(said)
        if report["read"] != report["imported"] + report["duplicates"] + report["quarantined"]:
            self.wrong.append(f"miscount: {said[:200]}")
        self.rows[0] += report["imported"]
        self.rows[1] += report["quarantined"]
        return report

    def _import_again(self) -> None:
        before = self._exchanges()
        self._import(self.folder / "in")
        if self._exchanges() != before and self.case.log_format != "envoy":
            self.wrong.append(f"the same again: {before} and then {self._exchanges()} exchanges")

    def _exchanges(self) -> int:
        files = (
            Lake.open(self.lake).files("exchanges")
            if (self.lake / "manifest.json").exists()
            else ()
        )
        return sum(pq.ParquetFile(path).metadata.num_rows for path in files)

    def _mend(self) -> None:
        if not (self.lake / "manifest.json").exists():
            return
        self._command(
            "quarantine", "show", "--lake", self.lake, *self.draw.choice(((), ("--json",)))
        )
        out = self.folder / "out"
        self._command("quarantine", "export", "--lake", self.lake, "--out", out)
        exported = out / self.case.log_format
        if not exported.is_dir():
            return
        for path in exported.iterdir():
            if hits(path.name):
                self.wrong.append(f"leak in the name of an exported file: {path.name!r}")
        if any(p.is_file() and not p.name.startswith(".") for p in exported.iterdir()):
            self._import(exported, "--mended")
            self._look_at_the_lake()

    def _keys(self) -> None:
        """A file that may be a key, or what a person mistakes for one."""
        made = self.draw.randbytes(32).hex()
        text: bytes = self.draw.choice(
            (made.encode(), made[:63].encode(), (made + "\n").encode() * 3, made.encode("utf-16"),
             b"\xef\xbb\xbf" + made.encode(), b"", b"\0" * 70_000, made.encode() * 2_000,
             self.draw.randbytes(40), planted(self.draw).encode("utf-8", "surrogatepass"),
             f"{made}\n{planted(self.draw)}".encode(), b"MDA=" * 11, b"=" * 44, "٣".encode() * 64)
        )  # fmt: skip
        (self.folder / "other").write_bytes(text)
        target = self.folder / "kept" / "key"
        said = self._command("keys", "import", self.folder / "other", "--key-file", target)
        if made in said:
            self.wrong.append("keys import showed the key")

    def _command(self, *words: str | Path) -> str:
        """Run a command; its output must be clean. Returns standard output."""
        name = " ".join(str(w) for w in words[:2] if not isinstance(w, Path))
        result = CliRunner().invoke(run, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            trace = "".join(traceback.format_exception(*(result.exc_info or ())))
            self.wrong.append(f"crash in {name}: {trace[-1500:]}")
        elif result.exit_code not in (0, 2):
            self.wrong.append(f"status {result.exit_code} of {name}: {result.stderr[-500:]}")
        elif (
            result.exit_code == 2
            and "Error." not in result.stderr
            and "Usage:" not in result.stderr
        ):
            self.wrong.append(f"no message of {name}: {result.stderr[-500:]}")
        self._look_at_words(name, result.stdout + result.stderr)
        return result.stdout

    def _look_at_words(self, name: str, said: str) -> None:
        if self.is_quiet and (found := hits(said)):
            at = min(said.lower().index(part) for part in found)
            self.wrong.append(f"leak in the words of {name}: {said[max(0, at - 150) : at + 60]!r}")
        for mark in (_ADAPTER_RAISED, _DETECTION_RAISED):
            if mark in said:
                at = said.index(mark)
                self.wrong.append(f"an adapter raised: {said[at : at + 80]}")

    def _look_at_the_lake(self) -> None:
        if not (self.lake / "manifest.json").exists():
            return
        if self.draw.random() < 0.3:
            self._command("lake", "check", "--lake", self.lake)
        for path in self.lake.rglob("*"):
            if hits(path.name):
                self.wrong.append(f"leak in the name {path.name!r}")
        lake = Lake.open(self.lake)
        if self.is_quiet and hits((self.lake / "manifest.json").read_text()):
            self.wrong.append("leak in the manifest")
        for name in sorted({path.parts[len(self.lake.parts)] for path in lake_files(self.lake)}):
            for path in lake.files(name):
                if name != "sketches":
                    self._look_at_rows(name, pq.read_table(path))

    def _look_at_rows(self, table: str, rows: pa.Table) -> None:
        canonical = self.case.log_format == "canonical"
        for column in rows.column_names:
            # A canonical log is taken at its word, column by column; only raw ones become tokens.
            as_given = column in _AS_GIVEN or (canonical and table != "quarantine")
            texts = [column, *(() if as_given else _texts(rows[column].to_pylist()))]
            for text in texts:
                if self.is_quiet and hits(text):
                    self.wrong.append(f"leak in the lake: {table}.{column}: {text[:200]!r}")
                    break
            if table == "quarantine" and column == "reason":
                raised = [t for t in rows[column].to_pylist() if _ADAPTER_RAISED in t]
                self.wrong += [f"an adapter raised: {text}" for text in raised[:1]]


def lake_files(lake: Path) -> Iterator[Path]:
    """Every Parquet file below a lake."""
    return (path for path in lake.rglob("*.parquet") if path.is_file())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for inner in (*value, *value.values()):
            yield from _texts(inner)


def play(seed: int, folder: Path) -> dict[str, Any]:
    """What became of a seed: format, rows imported and quarantined, and what was wrong."""
    round_ = _Play(seed, folder)
    try:
        round_.all()
    except Exception:  # a mistake of the fuzzer's own is a finding, too
        round_.wrong.append(f"the round itself: {traceback.format_exc()[-1500:]}")
    case: Case = round_.case
    return {
        "seed": seed,
        "form": f"{case.log_format} {case.form}",
        "notes": case.notes,
        "rows": round_.rows,
        "wrong": list(dict.fromkeys(round_.wrong)),
        "peak_kb": (process_bytes("VmHWM") or 0) // 1024,
    }


def serve() -> None:
    """Play the seeds that come, one a line, and answer each."""
    faulthandler.enable()
    faulthandler.register(signal.SIGXCPU, chain=True)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        try:
            answers.write(json.dumps(play(int(line), folder)) + "\n")
            answers.flush()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        Path(sys.argv[2]).mkdir(parents=True)
        print(json.dumps(play(int(sys.argv[1]), Path(sys.argv[2])), indent=1).replace("\\n", "\n"))
    else:
        serve()
