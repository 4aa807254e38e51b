"""Which addresses may be reached in the name of a caller: those of the public Internet alone.

A function's own network has more than the Internet: loopback, metadata services, neighbours. An
address counts as public when no registry of special purposes lists it, see
https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry.
Whatever carries an IPv4 address inside an IPv6 one is refused whole: nobody serves files there.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure's platform address, which answers from within its networks
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    for network in (
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48"),
        *("3fff::/20", "3ffe::/16", "5f00::/16"),
    )
)


def is_public(address: str) -> bool:
    """Say whether an address, as a resolver writes it, is one of the public Internet."""
    try:
        found = ip_address(address)
    except ValueError:
        return False  # a zone (fe80::1%eth0) or no address
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_4)
    if found.scope_id or found not in _PUBLIC_6:
        return False
    return not any(found in network for network in _NOT_PUBLIC_6)
