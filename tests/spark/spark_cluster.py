"""A standalone cluster of Apache Spark on the loopback interface: a master and some workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Cluster"]

_LONG_ENOUGH = 90.0  # seconds for a daemon to come up on a busy machine

ZONE = "Asia/Kathmandu"
"""Where the daemons believe to be: 5:45 from UTC, so that no day of theirs is one of ours."""


CORES = 2
"""How many cores, each of another worker, an application of the tests gets."""


class Cluster:
    """Started with `Cluster(folder, workers)`, ended with `stop`; each worker has one core."""

    def __init__(self, folder: Path, workers: int) -> None:
        import pyspark

        self._home = os.path.dirname(pyspark.__file__)
        self._folder = folder
        self._port = _free_port()
        self.url = f"spark://127.0.0.1:{self._port}"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True)
        self._daemons.append(
            self._start(
                "master",
                "org.apache.spark.deploy.master.Master",
                *("--host", "127.0.0.1", "--port", self._port, "--webui-port", _free_port()),
            )
        )
        self._wait_for("master", "I have been elected leader")
        for _ in range(workers):
            self._start_worker()
        self._wait_for_workers()

    def add_worker(self) -> None:
        """One more worker, ready to work."""
        self._start_worker()
        self._wait_for_workers()

    def busy_worker(self) -> subprocess.Popen[bytes]:
        """A worker that lives and has an executor."""
        return next(w for w in self.workers if w.poll() is None and _children(w.pid))

    def _wait_for_workers(self) -> None:
        for number in range(1, len(self.workers) + 1):
            self._wait_for(f"worker{number}", "Successfully registered")

    def _start_worker(self) -> None:
        name = f"worker{len(self.workers) + 1}"
        worker = self._start(
            name,
            "org.apache.spark.deploy.worker.Worker",
            *("--host", "127.0.0.1", "--cores", 1, "--memory", "1500m"),
            *("--work-dir", self._folder / name, "--webui-port", _free_port(), self.url),
        )
        self.workers.append(worker)

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker with its executor as a power cut would."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def stop(self) -> None:
        """End what still runs, and wait for it."""
        for daemon in [*self.workers, *self._daemons]:
            if daemon.poll() is None:
                self.kill(daemon)

    def _start(self, name: str, what: str, *arguments: object) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "SPARK_HOME": self._home,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_NO_DAEMONIZE": "1",
            "PYSPARK_PYTHON": sys.executable,
            "TZ": ZONE,
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [f"{self._home}/bin/spark-class", what, *(str(a) for a in arguments)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def _wait_for(self, name: str, words: str) -> None:
        log = self._folder / f"{name}.log"
        ends = time.monotonic() + _LONG_ENOUGH
        while words not in (text := log.read_text(errors="replace")):
            if time.monotonic() > ends:
                raise TimeoutError(f"{name} did not come up:\n{text[-2000:]}")
            time.sleep(0.2)


def _children(pid: int) -> list[int]:
    """What the threads of a process have started and what still lives of it."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _listed(task)]


def _listed(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
