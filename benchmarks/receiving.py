"""`stillwatch receive` under a stream, beside appending the same bytes to a file and flushing it.

    benchmarks/receiving.py WORLD [--seconds N] [--batches N...] [--folder DIR]

Each size of batch has its own receiver and lake. Senders send as fast as they are answered, on four
connections, from this machine: what they cost is taken from the receiver. The figures are printed
as they come, with the processors' time and the load, and returned to `run.py`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from commands import stillwatch
from gateway_logs import write_json_lines
from measured import Measurement

__all__ = ["measure_receiving"]

# Exchanges of one request, and how many a second were promised.
_TARGETS = {500: 10_000, 50: 2_000, 1: 200}
_CONNECTIONS = 4
_PLACE = b"@@@@@@@@"
_FOLD_SECONDS = 15
_BASELINE = "appending the bodies to a file, flushed each time"


@dataclass(slots=True)
class Sent:
    """What one connection sent, and how long each answer took."""

    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to. Processor's seconds are those of both processes."""

    rows: int
    seconds: float
    p50: float
    p99: float
    cpu_seconds: float
    peak_bytes: int
    files: int
    stop_seconds: float


def measure_receiving(
    world: Path, folder: Path, *, seconds: float, batches: Sequence[int] = tuple(_TARGETS)
) -> Iterator[Measurement]:
    """Rate, slowest hundredth of the answers, memory and files, for each size of batch."""
    key = folder / "receiving-key"
    stillwatch("keys", "init", "--key-file", key)
    for batch in batches:
        target = _TARGETS[batch]
        body = _body(world, folder, batch)
        found = _run(body, batch, folder / f"lake-received-{batch}", key, seconds)
        plain_rate, plain_p99 = _appended(body, batch, folder / "appended")
        print(f"  batches of {batch}: {found}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        name = f"receive batches of {batch:,}"
        rate = found.rows / found.seconds
        yield Measurement(name, rate, "exchanges/s", _BASELINE, plain_rate, f"{target:,}")
        yield Measurement(f"{name}, p99", found.p99 * 1e3, "ms", _BASELINE, plain_p99 * 1e3)
        yield Measurement(
            f"{name}, peak memory",
            found.peak_bytes / 1e9,
            "GB",
            "an interpreter that has loaded Arrow",
            _bare_memory() / 1e9,
        )


def _body(world: Path, folder: Path, batch: int) -> bytes:
    """Lines of the world as if they were sent now; ids have a place for the request's number."""
    path = folder / "received.jsonl"
    write_json_lines(world, path, batch)
    now = datetime.now(UTC).isoformat()
    lines = []
    for number, line in enumerate(path.read_text().splitlines()):
        row = json.loads(line)
        row |= {"exchange_id": f"{_PLACE.decode()}-{number}", "started_at": now}
        row.pop("finished_at", None)
        lines.append(json.dumps(row))
    path.unlink()
    return ("\n".join(lines) + "\n").encode()


def _run(body: bytes, batch: int, lake: Path, key: Path, seconds: float) -> Figures:
    words = lake.with_suffix(".words")
    command = [sys.executable, "-m", "stillwatch", "receive", "--listen", "127.0.0.1:0"]
    command += ["--lake", str(lake), "--key-file", str(key), "--fold-seconds", str(_FOLD_SECONDS)]
    with words.open("wb") as file:
        process = subprocess.Popen(command, stderr=file)
    port = _port(words, process)
    until = time.monotonic() + seconds
    sent = [Sent() for _ in range(_CONNECTIONS)]
    threads = [
        threading.Thread(target=_send, args=(port, body, number, until, sent[number]))
        for number in range(_CONNECTIONS)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    peak = _tree_peak(process.pid)
    stopping = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the receiver ended with {status}: {words.read_text()}")
    every = sorted(second for one in sent for second in one.seconds)
    rows = len(every) * batch
    stored = sum(
        part["rows"]
        for part in json.loads((lake / "manifest.json").read_text())["tables"]["exchanges"]
    )
    if stored != rows:
        raise SystemExit(f"{rows} exchanges were acknowledged, and {stored} are in the lake")
    return Figures(
        rows,
        took,
        every[len(every) // 2],
        every[int(len(every) * 0.99)],
        usage.ru_utime + usage.ru_stime,
        peak,
        sum(path.suffix == ".parquet" for path in lake.rglob("*")),
        time.monotonic() - stopping,
    )


def _send(port: int, body: bytes, number: int, until: float, sent: Sent) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    request = 0
    while time.monotonic() < until:
        place = f"{number}{request:07}".encode()
        began = time.perf_counter()
        connection.request(
            "POST",
            "/v1/exchanges",
            body.replace(_PLACE, place),
            {"content-type": "application/x-ndjson"},
        )
        answer = connection.getresponse()
        answer.read()
        if answer.status == 429:
            time.sleep(0.1)
            continue
        if answer.status != 200:
            raise SystemExit(f"the receiver answered {answer.status}")
        sent.seconds.append(time.perf_counter() - began)
        request += 1


def _appended(body: bytes, batch: int, path: Path) -> tuple[float, float]:
    """Exchanges a second of the plain program, and its slowest hundredth."""
    seconds = []
    with path.open("wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(body)
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    path.unlink()
    return batch * len(seconds) / sum(seconds), sorted(seconds)[int(len(seconds) * 0.99)]


def _port(words: Path, process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        if found := re.search(r":(\d+) into", words.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(f"the receiver does not start: {words.read_text()}")


def _tree_peak(pid: int) -> int:
    """The most that the process and its children held, added up: never less than at one time."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(_peak(p) for p in (pid, *map(int, children)))


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not say how much memory a process had")


def _bare_memory() -> int:
    code = "import pyarrow; print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(re.search(r"VmHWM:\s+(\d+)", done.stdout)[1]) * 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure receiving.")
    parser.add_argument("world", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--batches", type=int, nargs="*", default=list(_TARGETS))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print(f"load average: {os.getloadavg()}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for found in measure_receiving(
            options.world, folder, seconds=options.seconds, batches=options.batches
        ):
            print(f"{found.name}: {found.value:.4g} {found.unit}")
    print(f"load average: {os.getloadavg()}", file=sys.stderr)


if __name__ == "__main__":
    main()
