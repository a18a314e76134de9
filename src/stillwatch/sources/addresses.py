"""Which addresses are a network's own, and so say nothing of where a client is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

__all__ = ["is_of_ours"]

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
