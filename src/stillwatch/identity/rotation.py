"""Tokens of a key become those of the same key after its rotation, without the identifiers."""

from __future__ import annotations

import json
import re
from functools import partial

import pyarrow as pa

from stillwatch.identity.columns import each_list, each_text
from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = ["TOKEN_COLUMNS", "with_newer_tokens"]

TOKEN_COLUMNS: dict[str, Kind] = {
    "exchange_id": Kind.EXCHANGE,
    "credential_id": Kind.CREDENTIAL,
    "client_ip": Kind.ADDRESS,
    "client_net_token": Kind.NETWORK,
    "client_metadata": Kind.METADATA,
    "end_user_token": Kind.END_USER,
    "reasoning_signature_issued": Kind.REASONING_BLOCK,
    "reasoning_signatures_presented": Kind.REASONING_BLOCK,
    "cache_key": Kind.CACHE_KEY,
    "prefix_digests": Kind.MESSAGE,
    "output_digest": Kind.MESSAGE,
    "email_domain": Kind.EMAIL_DOMAIN,
    "email_token": Kind.EMAIL,
    "email_base_token": Kind.EMAIL,
    "payment_token": Kind.PAYMENT,
    "phone_token": Kind.PHONE,
    "device_token": Kind.DEVICE,
    "signup_ip": Kind.ADDRESS,
    "signup_net_token": Kind.NETWORK,
}
"""Every column that may hold a token of ours, in whatever table, and the kind of it."""

_DIGEST = r"([0-9a-f]{32})"
_FORM = {kind: re.compile(f"{kind.value}_{_DIGEST}") for kind in Kind}
_ADDRESS_FORM = re.compile(rf"{Kind.NETWORK.value}_{_DIGEST}\.{_DIGEST}")


def with_newer_tokens(table: pa.Table, newer: Tokeniser) -> pa.Table:
    """`table` with each token of ours in `TOKEN_COLUMNS` carried over to the newer key.

    Values that are no tokens by their form stay: what a source brought, and what is in clear.

    Args:
        table: Rows of any table of a lake.
        newer: The tokeniser of the secrets that came since, and of those alone.
    """
    for where, column in enumerate(table.schema):
        kind = TOKEN_COLUMNS.get(column.name)
        if kind is None or pa.types.is_null(column.type):
            continue
        each = each_list if pa.types.is_list(column.type) else each_text
        values = each(table[column.name], partial(_newer, kind, newer))
        table = table.set_column(where, column, values.cast(column.type))
    return table


def _newer(kind: Kind, newer: Tokeniser, value: str) -> str:
    if kind is Kind.METADATA:
        return _newer_metadata(value, newer)
    if kind is Kind.ADDRESS:
        found = _ADDRESS_FORM.fullmatch(value)
        if found is None:
            return value
        host = newer.token(Kind.ADDRESS, found[2]).removeprefix(f"{Kind.ADDRESS.value}_")
        return f"{newer.token(Kind.NETWORK, found[1])}.{host}"
    found = _FORM[kind].fullmatch(value)
    return newer.token(kind, found[1]) if found else value


def _newer_metadata(text: str, newer: Tokeniser) -> str:
    """The object with its values, and the parts of its keys, carried over; the keys in order."""

    def carried(part: object) -> object:
        found = _FORM[Kind.METADATA].fullmatch(part) if isinstance(part, str) else None
        return newer.token(Kind.METADATA, found[1]) if found else part

    if not _FORM[Kind.METADATA].search(text):
        return text
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(entries, dict):
        return text
    new = {".".join(str(carried(p)) for p in k.split(".")): carried(v) for k, v in entries.items()}
    return json.dumps(new, sort_keys=True)
