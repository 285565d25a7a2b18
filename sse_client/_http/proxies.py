"""Which proxy a request goes through: the one that was given, that of the environment, or none.

Rules of this file: the environment, and on macOS and Windows the system's settings, are
read by the standard library, as every Python program reads them (``urllib.request``).
It is imported when they are first asked for: that takes longer than all of this module.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import unquote, urlsplit

from .url import split_credentials

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """A proxy, with what it is to be told apart from what may be shown; its ``repr()`` shows the latter.

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
    if not _is_usable(url):
        raise ValueError(f"proxy must be a URL such as http://host:port, with one of the schemes {', '.join(_SCHEMES)}")
    parts = urlsplit(url)
    _, authorization = split_credentials(url)
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", authorization, user, password)


def environment_proxy(url: str) -> Optional[Proxy]:
    """Return the proxy that the environment names for a URL, or None.

    Raises:
        ValueError: The environment names one that is none.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - see the rules of this file

    parts = urlsplit(url)
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or proxy_bypass(parts.netloc.rpartition("@")[2]) or _is_in(parts.hostname, proxies.get("no", "")):
        return None
    try:
        # Tools agree that a proxy without a scheme is an HTTP one.
        return check_proxy(named if "://" in named else f"http://{named}")
    except ValueError as error:
        raise ValueError(f"the environment's proxy for {parts.scheme} is not usable: {error}") from None


def _is_in(host: Optional[str], no_proxy: str) -> bool:
    """Whether an address is one of those, or in one of those networks, that ``NO_PROXY`` lists.

    requests and curl know this form, ``10.0.0.0/8`` or ``::1``; the standard library does not.
    """
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if address in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):
                return True
        except ValueError:
            pass  # a name, or nothing
    return False


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
