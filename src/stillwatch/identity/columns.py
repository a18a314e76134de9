"""A table with raw identifiers in; the same table with tokens, and without them, out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.identity.metadata import metadata_with_tokens
from stillwatch.identity.normalise import (
    address_of,
    credential_digest_of,
    email_of,
    issuer_prefix_of,
    network_written_as,
    payment_of,
    phone_of,
)
from stillwatch.identity.tokens import Kind, Tokeniser

__all__ = [
    "CLEAR_IDENTIFIERS",
    "MADE_FROM",
    "RAW_COLUMNS",
    "each_list",
    "each_text",
    "name_exchanges",
    "tokenise",
]

_TEXT = pa.string()
_TEXTS = pa.list_(pa.string())

RAW_COLUMNS: dict[str, pa.DataType] = {
    "credential_raw": _TEXT,
    "credential_sha256": _TEXT,
    "client_ip_raw": _TEXT,
    "signup_ip_raw": _TEXT,
    "email_raw": _TEXT,
    "phone_raw": _TEXT,
    "payment_raw": _TEXT,
    "device_raw": _TEXT,
    "end_user_raw": _TEXT,
    "cache_key_raw": _TEXT,
    "client_metadata_raw": _TEXT,
    "earlier_messages": _TEXTS,
    "reasoning_block_issued_raw": _TEXT,
    "reasoning_blocks_presented_raw": _TEXTS,
}
"""The columns that hold raw identifiers, with their types; none of them outlives `tokenise`."""

MADE_FROM: dict[str, str] = {
    "credential_id": "credential_raw (a key) or credential_sha256 (its SHA-256)",
    "client_ip": "client_ip_raw",
    "client_net_token": "client_ip_raw, which gives the network too",
    "end_user_token": "end_user_raw",
    "cache_key": "cache_key_raw",
    "client_metadata": "client_metadata_raw",
    "reasoning_signature_issued": "reasoning_block_issued_raw",
    "reasoning_signatures_presented": "reasoning_blocks_presented_raw",
    "prefix_digests": "earlier_messages",
    "output_digest": "output_text",
    "email_token": "email_raw",
    "payment_token": "payment_raw",
    "phone_token": "phone_raw",
    "device_token": "device_raw",
    "signup_ip": "signup_ip_raw",
    "signup_net_token": "signup_ip_raw, which gives the network too",
}
"""The columns of tokens and digests that are made here, under the key, and what of."""

CLEAR_IDENTIFIERS: dict[str, str] = {
    "api_key": "credential_raw",
    "card_number": "payment_raw",
    "device_id": "device_raw",
    "email": "email_raw",
    "email_address": "email_raw",
    "end_user": "end_user_raw",
    "ip": "client_ip_raw",
    "ip_address": "client_ip_raw",
    "phone": "phone_raw",
    "phone_number": "phone_raw",
}
"""Names under which people hand over identifiers in clear, and the name that makes tokens."""

_OPAQUE: tuple[tuple[str, str, Kind], ...] = (
    ("device_raw", "device_token", Kind.DEVICE),
    ("end_user_raw", "end_user_token", Kind.END_USER),
    ("cache_key_raw", "cache_key", Kind.CACHE_KEY),
    ("reasoning_block_issued_raw", "reasoning_signature_issued", Kind.REASONING_BLOCK),
)


def tokenise(table: pa.Table, tokeniser: Tokeniser) -> pa.Table:
    """`table` with every raw identifier replaced by its token.

    Tokens the table brings are kept as they are. Addresses in clear in `client_ip`,
    `signup_ip` and their network columns become tokens; opaque ones are kept.
    """
    columns = {name: table[name] for name in table.column_names}
    _fill(columns, "credential_id", _credentials(columns, tokeniser))
    for raw, target, kind in _OPAQUE:
        if raw in columns:
            _fill_from(columns, target, columns[raw], _opaque(tokeniser, kind))
    _tokenise_origin(columns, "client_ip", "client_net_token", tokeniser)
    _tokenise_origin(columns, "signup_ip", "signup_net_token", tokeniser)
    _tokenise_person(columns, tokeniser)
    _tokenise_content(columns, tokeniser)
    return pa.table({n: c for n, c in columns.items() if n not in RAW_COLUMNS})


def name_exchanges(
    table: pa.Table, tokeniser: Tokeniser, *, raw: pa.Table, log_format: str
) -> pa.Table:
    """Give an id to each exchange without one: the token of format, account, start and digests.

    The same row read twice thus gets the same id, also where the key was rotated in between: the
    digests in it are always those of the first secret.

    Args:
        table: The output of `tokenise`.
        tokeniser: That of `table`.
        raw: What `table` was made from, row for row.
        log_format: The format's name.
    """
    ids = table["exchange_id"]
    nameless = pc.or_kleene(pc.is_null(ids), pc.equal(ids, ""))
    if not pc.any(nameless).as_py():
        return table
    parts = ["account_id", "started_at", "system_text", "input_text", "output_digest"]
    rows = table.select([*parts, "prefix_digests"]).filter(nameless).to_pylist()
    if tokeniser.origin is not tokeniser:
        first = tokenise(raw.filter(nameless), tokeniser.origin)
        digests = first.select(["output_digest", "prefix_digests"]).to_pylist()
        rows = [row | digest for row, digest in zip(rows, digests, strict=True)]
    names = iter(tokeniser.exchange([log_format, *_spoken(row)]) for row in rows)
    filled = [
        next(names) if missing else known
        for missing, known in zip(nameless.to_pylist(), ids.to_pylist(), strict=True)
    ]
    where = table.column_names.index("exchange_id")
    return table.set_column(where, "exchange_id", pa.array(filled, _TEXT))


def _spoken(row: dict[str, Any]) -> list[str]:
    digests = row.pop("prefix_digests") or []
    started = row.pop("started_at")
    values = [str(value) if value is not None else "" for value in row.values()]
    return [started.isoformat(), *values, *digests]


def _credentials(columns: dict[str, Any], tokeniser: Tokeniser) -> pa.ChunkedArray | None:
    """A secret goes before the digest that stands beside it."""

    def of_secret(raw: str) -> str | None:
        return token_of(credential_digest_of(secret=raw, sha256=None))

    def of_digest(raw: str) -> str | None:
        return token_of(credential_digest_of(secret=None, sha256=raw))

    def token_of(digest: str | None) -> str | None:
        return digest and remembered(digest)

    remembered = tokeniser.remembering(
        Kind.CREDENTIAL, lambda digest: tokeniser.token(Kind.CREDENTIAL, digest)
    )
    ways = (("credential_raw", of_secret), ("credential_sha256", of_digest))
    found = [each_text(columns[name], convert) for name, convert in ways if name in columns]
    return pc.coalesce(*found) if found else None


def _opaque(tokeniser: Tokeniser, kind: Kind) -> Callable[[str], str | None]:
    """Tokens of one kind; those of identifiers that come again and again are made once."""

    def token(raw: str) -> str | None:
        return tokeniser.token(kind, raw.strip()) if raw.strip() else None

    return token if kind is Kind.REASONING_BLOCK else tokeniser.remembering(kind, token)


def _tokenise_origin(columns: dict[str, Any], ip: str, network: str, tokeniser: Tokeniser) -> None:
    """Tokens for the address, from its raw column or where it stands in clear."""

    def of_address(raw: str) -> str | None:
        found = address_of(raw)
        return tokeniser.address(found).address if found else None

    def of_network(raw: str) -> str | None:
        found = network_written_as(raw)
        return tokeniser.network(found) if found else None

    address_token = tokeniser.remembering(Kind.ADDRESS, of_address)
    network_token = tokeniser.remembering(Kind.NETWORK, of_network)
    if network in columns:
        clear = each_text(columns[network], network_token)
        columns[network] = pc.coalesce(clear, columns[network])
    for source in (f"{ip}_raw", ip):
        if source in columns:
            _fill_from(columns, network, columns[source], network_token)
    if ip in columns:
        columns[ip] = pc.coalesce(each_text(columns[ip], address_token), columns[ip])
    if f"{ip}_raw" in columns:
        _fill_from(columns, ip, columns[f"{ip}_raw"], address_token)


def _tokenise_person(columns: dict[str, Any], tokeniser: Tokeniser) -> None:
    """E-mail with and without its tag, phone and payment.

    `email_domain` stays in clear here: only a whole import knows how many share it.
    """
    if "email_raw" in columns:
        emails = columns["email_raw"]

        def part(attribute: str) -> Callable[[str], str | None]:
            return lambda raw: getattr(email_of(raw), attribute, None)

        def mail(attribute: str) -> pa.ChunkedArray:
            return each_text(each_text(emails, part(attribute)), _opaque(tokeniser, Kind.EMAIL))

        _fill(columns, "email_token", mail("address"))
        _fill(columns, "email_base_token", mail("base"))
        _fill(columns, "email_domain", each_text(emails, part("domain")))
    if "payment_raw" in columns:
        payments = each_text(columns["payment_raw"], payment_of)
        _fill(columns, "payment_token", each_text(payments, _opaque(tokeniser, Kind.PAYMENT)))
        _fill(columns, "payment_bin", each_text(columns["payment_raw"], issuer_prefix_of))
    if "phone_raw" in columns:
        raws = columns["phone_raw"].to_pylist()
        countries = columns["country"].to_pylist() if "country" in columns else [None] * len(raws)
        numbers = [
            phone_of(raw, country=country) if raw else None
            for raw, country in zip(raws, countries, strict=True)
        ]
        tokens = [n and tokeniser.token(Kind.PHONE, n) for n in numbers]
        _fill(columns, "phone_token", pa.array(tokens, _TEXT))


def _tokenise_content(columns: dict[str, Any], tokeniser: Tokeniser) -> None:
    """Digests of answers and of earlier messages, reasoning blocks, and free metadata."""
    if "output_text" in columns:
        _fill_from(columns, "output_digest", columns["output_text"], tokeniser.message)
    if "earlier_messages" in columns:
        earlier = columns["earlier_messages"]
        _fill_from(columns, "prefix_digests", earlier, tokeniser.message, each=each_list)
    if "reasoning_blocks_presented_raw" in columns:
        blocks = columns["reasoning_blocks_presented_raw"]
        tokens = each_list(blocks, lambda raw: tokeniser.token(Kind.REASONING_BLOCK, raw.strip()))
        _fill(columns, "reasoning_signatures_presented", tokens)
    if "client_metadata_raw" in columns:

        def metadata(raw: str) -> str | None:
            try:
                value = json.loads(raw)
            except (ValueError, RecursionError):
                return None
            return metadata_with_tokens(value, tokeniser) if isinstance(value, dict) else None

        _fill_from(columns, "client_metadata", columns["client_metadata_raw"], metadata)


def _fill(columns: dict[str, Any], target: str, found: Any) -> None:
    """Put `found` where `target` says nothing yet."""
    if found is None:
        return
    known = columns.get(target)
    columns[target] = found if known is None else pc.coalesce(known, found)


def _fill_from(
    columns: dict[str, Any],
    target: str,
    values: Any,
    convert: Callable[[str], Any],
    *,
    each: Callable[[Any, Callable[[str], Any]], pa.ChunkedArray] | None = None,
) -> None:
    """`_fill` with `convert` of the values, which is not computed where `target` says something."""
    each = each or each_text
    known = columns.get(target)
    if known is not None and not pa.types.is_null(known.type):
        wanted = pc.and_(pc.is_null(known), pc.is_valid(values))
        if not pc.any(wanted).as_py():
            return
        # Arrow chooses no lists: rows of null are taken instead.
        values = values.take(pc.if_else(wanted, pa.array(range(len(wanted)), pa.int64()), None))
    _fill(columns, target, each(values, convert))


def each_text(values: Any, convert: Callable[[str], str | None]) -> pa.ChunkedArray:
    """`convert` once for each distinct text, so that a column of one address costs one HMAC."""
    encoded = pc.dictionary_encode(values.cast(_TEXT))
    chunks = []
    for chunk in encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]:
        new = pa.array([convert(text) for text in chunk.dictionary.to_pylist()], _TEXT)
        chunks.append(new.take(chunk.indices))
    return pa.chunked_array(chunks, _TEXT)


def each_list(values: Any, convert: Callable[[str], str]) -> pa.ChunkedArray:
    """`convert` for each text of each list."""
    lists = [
        None if texts is None else [convert(text) for text in texts if text is not None]
        for texts in values.to_pylist()
    ]
    return pa.chunked_array([pa.array(lists, _TEXTS)])
