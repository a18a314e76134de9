"""Network evidence without an account: what a proxy saw of a request that has an id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from stillwatch.identity.normalise import address_of
from stillwatch.records import LOG_TABLES, TIMESTAMP, TableSchema
from stillwatch.records.schema import column, table_schema
from stillwatch.sources.call_events import CALL_EVENTS
from stillwatch.sources.values import identifier

__all__ = ["IMPORTED_TABLES", "NETWORK", "NetworkRow", "request_id_of"]

# No `@` and no space: a client may have written a person's name or address.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:/=+~-]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRow:
    """One request as a proxy saw it; the lake gives it to the exchange of the same id."""

    request_id: str = column(pa.string(), "the proxy's id of the request", required=True)
    started_at: datetime = column(TIMESTAMP, "arrival at the proxy", required=True)
    network_log: str = column(pa.string(), "whose log it is: `envoy`", required=True)
    finished_at: datetime | None = column(TIMESTAMP, "last byte of the answer")
    client_ip: str | None = column(pa.string(), "address, as a token")
    client_net_token: str | None = column(pa.string(), "token of its /24 or /48")
    public_address: bool | None = column(pa.bool_(), "whether the address is no proxy of one's own")
    tls_fingerprint: str | None = column(pa.string(), "JA4")
    user_agent: str | None = column(pa.string(), "client software")
    status_code: int | None = column(pa.int64(), "of HTTP")
    bytes_received: int | None = column(pa.int64(), "of the request's body")
    bytes_sent: int | None = column(pa.int64(), "of the answer's body")


NETWORK: TableSchema = table_schema("network", NetworkRow)

IMPORTED_TABLES: tuple[TableSchema, ...] = (*LOG_TABLES, NETWORK, CALL_EVENTS)
"""Every table whose rows an adapter may yield."""


def request_id_of(value: object) -> str | None:
    """The id by which a proxy's log and another know a request, or None if this can be none."""
    found = identifier(value)
    if found is None or not _REQUEST_ID.fullmatch(found) or address_of(found) is not None:
        return None
    return found
