"""Which proxy a request goes through: the one that was given, that of the environment, or none.

Rules of this file: the environment, and on macOS and Windows the system's settings, are
read by the standard library, as every Python program reads them (``urllib.request``).
"""

from __future__ import annotations

from typing import NamedTuple, Optional
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .urls import split_credentials

__all__: list[str] = []

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


class Proxy(NamedTuple):
    """A proxy, with what it is to be told apart from what may be shown.

    Attributes:
        url: Scheme, host and port, and for SOCKS the credentials.
        authorization: The Basic credential for an HTTP proxy, or None.
        shown: Scheme, host and port.
    """

    url: str
    authorization: Optional[str]
    shown: str

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
    bare, authorization = split_credentials(url)
    host = parts.netloc.rpartition("@")[2]
    socks = parts.scheme.startswith("socks")
    return Proxy(url if socks else bare, None if socks else authorization, f"{parts.scheme}://{host}")


def environment_proxy(url: str) -> Optional[Proxy]:
    """Return the proxy that the environment names for a URL, or None.

    Raises:
        ValueError: The environment names one that is none.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    # ``host:port`` is what proxy_bypass asks for; without a port only suffixes of the host can match.
    if not named or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    try:
        # Tools agree that a proxy without a scheme is an HTTP one.
        return check_proxy(named if "://" in named else f"http://{named}")
    except ValueError as error:
        raise ValueError(f"the environment's proxy for {parts.scheme} is not usable: {error}") from None


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
