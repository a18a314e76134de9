"""A real Envoy in front of the stand-in, which asks stillwatch about every request."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from gateway_environment import make_environment

__all__ = ["envoy", "free_port", "running", "wait_for_port"]

_STARTING_SECONDS = 60
_LOGGED = {
    "start_time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
    "world_time": "%REQ(X-WORLD-TIME)%",
    "world_exchange": "%REQ(X-WORLD-EXCHANGE)%",
    "response_code": "%RESPONSE_CODE%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "duration": "%DURATION%",
}
_LARGEST_BODY = 64 * 1024
"""Enough for a system text, from which the shape of a request is seen; of the rest Envoy sends
nothing, and the request goes on whole."""


@contextmanager
def envoy(folder: Path, *, model_port: int, decisions_port: int) -> Iterator[tuple[int, Path]]:
    """Envoy's port on the loopback address, and its access log; it stops after.

    Args:
        model_port: The stand-in's.
        decisions_port: That of `envoy.service.auth.v3`, gRPC.
    """
    binary = make_environment("envoy").with_name("envoy")
    port, log = free_port(), folder / "envoy-access.jsonl"
    config = folder / "envoy.json"
    config.write_text(json.dumps(_config(port, log, model_port, decisions_port), indent=1))
    command = [str(binary), "-c", str(config), "--concurrency", "1", "--disable-hot-restart"]
    with running([*command, "--log-level", "warning"], folder / "envoy.log") as process:
        wait_for_port(port, process)
        yield port, log


@contextmanager
def running(command: list[str], words: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose words go to a file, and which is stopped after."""
    with words.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STARTING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once somebody listens.

    Raises:
        RuntimeError: The process ended, or took longer than a minute.
    """
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}; see its log.")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _config(port: int, log: Path, model_port: int, decisions_port: int) -> dict[str, Any]:
    authorisation = {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": _type("filters.http.ext_authz.v3.ExtAuthz"),
            "transport_api_version": "V3",
            "failure_mode_allow": True,
            "with_request_body": {
                "max_request_bytes": _LARGEST_BODY,
                "allow_partial_message": True,
            },
            "grpc_service": {"envoy_grpc": {"cluster_name": "stillwatch"}, "timeout": "2s"},
        },
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": _type("filters.http.router.v3.Router")},
    }
    manager = {
        "@type": _type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "ingress",
        "access_log": [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": _type("access_loggers.file.v3.FileAccessLog"),
                    "path": str(log),
                    "log_format": {"json_format": _LOGGED},
                },
            }
        ],
        "http_filters": [authorisation, router],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "model"}}],
                }
            ]
        },
    }
    listener = {
        "name": "ingress",
        "address": _address(port),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }
    return {
        "static_resources": {
            "listeners": [listener],
            "clusters": [
                _cluster("model", model_port),
                _cluster("stillwatch", decisions_port, is_grpc=True),
            ],
        }
    }


def _cluster(name: str, port: int, *, is_grpc: bool = False) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if is_grpc:
        options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return cluster


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _type(name: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{name}"
