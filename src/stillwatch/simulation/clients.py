"""The software that requests come from: what it sends, and what it leaves out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

import numpy as np

from stillwatch.simulation.frame import token

__all__ = ["Client", "Software", "draw_client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One installation of a client.

    Attributes:
        user_agent: As sent.
        tls_fingerprint: JA4 of its TLS library; everyone with the same library shares it.
        access_path: `api`, `app`, `cloud:<name>` or `reseller`.
        endpoint: `chat`, `responses` or `batch`.
        metadata: Request metadata as a JSON object, or None where the client sends none.
        names_conversations: Whether its requests carry a conversation id.
        resends_history: Whether earlier messages travel with every turn.
        caches: Whether it sets a prompt cache key.
    """

    user_agent: str
    tls_fingerprint: str
    access_path: str
    endpoint: str
    metadata: str | None
    names_conversations: bool
    resends_history: bool
    caches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    agents: tuple[str, ...]
    tls: tuple[str, ...]
    access_path: str = "api"
    endpoints: tuple[str, ...] = ("chat",)
    metadata: tuple[dict[str, str], ...] = ()
    names_conversations: bool = False
    resends_history: bool = True
    caches: bool = False


_BROWSERS = tuple(
    f"Mozilla/5.0 ({system}) {engine}/{version}"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 14_5", "X11; Linux")
    for engine, version in (("Chrome", 131), ("Chrome", 132), ("Firefox", 134), ("Safari", 18))
)
_PHONES = tuple(
    f"AsterApp/{version} ({system})"
    for version in ("5.2.1", "5.3.0", "5.3.2")
    for system in ("iOS 18.2", "iOS 17.6", "Android 14", "Android 15")
)
_PYTHON = tuple(
    {"x-sdk-lang": "python", "x-sdk-version": sdk, "x-runtime-version": runtime, "x-os": system}
    for sdk in ("1.51.0", "1.58.1", "1.60.0")
    for runtime in ("3.10.14", "3.11.9", "3.12.7")
    for system in ("Linux", "MacOS")
)
_TLS_PYTHON = ("t13d1812h1_85036bcba153_b26ce05bbdd6", "t13d4312h1_c7886603b240_b26ce05bbdd6")
_TLS_BROWSER = (
    "t13d1516h2_8daaf6152771_02713d6af862",
    "t13d1715h2_5b57614c22b0_7121afd63204",
    "t13d2014h2_a09f3c656075_14788d8d241b",
)
_TLS_NODE = ("t13d5911h1_a33745022dd6_1f22a2ca17c4",)
_TLS_GO = ("t13d1312h2_f57a46bbacb6_ab7e3b40a677",)

_CLOUDS = ("cloud:borealis", "cloud:borealis", "cloud:cumulus")
_THROUGH_A_CLOUD = 0.12


class Software(Enum):
    """Kinds of client."""

    BROWSER = _Family(
        agents=_BROWSERS, tls=_TLS_BROWSER, access_path="app", names_conversations=True
    )
    PHONE = _Family(
        agents=_PHONES,
        tls=("t13d1411h2_2fb9f1d4b3a1_e7c285222651", "t13d1314h2_9d2c1e4f7a60_4b88ce71d0aa"),
        access_path="app",
        names_conversations=True,
    )
    PYTHON_SDK = _Family(
        agents=("aster-python/1.51.0", "aster-python/1.58.1", "aster-python/1.60.0"),
        tls=_TLS_PYTHON,
        endpoints=("chat", "chat", "responses"),
        metadata=_PYTHON,
    )
    NODE_SDK = _Family(
        agents=("aster-node/4.67.1", "aster-node/4.77.0"),
        tls=_TLS_NODE,
        endpoints=("chat", "responses"),
        metadata=(
            {"x-sdk-lang": "js", "x-runtime": "node"},
            {"x-sdk-lang": "js", "x-runtime": "bun"},
        ),
    )
    GO_SERVICE = _Family(agents=("Go-http-client/2.0", "Go-http-client/1.1"), tls=_TLS_GO)
    SHELL = _Family(agents=("curl/8.5.0", "python-requests/2.32.3"), tls=_TLS_PYTHON)
    CODING_AGENT = _Family(
        agents=("driftcode/0.41.2", "driftcode/0.42.0", "hullcli/2.8.1"),
        tls=_TLS_NODE,
        endpoints=("responses",),
        metadata=({"x-app": "cli"},),
        names_conversations=True,
        caches=True,
    )
    EDITOR = _Family(
        agents=("quill-editor/1.94", "quill-editor/1.95"),
        tls=_TLS_NODE,
        metadata=({"x-app": "editor"},),
        names_conversations=True,
    )
    FRAMEWORK = _Family(
        agents=("chainbench/0.3.14", "aster-python/1.58.1"),
        tls=_TLS_PYTHON,
        metadata=({"x-framework": "chainbench"}, {"x-framework": "flowline"}),
        caches=True,
    )
    GATEWAY = _Family(
        agents=("relaygate/1.52", "relaygate/1.55"),
        tls=_TLS_PYTHON,
        metadata=({"x-proxy": "relaygate"},),
    )
    BATCH = _Family(
        agents=("aster-python/1.58.1", "aster-python/1.60.0"),
        tls=_TLS_PYTHON,
        endpoints=("batch",),
        metadata=_PYTHON,
        resends_history=False,
    )


def draw_client(
    rng: np.random.Generator,
    software: Software,
    *,
    path: str | None = None,
    user: str | None = None,
) -> Client:
    """One installation of `software`.

    Args:
        rng: The source of randomness.
        software: Its kind.
        path: The access path; the kind's own, or now and then a cloud's, if absent.
        user: Who uses it, where the client reports that as `user_id`, as a keyed token.
    """
    family: _Family = software.value
    version = int(rng.integers(len(family.agents)))
    metadata: dict[str, str] = {}
    if family.metadata:
        metadata |= family.metadata[int(rng.integers(len(family.metadata)))]
    if user is not None:
        metadata["user_id"] = token("user", user)
    if path is None and family.access_path == "api" and rng.random() < _THROUGH_A_CLOUD:
        path = _CLOUDS[int(rng.integers(len(_CLOUDS)))]
    return Client(
        user_agent=family.agents[version],
        tls_fingerprint=family.tls[version % len(family.tls)],
        access_path=path or family.access_path,
        endpoint=family.endpoints[int(rng.integers(len(family.endpoints)))],
        metadata=json.dumps(metadata, sort_keys=True) if metadata else None,
        names_conversations=family.names_conversations,
        resends_history=family.resends_history,
        caches=family.caches,
    )
