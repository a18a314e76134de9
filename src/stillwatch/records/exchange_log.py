"""The exchange log: what a provider hands over, one frozen type a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from stillwatch.records.schema import TIMESTAMP, TableSchema, column, table_schema

__all__ = [
    "ACCOUNTS",
    "CREDENTIALS",
    "EXCHANGES",
    "LOG_TABLES",
    "MODEL_RELEASES",
    "SETTINGS",
    "Account",
    "Credential",
    "Exchange",
    "ModelRelease",
]

_STRING = pa.string()
_INT = pa.int64()
_STRINGS = pa.list_(pa.string())

SETTINGS = pa.struct(
    [
        ("n", pa.int64()),
        ("top_p", pa.float64()),
        ("seed", pa.int64()),
        ("logprobs", pa.int64()),
        ("reasoning_effort", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to a hosted model and what came back."""

    exchange_id: str = column(_STRING, "unique id of the exchange", required=True)
    account_id: str = column(_STRING, "who is billed", required=True)
    started_at: datetime = column(TIMESTAMP, "arrival of the request", required=True)
    source_id: str | None = column(_STRING, "which sender's log")
    credential_id: str | None = column(_STRING, "API key or session, as a keyed token")
    conversation_id: str | None = column(_STRING, "exchanges of one conversation share it")
    turn_index: int | None = column(_INT, "0 for the first turn")
    access_path: str | None = column(_STRING, "api, app, cloud:<name> or reseller")
    model: str | None = column(_STRING, "requested model")
    system_text: str | None = column(_STRING, "system instructions")
    input_text: str | None = column(_STRING, "the new user content of this turn")
    output_text: str | None = column(_STRING, "what the model answered")
    tool_names: list[str] | None = column(_STRINGS, "tools offered")
    input_tokens: int | None = column(_INT, "as billed")
    output_tokens: int | None = column(_INT, "as billed")
    max_output_tokens: int | None = column(_INT, "requested limit")
    temperature: float | None = column(pa.float64(), "as requested")
    client_ip: str | None = column(_STRING, "address or an opaque token")
    client_net_token: str | None = column(_STRING, "token of the address's /24 or /48")
    client_asn: int | None = column(_INT, "autonomous system number of the address")
    client_country: str | None = column(_STRING, "conditions chance agreement; never evidence")
    user_agent: str | None = column(_STRING, "client software")
    tls_fingerprint: str | None = column(_STRING, "JA4")
    client_metadata: str | None = column(_STRING, "free request metadata, a JSON object")
    client_network: str | None = column(_STRING, "residential, mobile, hosting, vpn or relay")
    end_user_token: str | None = column(_STRING, "the customer's own end user, as a keyed token")
    reasoning_signature_issued: str | None = column(
        _STRING, "id of the signed or encrypted reasoning block in this answer"
    )
    reasoning_signatures_presented: list[str] | None = column(
        _STRINGS, "ids of such blocks sent in with this request"
    )
    status: str | None = column(_STRING, "ok, refused, rate_limited, blocked or error")
    finished_at: datetime | None = column(TIMESTAMP, "end of the answer")
    endpoint: str | None = column(_STRING, "chat, responses or batch")
    batch_id: str | None = column(_STRING, "which batch")
    stop_reason: str | None = column(_STRING, "as answered")
    reasoning_tokens: int | None = column(_INT, "as billed")
    settings: dict[str, object] | None = column(
        SETTINGS, "n, top_p, seed, logprobs and reasoning_effort as requested"
    )
    prefill: bool | None = column(pa.bool_(), "the client began the answer")
    cache_key: str | None = column(_STRING, "prompt cache key, as a keyed token")
    prefix_digests: list[str] | None = column(
        _STRINGS, "keyed digests of the earlier messages sent again"
    )
    output_digest: str | None = column(_STRING, "keyed digest of the answer")
    retention: str | None = column(_STRING, "full or no_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is billed, and what they told when they signed up."""

    account_id: str = column(_STRING, "unique id of the account", required=True)
    created_at: datetime | None = column(TIMESTAMP, "sign-up")
    closed_at: datetime | None = column(TIMESTAMP, "closure")
    status: str | None = column(_STRING, "active, banned or closed; banned is history, not truth")
    closed_reason: str | None = column(_STRING, "why it was closed")
    restored_at: datetime | None = column(TIMESTAMP, "a closure taken back")
    quota_tokens_day: int | None = column(_INT, "what the plan allows")
    plan: str | None = column(_STRING, "free, individual, pay_as_you_go, team, enterprise, …")
    organization_id: str | None = column(_STRING, "the organisation that openly owns the account")
    organization_since: datetime | None = column(TIMESTAMP, "since when")
    organization_verified: str | None = column(_STRING, "none, domain, contract or kyc")
    verification: str | None = column(_STRING, "none, edu, startup, research, kyc, …")
    email_domain: str | None = column(_STRING, "in clear where 20 accounts share it, else a token")
    email_token: str | None = column(_STRING, "whole address as a keyed token")
    payment_token: str | None = column(_STRING, "card or bank fingerprint as a keyed token")
    payment_bin: str | None = column(_STRING, "issuer prefix")
    phone_token: str | None = column(_STRING, "keyed token")
    device_token: str | None = column(_STRING, "keyed token")
    signup_ip: str | None = column(_STRING, "address or token at sign-up")
    signup_net_token: str | None = column(_STRING, "token of its /24 or /48")
    signup_asn: int | None = column(_INT, "its autonomous system number")
    country: str | None = column(_STRING, "conditions chance agreement; never evidence")
    billing_country: str | None = column(_STRING, "conditions chance agreement; never evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An API key or session of an account."""

    credential_id: str = column(_STRING, "keyed token of the credential", required=True)
    account_id: str = column(_STRING, "the account it bills", required=True)
    created_at: datetime | None = column(TIMESTAMP, "issue")
    revoked_at: datetime | None = column(TIMESTAMP, "revocation")
    reported_leaked_at: datetime | None = column(TIMESTAMP, "reported as leaked")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRelease:
    """When a model became available."""

    model: str = column(_STRING, "model name as requested", required=True)
    released_at: datetime = column(TIMESTAMP, "release", required=True)


EXCHANGES = table_schema("exchanges", Exchange)
ACCOUNTS = table_schema("accounts", Account)
CREDENTIALS = table_schema("credentials", Credential)
MODEL_RELEASES = table_schema("model_releases", ModelRelease)
LOG_TABLES: tuple[TableSchema, ...] = (EXCHANGES, ACCOUNTS, CREDENTIALS, MODEL_RELEASES)
