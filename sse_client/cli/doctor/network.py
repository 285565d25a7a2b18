"""The way to the server without a request: the proxy, the name, each of its addresses, TLS.

Rules of this file: it measures with sockets of its own, and draws no conclusion. Everything
here takes a limited time; only the system's look-up of a name goes on, in a daemon thread.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from sse_client._http.proxies import Proxy, check_proxy, environment_proxy
from sse_client._http.url import Url

_MAX_ADDRESSES = 8
_NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_TIME = re.compile(rb"\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z")  # UTCTime and GeneralizedTime (X.509, RFC 5280, 4.1.2.5)
_DEFAULT_PROXY_PORTS = {"https": 443, "http": 80}  # SOCKS has 1080


@dataclass(frozen=True)
class Way:
    """Which proxy requests go through.

    Attributes:
        proxy: Scheme, host and port of the proxy, or None.
        why: Who named it, or why there is none.
        host: Whose name is looked up from here: the proxy's or the server's.
        port: Where a connection is made to.
    """

    proxy: Optional[str]
    why: str
    host: str
    port: int


@dataclass(frozen=True)
class Address:
    """One address of a name, and whether a connection to it can be made.

    Attributes:
        family: ``"IPv4"`` or ``"IPv6"``.
        address: The address.
        seconds: How long the connection took, or the failure.
        error: Why there is none, or None.
        is_ours: Whether this machine is the reason: it has no way to addresses of this kind.
    """

    family: str
    address: str
    seconds: float
    error: Optional[str]
    is_ours: bool = False


@dataclass(frozen=True)
class Look:
    """What looking up a name gave.

    Attributes:
        seconds: How long it took.
        addresses: What it gave, each tried.
        error: Why it failed, or None.
    """

    seconds: float
    addresses: tuple[Address, ...]
    error: Optional[str] = None


@dataclass(frozen=True)
class Tls:
    """What a TLS handshake gave.

    Attributes:
        version: Such as ``"TLSv1.3"``, or ``""`` where there was no handshake.
        error: Why it failed, or why the certificate is not valid; None if all is well.
        issuer: Who signed the certificate, ``""`` if that is not known.
        expires: When the certificate runs out, or None if that is not known.
    """

    version: str
    error: Optional[str]
    issuer: str
    expires: Optional[datetime]


def way_to(url: Url, proxy: Optional[str], environ: Mapping[str, str] = os.environ) -> Way:
    """Return which proxy a request to this URL goes through, by the package's own rules.

    Raises:
        ValueError: The environment names a proxy that is none.
    """
    chosen: Optional[Proxy] = check_proxy(proxy)
    why = "given with -x"
    if chosen is None:
        chosen = environment_proxy(url)
        names = (f"{url.scheme}_proxy", f"{url.scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        named = next((name for name in names if environ.get(name)), None)
        if chosen is not None:
            why = f"named by {named}" if named else "named by the system's settings"
        else:
            why = f"NO_PROXY leaves this host out of {named}" if named else "neither -x nor the environment names one"
    if chosen is None:
        return Way(None, why, url.host, url.port)
    parts = urlsplit(chosen.url)
    return Way(chosen.url, why, parts.hostname or "", parts.port or _DEFAULT_PROXY_PORTS.get(parts.scheme, 1080))


def look_up(host: str, port: int, seconds: float) -> Look:
    """Look a name up and try to connect to each of its addresses, all at once. Blocks for ``seconds`` at most."""
    started = time.monotonic()
    found: list[Any] = []
    looking = _in_thread(lambda: found.append(_resolve(host, port)))
    looking.join(seconds)
    took = time.monotonic() - started
    if not found:
        return Look(took, (), f"no answer within {seconds:.0f} s")
    if isinstance(found[0], str):
        return Look(took, (), found[0])
    rest = max(seconds - took, 0.5)
    results: list[Address] = []
    threads = [_in_thread(partial(_try_into, results, info, rest)) for info in found[0]]
    for thread in threads:
        thread.join()
    order = [info[1][0] for info in found[0]]
    return Look(took, tuple(sorted(results, key=lambda address: order.index(address.address))))


def shake_hands(host: str, address: tuple[str, int], context: ssl.SSLContext, seconds: float) -> Tls:
    """Make a TLS connection to an address of a host, without a request. Blocks for some ``seconds`` at most."""
    try:
        with _connected(host, address, context, seconds) as tls:
            version = tls.version() or ""
            certificate: dict[str, Any] = dict(tls.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        reason = getattr(error, "verify_message", "") or str(error)
        return Tls("", reason, "", _expiry_unverified(host, address, seconds))
    except OSError as error:
        return Tls("", _words(error), "", None)
    expires = None
    if "notAfter" in certificate:
        expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), timezone.utc)
    names = {name: value for part in certificate.get("issuer", ()) for name, value in part}
    return Tls(version, None, names.get("organizationName") or names.get("commonName") or "", expires)


def _resolve(host: str, port: int) -> Any:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return _words(error)
    return list(dict.fromkeys((info[0], info[4]) for info in infos))[:_MAX_ADDRESSES]


def _try_into(results: list[Address], info: Any, seconds: float) -> None:
    family, address = info
    name = "IPv6" if family == socket.AF_INET6 else "IPv4"
    started = time.monotonic()
    error = None
    is_ours = False
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(seconds)
            sock.connect(address)
    except OSError as failure:
        error = _words(failure)
        is_ours = failure.errno in _NO_WAY
    results.append(Address(name, address[0], time.monotonic() - started, error, is_ours))


@contextmanager
def _connected(host: str, address: tuple[str, int], context: ssl.SSLContext, seconds: float) -> Iterator[ssl.SSLSocket]:
    sock = socket.create_connection(address, seconds)
    with sock, context.wrap_socket(sock, server_hostname=host) as tls:
        yield tls


def _expiry_unverified(host: str, address: tuple[str, int], seconds: float) -> Optional[datetime]:
    """Return when a certificate runs out that nobody vouches for. Nothing but this is taken from it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connected(host, address, context, seconds) as tls:
            times = _TIME.findall(tls.getpeercert(binary_form=True) or b"")
    except OSError:
        return None
    if len(times) < 2:
        return None
    short, long = times[1]  # "not before" and "not after"
    return datetime.strptime((long or b"20" + short).decode(), "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)


def _in_thread(function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=function, name="sse-client-doctor", daemon=True)
    thread.start()
    return thread


def _words(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
