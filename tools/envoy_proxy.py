"""A real Envoy with TLS in front of a service, which logs as `docs/sources/envoy.md` says."""

from __future__ import annotations

import datetime
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway_environment import ROOT, make_environment

__all__ = ["Envoy", "envoy_proxy"]

_PAGE = ROOT / "docs" / "sources" / "envoy.md"
_STARTING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy.

    Attributes:
        port: Where it takes TLS on the loopback address.
        access_log: What it logs, one JSON object a line.
        certificate: The one that it shows, for `localhost`; nobody else vouches for it.
    """

    port: int
    access_log: Path
    certificate: Path

    @contextmanager
    def connected(self, origin: str) -> Iterator[ssl.SSLSocket]:
        """A client's connection with TLS.

        Args:
            origin: The client's address, told by a header of the PROXY protocol. It stands for
                the connection of a client from elsewhere, which no test can make.
        """
        context = ssl.create_default_context(cafile=self.certificate)
        with socket.create_connection(("127.0.0.1", self.port)) as plain:
            plain.sendall(f"PROXY TCP4 {origin} 127.0.0.1 40000 443\r\n".encode())
            with context.wrap_socket(plain, server_hostname="localhost") as stream:
                yield stream


@contextmanager
def envoy_proxy(folder: Path, *, service_port: int, answer_seconds: int = 15) -> Iterator[Envoy]:
    """Envoy in front of a service on the loopback address; it stops, and its log is whole, after.

    Args:
        answer_seconds: How long the service may take to answer; Envoy's own default is 15.
    """
    binary = make_environment("envoy").with_name("envoy")
    _certificate(folder)
    envoy = Envoy(_free_port(), folder / "access.jsonl", folder / "cert.pem")
    config = folder / "envoy.json"
    config.write_text(json.dumps(_config(folder, envoy, service_port, answer_seconds)))
    command = [str(binary), "-c", str(config), "--concurrency", "1", "--disable-hot-restart"]
    with (folder / "envoy.log").open("wb") as words:
        process = subprocess.Popen(
            [*command, "--log-level", "warning"], stdout=words, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(envoy.port, process)
            yield envoy
        finally:
            process.terminate()
            process.wait(_STARTING_SECONDS)


def _config(folder: Path, envoy: Envoy, service_port: int, answer_seconds: int) -> dict[str, Any]:
    fields = re.search(r"json_format:\n((?: +\w+: .*\n)+)", _PAGE.read_text(encoding="utf-8"))
    assert fields is not None, "the page shows no json_format"
    json_format = dict(re.findall(r"^ *(\w+): \"?(%.*%)\"?$", fields[1], re.MULTILINE))
    manager = {
        "@type": _type("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "ingress",
        "use_remote_address": True,
        "access_log": [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": _type("access_loggers.file.v3.FileAccessLog"),
                    "path": str(envoy.access_log),
                    "log_format": {"json_format": json_format},
                },
            }
        ],
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _type("filters.http.router.v3.Router")},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "route": {
                                "cluster": "service",
                                "timeout": f"{answer_seconds}s",
                                "retry_policy": {"retry_on": "5xx"},
                            },
                        }
                    ],
                }
            ]
        },
    }
    listener = {
        "name": "ingress",
        "address": _address(envoy.port),
        "listener_filters": [
            {
                "name": "envoy.filters.listener.proxy_protocol",
                "typed_config": {
                    "@type": _type("filters.listener.proxy_protocol.v3.ProxyProtocol"),
                    "allow_requests_without_proxy_protocol": True,
                },
            },
            {
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {
                    "@type": _type("filters.listener.tls_inspector.v3.TlsInspector"),
                    "enable_ja4_fingerprinting": True,
                },
            },
        ],
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ],
                "transport_socket": {
                    "name": "envoy.transport_sockets.tls",
                    "typed_config": {
                        "@type": _type("transport_sockets.tls.v3.DownstreamTlsContext"),
                        "common_tls_context": {
                            "alpn_protocols": ["h2", "http/1.1"],
                            "tls_certificates": [
                                {
                                    "certificate_chain": {"filename": str(folder / "cert.pem")},
                                    "private_key": {"filename": str(folder / "key.pem")},
                                }
                            ],
                        },
                    },
                },
            }
        ],
    }
    cluster = {
        "name": "service",
        "type": "STATIC",
        # Not from 127.0.0.1: services take what a proxy on their own machine says for true.
        "upstream_bind_config": {"source_address": {"address": "127.0.0.2", "port_value": 0}},
        "load_assignment": {
            "cluster_name": "service",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(service_port)}}]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _type(name: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{name}"


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _certificate(folder: Path) -> None:
    """A key and a certificate for `localhost`, of one day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(secret)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("Envoy did not start; see envoy.log.")
