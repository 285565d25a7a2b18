r"""`Url`: an http(s) address, parsed once, which prints without its secrets.

Everything that looks at an address (the connection, the proxy rules, cookies, origins, logs and errors) looks at the
same parsed parts. What URL parsers read as different hosts is refused:

- ``http://good.example\@evil.example/``: browsers end the host at a backslash, RFC 3986 does not.
- ``http://a@b@host/``: the user ends at the first @ or at the last.
- ``http://127%2e0%2e0%2e1/``: some parsers decode the host.
- ``http://127.1/``, ``http://0x7f.0.0.1/``: 127.0.0.1 to inet_aton, names to strict parsers.
- Digits, letters and dots in other Unicode forms (full-width ones, for example): IDNA maps them to ASCII.
- ``http://straße.example/``: one name in IDNA 2003, another in IDNA 2008.
- ``http://[fe80::1%25eth0]/``: the zone is ``25eth0`` or ``eth0``.

Rules of this file: values and functions of values; nothing is looked up and nothing is sent.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import NoReturn, Optional
from urllib.parse import quote, unquote_to_bytes, urljoin

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_HOST_NAME = 253
_CONTROLS_AND_SPACE = frozenset(map(chr, [*range(0x21), 0x7F]))
_CUTTING = frozenset("\\?#")
_NOT_IN_USER = frozenset("@[]")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
# None of these can backtrack: each character fits one place only.
_LABEL = re.compile("[a-z0-9_-]{1,63}")
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")
_IPV4_PART = re.compile("0|[1-9][0-9]{0,2}")
_PORT = re.compile("[0-9]{1,5}")
_SCHEME = re.compile("[a-z][a-z0-9+.-]*", re.IGNORECASE)

_CUT_HINT = "; in user and password, percent-encode / as %2F, ? as %3F and # as %23"


@dataclass(frozen=True)
class Authority:
    """What stands between ``//`` and the path.

    Attributes:
        user: User name, decoded, or None if there is no user information.
        password: Password, decoded, or None if there is no colon after the user.
        host: In lower case and ASCII; an IPv6 address without brackets and in its shortest form.
        port: The port, or None if none is named.
    """

    user: Optional[bytes] = field(repr=False)
    password: Optional[bytes] = field(repr=False)
    host: str
    port: Optional[int]

    @property
    def authorization(self) -> Optional[str]:
        """The Basic credential (RFC 7617) of user and password, or None without a user."""
        if self.user is None:
            return None
        return "Basic " + base64.b64encode(self.user + b":" + (self.password or b"")).decode("ascii")


class Url:
    """An absolute http or https URL.

    ``str()``, ``repr()`` and every format show scheme, host, port and path, and ``?...`` for a query: user, password,
    query and fragment are secret. It cannot be pickled. Immutable, hashable, equal if it asks for the same.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: In lower case and ASCII; an IPv6 address without brackets.
        port: The port, the scheme's own where the URL names none.
        origin: As the standard writes it: ``"https://example.com:8443"``.
        target: What to send in a request line: path and query, in ASCII. May hold secrets.
        authorization: The value of an ``Authorization`` header made of user and password, or None.
    """

    __slots__ = ("scheme", "host", "port", "origin", "target", "authorization")

    scheme: str
    host: str
    port: int
    origin: str
    target: str
    authorization: Optional[str]

    def __init__(self, scheme: str, authority: Authority, path: str, query: str) -> None:
        host, port = authority.host, authority.port
        default = _DEFAULT_PORTS[scheme]
        values = {
            "scheme": scheme,
            "host": host,
            "port": port or default,
            "origin": f"{scheme}://{host_and_port(host, None if port == default else port)}",
            "target": quote(f"{path or '/'}{'?' if query else ''}{query}", safe=_PRINTABLE),
            "authorization": authority.authorization,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def parse(cls, text: str) -> Url:
        """Return the parsed URL, or say what is wrong with the text.

        Raises:
            TypeError: The text is not a str.
            ValueError: It is not an absolute http or https URL that every program reads alike. The message shows no
                more of it than the scheme, or host, port and path if only the scheme is missing.
        """
        if not isinstance(text, str):
            raise TypeError(f"url must be a str or a function that returns one, not {type(text).__name__}")
        _refuse_controls(text)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("url must be encodable as UTF-8, without lone surrogates") from None
        scheme, separator, rest = text.partition("://")
        if scheme.lower() not in _DEFAULT_PORTS or not separator:
            raise ValueError(f"url must start with http:// or https://{_instead_of(text)}")
        named, path, query = _split(rest)
        if "\\" in path:
            raise ValueError("url must not contain a backslash before its query: percent-encode it as %5C")
        try:
            authority = parse_authority(named)
        except ValueError as error:
            hint = _CUT_HINT if "@" in rest[len(named) :] else ""
            raise ValueError(f"url is malformed: {error}{hint}") from None
        if not authority.host:
            raise ValueError(f"url must name a host after {scheme.lower()}://")
        if authority.port == 0:
            raise ValueError("url must not name port 0")
        return cls(scheme.lower(), authority, path, query)

    def join(self, location: str) -> Url:
        """Return the URL that a reference, absolute or relative to this one, leads to (RFC 3986, section 5).

        Raises:
            ValueError: As `parse`, and for a reference that parsers resolve differently.
        """
        _refuse_controls(location)  # urljoin() may drop them
        if _has_scheme(location):
            return Url.parse(location)
        if location.startswith("//"):
            return Url.parse(f"{self.scheme}:{location}")
        joined = Url.parse(urljoin(self.address, location))
        if joined.origin != self.origin:
            raise ValueError("url is a reference that programs read in different ways")
        return joined

    @property
    def address(self) -> str:
        """The absolute URL to send, without user, password and fragment. May hold secrets in its query."""
        return self.origin + self.target

    def __str__(self) -> str:
        path, question_mark, _ = self.target.partition("?")
        return f"{self.origin}{path}{question_mark and '?...'}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __format__(self, specification: str) -> str:
        return format(str(self), specification)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Url cannot be changed: {name}")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Url cannot be pickled or copied, since it may hold a password: use str() of it")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Url):
            return NotImplemented
        return (self.address, self.authorization) == (other.address, other.authorization)

    def __hash__(self) -> int:
        return hash((self.address, self.authorization))


@dataclass(frozen=True)
class OriginPattern:
    """An origin, or all below a name: ``https://example.com``, ``https://*.example.com:8443``.

    Attributes:
        url: The origin, or what stands below the star.
        is_wildcard: Whether it had a star.
    """

    url: Url
    is_wildcard: bool

    @classmethod
    def parse(cls, text: str) -> OriginPattern:
        """Return the pattern. Raises ValueError, with the text, if it is none."""
        is_wildcard = text.startswith("https://*.")
        try:
            url = Url.parse(text.replace("*.", "", 1) if is_wildcard else text)
        except ValueError as error:
            raise ValueError(f"trusted_origins: {error}") from None
        if url.target != "/" or url.authorization is not None or text.endswith(("#", "?")):
            raise ValueError(f"trusted_origins must hold origins, without login, path and query, not {url}")
        if is_wildcard and "." not in url.host.rstrip("."):
            raise ValueError(f"trusted_origins must not hold all hosts of a top-level domain: {text!r}")
        return cls(url, is_wildcard)

    def matches(self, url: Url) -> bool:
        """Whether the URL is of this origin, or of one of these."""
        if not self.is_wildcard:
            return url.origin == self.url.origin
        is_below = url.host.endswith(f".{self.url.host}")
        return is_below and (url.scheme, url.port) == (self.url.scheme, self.url.port)


def parse_authority(text: str) -> Authority:
    """Return the parts of an authority: ``user:password@host:port``.

    Raises:
        ValueError: It is malformed, or parsers may read it differently. The message quotes nothing of it.
    """
    if not _CUTTING.isdisjoint(text):
        raise ValueError("it contains \\, ? or # before its path: percent-encode them as %5C, %3F and %23")
    user_information, at, host_port = text.rpartition("@")
    if not _NOT_IN_USER.isdisjoint(user_information):
        raise ValueError("its user or password contains @, [ or ]: percent-encode them as %40, %5B and %5D")
    user, colon, password = user_information.partition(":")
    if host_port.startswith("["):
        literal, bracket, after = host_port[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise ValueError("its host is not valid")
        host, port = _ipv6(literal), after[1:]
    else:
        name, _, port = host_port.partition(":")
        host = _host(name)
    if port and not (_PORT.fullmatch(port) and int(port) <= 65535):
        raise ValueError("its port is not a number from 1 to 65535")
    return Authority(
        unquote_to_bytes(user) if at else None,
        unquote_to_bytes(password) if colon else None,
        host,
        int(port) if port else None,
    )


def host_and_port(host: str, port: Optional[int]) -> str:
    """Return host and port as a URL writes them: IPv6 addresses in brackets, no colon without a port."""
    written = f"[{host}]" if ":" in host else host
    return written if port is None else f"{written}:{port}"


def _refuse_controls(text: str) -> None:
    if not _CONTROLS_AND_SPACE.isdisjoint(text):
        raise ValueError("url must not contain spaces or control characters: percent-encode them")


def _split(rest: str) -> tuple[str, str, str]:
    """Return authority, path and query of what follows ``://``."""
    before_fragment = rest.partition("#")[0]
    before_query, _, query = before_fragment.partition("?")
    authority, slash, path = before_query.partition("/")
    return authority, slash + path, query


def _host(name: str) -> str:
    if not name:
        return ""
    if not name.isascii():
        name = _idna(name)
    name = name.lower()
    labels = name.split(".")
    if labels[-1] == "" and len(labels) > 1:  # one dot at the end: the name is not to be searched for
        labels.pop()
    if len(name) > _MAX_HOST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("its host is not valid")
    # As browsers decide it: what ends in a number is an IPv4 address or nothing.
    if _NUMBER.fullmatch(labels[-1]) and not _is_ipv4(name):
        raise ValueError("its host is an IPv4 address that is not written as four numbers from 0 to 255")
    return name


def is_address(host: str) -> bool:
    """Whether a parsed host is an IP address, and not a name."""
    return ":" in host or _is_ipv4(host)


def _is_ipv4(name: str) -> bool:
    parts = name.split(".")
    return len(parts) == 4 and all(_IPV4_PART.fullmatch(part) and int(part) <= 255 for part in parts)


def _ipv6(literal: str) -> str:
    if "%" in literal:
        raise ValueError("its host has a zone, which programs read in different ways")
    try:
        address = ipaddress.IPv6Address(literal)
    except ValueError:
        raise ValueError("its host is not valid") from None
    if address.ipv4_mapped is not None:  # Python 3.13 writes these with dots, unlike the standard
        number = int(address.ipv4_mapped)
        return f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}"
    return address.compressed


def _idna(name: str) -> str:
    lower = name.lower()
    try:
        encoded = lower.encode("idna") if len(name) <= _MAX_HOST_NAME else b""  # the codec is quadratic
        # If it maps the name to another one, IDNA 2008 and browsers may map it to a third.
        if encoded.decode("idna") == lower:
            return encoded.decode("ascii")
    except UnicodeError:
        pass
    raise ValueError("its host is not valid, or programs read it in different ways: write it in ASCII (xn--...)")


def _has_scheme(text: str) -> bool:
    before, colon, _ = text.partition(":")
    return bool(colon) and _SCHEME.fullmatch(before) is not None


def _instead_of(text: str) -> str:
    """Return what to add about a text whose scheme is another one, or missing."""
    scheme = text.partition(":")[0].lower() if _has_scheme(text) else ""
    # What is before a colon need not be a scheme: in "user:password@host" it is the user.
    is_scheme = text[len(scheme) :].startswith("://")
    shown = "" if "@" in text and scheme and not is_scheme else f", not with {scheme or 'no scheme'!r}"
    authority, path, _ = _split(text)
    try:
        candidate = Url.parse(f"http://{authority}{path}")
    except ValueError:
        return shown
    looks_like_a_host = "." in authority or ":" in authority.rpartition("@")[2] or candidate.host == "localhost"
    if is_scheme or not looks_like_a_host or "@" in text[len(authority) :]:
        return shown
    return f"{shown}; did you mean {candidate}?"
