"""Which addresses are a network's own, and so say nothing of where a client is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.identity.normalise import address_of

__all__ = ["is_of_ours", "nearest_address", "with_nearest_addresses"]

# RFC 1918, 6598, 4193, loopback, link-local; documentation is not ours.
_OURS = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
            *("169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10"),
        ),
    )
)


def is_of_ours(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is one that proxies and load balancers of one's own have."""
    return any(address in network for network in _OURS if network.version == address.version)


def nearest_address(written: str) -> str | None:
    """The last public address of a list as `X-Forwarded-For` has it: the nearest proxy wrote it.

    Those before it are what the client claims, and could be a stranger's.
    """
    found = (address_of(part) for part in reversed(written.split(",")))
    return next((str(address) for address in found if address and not is_of_ours(address)), None)


def with_nearest_addresses(rows: pa.Table) -> pa.Table:
    """The rows with one address where a log has such a list as the client's."""
    name = "client_ip_raw"
    if name not in rows.column_names or not pa.types.is_string(rows[name].type):
        return rows
    if not pc.any(pc.match_substring(rows[name], ",")).as_py():
        return rows
    given = rows[name].to_pylist()
    single = [nearest_address(text) if text and "," in text else text for text in given]
    return rows.set_column(rows.column_names.index(name), name, pa.array(single, pa.string()))
