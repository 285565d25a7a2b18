"""What this package asks of a URL: is it one, what is its origin, how can it be shown.

Rules of this file: strings in, strings out; nothing is looked up and nothing is sent.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import Optional
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONTROLS_AND_SPACE = frozenset(map(chr, [*range(0x21), 0x7F]))


def check_url(url: str) -> str:
    """Return an absolute ``http`` or ``https`` URL, or say what is wrong with it.

    Raises:
        TypeError: It is not a str.
        ValueError: It is not such a URL. The message shows no more of it than the scheme, or
            host, port and path if it is the scheme that is missing.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be a str or a function that returns one, not {type(url).__name__}")
    if not _CONTROLS_AND_SPACE.isdisjoint(url):
        raise ValueError("url must not contain spaces or control characters: percent-encode them")
    try:
        parts = urlsplit(url)
        port = parts.port
        if "[" in parts.netloc:
            ipaddress.IPv6Address(parts.hostname or "")
    except ValueError as error:
        raise ValueError(f"url is malformed: {_bad_part(error)}{_why_bad(url)}") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"url must start with http:// or https://{_instead_of(url, parts)}")
    if not parts.hostname:
        raise ValueError(f"url must name a host after {parts.scheme}://")
    if ":" not in parts.hostname and re.search("%(?![0-9a-f]{2})", parts.hostname):  # in IPv6, before a zone
        raise ValueError("url is malformed: its host is not valid")
    if port == 0:
        raise ValueError("url must not name port 0")
    return url


def _bad_part(error: ValueError) -> str:
    # urllib.parse quotes parts of the URL in some of its messages; those may be secret.
    return "its port is not a number from 1 to 65535" if "port" in str(error).lower() else "its host is not valid"


def _why_bad(url: str) -> str:
    _, *rest = re.split("[/?#]", url.partition("://")[2], maxsplit=1)
    if "@" not in "".join(rest):
        return ""
    return "; in user and password, percent-encode / as %2F, ? as %3F and # as %23"


def _instead_of(url: str, parts: SplitResult) -> str:
    """Return what to add about a URL whose scheme is another one, or missing."""
    # What is before a colon need not be a scheme: in "user:password@host" it is the user.
    is_scheme = url[len(parts.scheme) :].startswith("://")
    shown = "" if "@" in url and parts.scheme and not is_scheme else f", not with {parts.scheme or 'no scheme'!r}"
    try:
        candidate = urlsplit(check_url(f"http://{url}"))
    except ValueError:
        return shown
    looks_like_a_host = "." in candidate.netloc or candidate.port or candidate.hostname == "localhost"
    if not looks_like_a_host or "@" in candidate.path + candidate.query + candidate.fragment:
        return shown
    return f"{shown}; did you mean {without_secrets(candidate._replace(query='').geturl())}?"


def origin_of(url: str) -> str:
    """Return the origin of a checked URL as the standard writes it: ``"https://example.com:8443"``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host_and_port(parts)}"


def without_secrets(url: str) -> str:
    """Return a checked URL in the form in which it can be shown to anyone.

    User name, password and fragment are gone; a query is there as ``?...`` only.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host_and_port(parts)}{parts.path or '/'}{'?...' if parts.query else ''}"


def split_credentials(url: str) -> tuple[str, Optional[str]]:
    """Return a checked URL without user, password and fragment, and the ``Authorization`` they make.

    The host of the first is in ASCII, as far as Python knows how: urllib3 asks for another
    package to make it so. The second is a Basic credential (RFC 7617) in UTF-8, or None if the URL names no user.
    """
    parts = urlsplit(url)
    user_information, at, host = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=host if host.isascii() else _host_and_port(parts), fragment="").geturl()
    if not at:
        return bare, None
    user, _, password = user_information.partition(":")
    credential = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return bare, "Basic " + base64.b64encode(credential).decode("ascii")


def _host_and_port(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():
        try:
            encoded = host.encode("idna")
            if encoded.decode("idna") == host:  # otherwise the codec, which is of 2003, means another name
                host = encoded.decode("ascii")
        except UnicodeError:
            pass  # not a name that can be looked up; connecting will say so
    port = parts.port
    return host if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f"{host}:{port}"
