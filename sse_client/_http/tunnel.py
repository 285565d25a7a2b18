"""A connected socket to a server, straight or through a proxy, for a protocol that only begins as HTTP.

Rules of this file: it connects as a request would (the same pools, proxies, TLS and
interrupter, and so the same errors), and hands the socket over before anything is asked.
"""

from __future__ import annotations

import ssl
from typing import Any, Optional

from urllib3 import exceptions as urllib3_errors

from .authorities import system_context
from .failures import FOREIGN_ERRORS, Circumstances, Timeouts, interrupted, request_failed, sanitized_cause
from .interrupt import Interrupted, Interrupter, Limit
from .pools import make_manager
from .proxies import Proxy
from .url import Url, host_and_port
from .watched import Watch, view_of_manager


def open_socket(
    url: Url,
    *,
    shown: str,
    proxy: Optional[Proxy],
    ssl_context: Optional[ssl.SSLContext],
    interrupter: Interrupter,
    limit: Limit,
) -> Any:
    """Connect to the host of a URL, and do the TLS handshake for ``https``. Blocks; the interrupter can end it.

    An HTTP proxy is asked for a tunnel for ``http`` too, since it must not look into what follows.

    Args:
        url: Where to.
        shown: The address in errors.
        proxy: The proxy, or None.
        ssl_context: What to check certificates with, or None for urllib3's default.
        interrupter: It watches the socket. The caller releases it.
        limit: How long all of this may take.

    Returns:
        A socket; or urllib3's SSLTransport, for TLS to a server behind a proxy that speaks
        TLS too. The caller closes it.

    Raises:
        ConnectionFailed, CertificateRejected: As for a request.
        ResponseRejected: The proxy has refused the tunnel.
        ValueError: The proxy cannot be used for this.
        ImportError: The proxy speaks SOCKS, and the package for that is not installed.
    """
    if proxy is not None and proxy.url.startswith("https:") and url.scheme == "http":
        raise ValueError(f"the proxy {proxy.url} is spoken to over TLS, which leads to TLS only: use wss:// or another")
    when = Circumstances(shown, Timeouts(limit, limit, limit), proxy)
    connection: Any = None
    try:
        manager = view_of_manager(
            make_manager(proxy, ssl_context or system_context()), Watch(interrupter, limit, connecting=limit.parameter)
        )
        connection = manager.connection_from_host(url.host, url.port, url.scheme)._get_conn()
        connection.timeout = limit.seconds
        if proxy is not None and not proxy.is_socks:
            headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else None
            scheme = "https" if proxy.url.startswith("https:") else "http"
            connection.set_tunnel(host_and_port(url.host, None), url.port, headers, scheme)
        connection.connect()
    except Interrupted:
        if connection is not None:
            connection.close()
        raise interrupted(shown) from None
    except FOREIGN_ERRORS as error:
        in_proxy = connection is not None and connection.proxy and not connection.has_connected_to_proxy
        if connection is not None:
            connection.close()
        if interrupter.interrupted:
            raise interrupted(shown) from None
        if in_proxy:
            error = urllib3_errors.ProxyError("unable to connect to the proxy", error)
        raise request_failed(error, when) from sanitized_cause(error)
    # The caller owns the socket from here on: the connection and its pool must not close it.
    sock, connection.sock = connection.sock, None
    return sock
