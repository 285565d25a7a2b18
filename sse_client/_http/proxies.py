"""Which proxy a request goes through: the one that was given, that of the environment, or none.

Rules of this file: the environment, and on macOS and Windows the system's settings, are
read by the standard library, as every Python program reads them (``urllib.request``).
It is imported when they are first asked for: that takes longer than all of this module.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Optional, Union

from .url import Url, host_and_port, parse_authority

_MAPPED_PREFIX = 96  # bits: an IPv4 address in IPv6 stands behind ::ffff:0:0/96

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """The address of a proxy, and the login for it, which ``repr()`` does not show.

    Attributes:
        url: Scheme, host and port. May be shown.
        authorization: The Basic credential for an HTTP proxy, or None.
        user: The user for a SOCKS proxy, or None.
        password: The password for a SOCKS proxy, or None.
    """

    url: str
    authorization: Optional[str] = field(repr=False)
    user: Optional[str] = field(repr=False)
    password: Optional[str] = field(repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS rather than HTTP."""
        return self.url.startswith("socks")


def check_proxy(url: Optional[str]) -> Optional[Proxy]:
    """Return a proxy given by the user, or say what is wrong with it without showing it.

    Raises:
        TypeError, ValueError: It is not the URL of a proxy.
    """
    if url is None:
        return None
    if not isinstance(url, str):
        raise TypeError(f"proxy must be a str or None, not {type(url).__name__}")
    scheme, _, rest = url.partition("://")
    try:
        if scheme.lower() not in _SCHEMES:
            raise ValueError("its scheme is another one")
        authority = parse_authority(rest.partition("/")[0])
        if not authority.host or authority.port == 0:
            raise ValueError("it names no host, or port 0")
    except ValueError as error:
        shape = f"a URL such as http://host:port, with one of the schemes {', '.join(_SCHEMES)}"
        raise ValueError(f"proxy must be {shape}: {error}") from None
    shown = f"{scheme.lower()}://{host_and_port(authority.host, authority.port)}"
    login = (authority.user, authority.password)
    user, password = (None if part is None else part.decode(errors="replace") for part in login)
    return Proxy(shown, authority.authorization, user, password)


def environment_proxy(url: Url) -> Optional[Proxy]:
    """Return the proxy that the environment names for a URL, or None.

    Raises:
        ValueError: The environment names one that is none.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - see the rules of this file

    proxies = getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    host = url.host.rstrip(".")
    if not named or proxy_bypass(host_and_port(host, url.port)) or _is_exempt(host, proxies.get("no", "")):
        return None
    try:
        # Tools agree that a proxy without a scheme is an HTTP one.
        return check_proxy(named if "://" in named else f"http://{named}")
    except ValueError as error:
        raise ValueError(f"the environment's proxy for {url.scheme} is not usable: {error}") from None


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Whether a host is one that ``NO_PROXY`` lists in a form that the standard library does not know.

    requests and curl know blocks of addresses (``10.0.0.0/8``, ``::1``), other programs ``*.example.com``; curl
    ignores a dot at the end of a name.
    """
    address = _address(host)
    for entry in no_proxy.lower().split(","):
        name = entry.strip().rstrip(".")
        suffix = name[1:] if name.startswith("*.") else f".{name.lstrip('.')}"
        network = None if address is None else _network(name.strip("[]"))
        if network is not None and address in network:
            return True
        if address is None and name and (host == name or host.endswith(suffix)):
            return True
    return False


def _address(host: str) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> Union[ipaddress.IPv4Network, ipaddress.IPv6Network, None]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None  # a name, or nothing
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= _MAPPED_PREFIX:
        return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX))
    return network
