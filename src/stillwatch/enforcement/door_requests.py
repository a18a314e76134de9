"""What gateways ask over HTTP, read into `Asked`: one function a door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stillwatch.enforcement.asking import Asked
from stillwatch.enforcement.possible import POSSIBLE, Adapter
from stillwatch.listening.requests import RefusedError, Scope
from stillwatch.records.actions import Step

__all__ = [
    "ENVOY_PREFIX",
    "TOKEN_HEADER",
    "asked_in_json",
    "asked_of_envoy",
    "asked_of_subrequest",
]

ENVOY_PREFIX = "/envoy"
"""Envoy's `path_prefix`; what follows is the path that the client asked for."""
TOKEN_HEADER = "x-stillwatch-token"  # noqa: S105 - a name
"""The gateway's own token, where `Authorization` is the client's."""

_TEXTS = ("method", "path", "peer_address", "credential_sha256", "account_id")
_MORE_TEXTS = ("conversation_id", "model", "system_text")
_KNOWN = frozenset({*_TEXTS, *_MORE_TEXTS, "headers", "metadata", "tool_names", "possible"})
# Under which gateways tell what the client asked for; the first there is counts.
_ORIGINAL_PATHS = ("x-original-uri", "x-forwarded-uri")
_ORIGINAL_METHODS = ("x-original-method", "x-forwarded-method")


def asked_of_envoy(scope: Scope, headers: Mapping[str, str]) -> Asked:
    """A request of Envoy's `ext_authz` over HTTP: the client's own, with our prefix before its path."""
    path = scope["path"].removeprefix(ENVOY_PREFIX) or "/"
    return _asked(headers, scope["method"], path)


def asked_of_subrequest(scope: Scope, headers: Mapping[str, str]) -> Asked:
    """A subrequest of nginx's `auth_request` or Caddy's `forward_auth`."""
    method = _first(headers, _ORIGINAL_METHODS) or scope["method"]
    return _asked(headers, method, _first(headers, _ORIGINAL_PATHS) or "/")


def asked_in_json(given: Mapping[str, Any]) -> tuple[Asked, frozenset[Step]]:
    """What `/v1/decide` is told, and what its gateway can do.

    Args:
        given: The fields of `Asked`; `possible` names steps. Without it a gateway can do whatever can
            be done before the answer is there.

    Raises:
        RefusedError: A field is unknown, or is not what it must be.
    """
    unknown = sorted(set(given) - _KNOWN)
    if unknown:
        raise RefusedError(400, f"There is no field {unknown[0][:40]!r} here.")
    texts = {name: _text(given, name) for name in (*_TEXTS, *_MORE_TEXTS)}
    metadata = given.get("metadata", {})
    if not isinstance(metadata, dict):
        raise RefusedError(400, "metadata is an object.")
    asked = Asked(
        headers={name.lower(): value for name, value in _headers(given).items()},
        method=texts.pop("method") or "POST",
        path=texts.pop("path") or "/",
        metadata=metadata,
        tool_names=tuple(_list(given, "tool_names")),
        **texts,
    )
    return asked, _possible(given)


def _asked(headers: Mapping[str, str], method: str, path: str) -> Asked:
    # The gateway wrote the last hop; what is further left counts as the settings say.
    said, _, peer = headers.get("x-forwarded-for", "").rpartition(",")
    mine = {n: v for n, v in headers.items() if n not in (TOKEN_HEADER, "x-forwarded-for")}
    if said:
        mine["x-forwarded-for"] = said
    return Asked(headers=mine, method=method, path=path, peer_address=peer.strip() or None)


def _possible(given: Mapping[str, Any]) -> frozenset[Step]:
    if "possible" not in given:
        return POSSIBLE[Adapter.DECIDE] - {Step.WITHHOLD}
    try:
        return frozenset(map(Step, _list(given, "possible"))) | {Step.OBSERVE}
    except ValueError as error:
        steps = ", ".join(step.value for step in Step)
        raise RefusedError(400, f"possible holds steps: {steps}.") from error


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((headers[name] for name in names if headers.get(name)), None)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise RefusedError(400, f"{name} is a text.")
    return value


def _list(given: Mapping[str, Any], name: str) -> list[str]:
    value = given.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RefusedError(400, f"{name} is a list of texts.")
    return value


def _headers(given: Mapping[str, Any]) -> dict[str, str]:
    value = given.get("headers") or {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise RefusedError(400, "headers is an object of texts.")
    return value
